"""The stop signal does not end the program, although SIGTERM would: STOPSIGNAL is set wrongly."""

from __future__ import annotations

from collections.abc import Iterator

from sigtrace.containers import advice
from sigtrace.postmortem.case import Case
from sigtrace.postmortem.cause import Cause
from sigtrace.postmortem.checks import (
    by_signal,
    lines,
    masks,
    name,
    severity_of,
    stop_signal,
    takes,
    would_ask,
    would_drop,
)
from sigtrace.postmortem.event import MEANT_TO_STOP, Event
from sigtrace.postmortem.finding import Finding, numbers
from sigtrace.signals import INT, KILL, QUIT, TERM

_ANYWHERE = "STOPSIGNAL in the image, docker run --stop-signal, lifecycle.stopSignal of the pod"
_ENDS_PROGRAMS = (TERM, INT, QUIT, KILL)


def check(case: Case) -> Iterator[Finding]:
    """Report requests other than SIGTERM without effect, to an init that takes SIGTERM.

    For a live namespace without requests, report a configured stop signal that would have no effect.
    """
    for events in by_signal(e for e in case.requests if e.signal != TERM and _came_to_nothing(case, e)):
        first = events[0]
        snapshot = case.snapshot_after(first.time) or case.snapshot_of_subject()
        if (
            snapshot is None
            or not takes(snapshot, TERM)
            or takes(snapshot, first.signal) != _was_handled(case, first)
        ):
            continue
        yield Finding(
            "wrong-stop-signal",
            case.nsid,
            severity_of(case, events),
            "likely",
            f"{first.target} was asked to stop by {stop_signal(case, first)}, which does not end it; "
            "it does take SIGTERM.",
            lines(events) + masks(snapshot, "caught", "blocked", "awaited", "signalfd"),
            f"correct the stop signal: {advice.stop_signal(case.container) or _ANYWHERE}",
            numbers(*events),
        )
    snapshot = would_drop(case)
    if (
        snapshot is not None
        and snapshot.subject is not None
        and would_ask(case) != TERM
        and takes(snapshot, TERM)
    ):
        yield Finding(
            "wrong-stop-signal",
            case.nsid,
            "warning",
            "possible",
            f"{name(would_ask(case))}, its configured stop signal, is discarded by {snapshot.subject.name}; it does "
            "take SIGTERM. If it was asked to stop before sigtrace looked, that is why it did not.",
            masks(snapshot, "caught", "blocked", "awaited", "signalfd"),
            f"correct the stop signal: {advice.stop_signal(case.container) or _ANYWHERE}",
        )


def _came_to_nothing(case: Case, event: Event) -> bool:
    cut_off = case.cut_off(event)
    killed = cut_off is not None and cut_off.time > event.time
    if not killed and event.signal not in MEANT_TO_STOP:
        return False  # not a stop signal, and no SIGKILL followed: it was probably meant for something else
    if event.signal != KILL and event.verdict in ("dropped_at_generate", "default_ignored", "resumes"):
        return True
    return killed and event.signal not in _ENDS_PROGRAMS and _was_handled(case, event)


def _was_handled(case: Case, event: Event) -> bool:
    fate = case.fate_of(event)
    return fate is not None and fate.verdict == "handled"


CAUSE = Cause(
    "wrong-stop-signal",
    "a stop signal the program does not end by",
    process=check,
    needs=("events", "snapshot"),
    instead_of=("dropped-at-generate", "slow-handler"),
)
