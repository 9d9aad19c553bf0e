"""The init is stopped (SIGSTOP): it acts on no signal until SIGCONT, except on SIGKILL from outside."""

from __future__ import annotations

from collections.abc import Iterator

from sigtrace.postmortem.case import Case
from sigtrace.postmortem.cause import Cause
from sigtrace.postmortem.checks import lines
from sigtrace.postmortem.event import Event
from sigtrace.postmortem.finding import Finding, numbers
from sigtrace.signals import CONT, KILL, STOP


def check(case: Case) -> Iterator[Finding]:
    """Report a process in state T, or requests that came while it was stopped."""
    seen = case.snapshot_of_subject()
    if seen is None or seen.subject is None or seen.subject.state != "T":
        seen = None
    asked = [e for e in case.requests if e.verdict in ("queued", "coalesced") and e.signal != KILL]
    waiting = [e for e in asked if seen and _lasts(case, e, seen.time)] or [
        e for e in asked if case.stopped_at(e.time) and _undelivered(case, e.time, e.signal)
    ]
    if not waiting and not (seen and (case.live or case.requests)):
        return
    stops = [e for e in case.to_subject if e.signal == STOP and e.stage == "generate"]
    name = seen.subject.name if seen and seen.subject else waiting[0].target
    yield Finding(
        "stopped",
        case.nsid,
        "error" if waiting else "warning",
        "certain",
        f"{name} is stopped: it acts on a signal once SIGCONT resumes it.",
        lines([*stops[:1], *waiting]) + ((seen.line(str(seen.subject)),) if seen else ()),
        "resume it: kill -CONT from outside the container; see who stopped it",
        numbers(*waiting),
    )


def _lasts(case: Case, request: Event, time: int) -> bool:
    """Whether a request was sent before that time, and its attempt had not ended by then."""
    stop = case.stop_of(request)
    return request.time <= time and stop is not None and (stop.exit is None or stop.exit.time >= time)


def _undelivered(case: Case, time: int, signal: int) -> bool:
    """Whether the signal was not delivered before SIGCONT or SIGKILL."""
    for event in case.to_subject:
        if event.time >= time and event.stage == "deliver" and event.signal == signal:
            return False
        if event.time > time and event.signal in (CONT, KILL):
            return event.signal == KILL
    return True


CAUSE = Cause(
    "stopped",
    "a stopped process",
    process=check,
    instead_of=("blocked-forever", "synchronous-consumer", "slow-handler"),
)
