"""It was asked by a signal it does not end by, although it does handle SIGTERM: STOPSIGNAL is set wrongly."""

from __future__ import annotations

from collections.abc import Iterator

from sigtrace.postmortem.case import Case
from sigtrace.postmortem.cause import Cause
from sigtrace.postmortem.event import INT, KILL, MEANT_TO_STOP, QUIT, TERM, Event
from sigtrace.postmortem.evidence import by_signal, lines, masks, severity_of, takes
from sigtrace.postmortem.finding import Finding, numbers

_ENDS_PROGRAMS = (TERM, INT, QUIT, KILL)


def check(case: Case) -> Iterator[Finding]:
    """Requests by another signal than SIGTERM that came to nothing, to an init that takes SIGTERM."""
    for events in by_signal(e for e in case.requests if e.signal != TERM and _came_to_nothing(case, e)):
        first = events[0]
        sight = case.sight_after(first.time) or case.sight_of_init()
        if sight is None or not takes(sight, TERM) or takes(sight, first.signal) != _was_handled(case, first):
            continue
        yield Finding(
            "wrong-stop-signal",
            case.nsid,
            severity_of(case, events),
            "likely",
            f"{first.target} was asked to stop by {first.signal_name}, which does not end it; it does take SIGTERM.",
            lines(events) + masks(sight, "caught", "blocked", "awaited", "signalfd"),
            "correct the stop signal: STOPSIGNAL in the image, docker run --stop-signal, lifecycle.stopSignal of "
            "the pod",
            numbers(*events),
        )


def _came_to_nothing(case: Case, event: Event) -> bool:
    episode = case.episode_of(event)
    killed = episode is not None and episode.kill is not None and episode.kill.time > event.time
    if not killed and event.signal not in MEANT_TO_STOP:
        return False  # a signal that means something else, and nobody wanted it to end
    if event.signal != KILL and event.verdict in ("dropped_at_generate", "default_ignored"):
        return True
    return killed and event.signal not in _ENDS_PROGRAMS and _was_handled(case, event)


def _was_handled(case: Case, event: Event) -> bool:
    fate = case.fate_of(event)
    return fate is not None and fate.verdict == "handled"


CAUSE = Cause(
    "wrong-stop-signal",
    "a stop signal the program does not end by",
    check,
    needs=("events", "snapshot"),
    instead_of=("dropped-at-generate", "slow-handler"),
)
