"""The signal was fetched by sigtimedwait(2) or a signalfd, as tini, catatonit, s6 and systemd do: look further."""

from __future__ import annotations

from collections.abc import Iterator

from sigtrace.postmortem.case import Case
from sigtrace.postmortem.cause import Cause
from sigtrace.postmortem.checks import by_signal, consumes, is_held, is_pending, lines, masks
from sigtrace.postmortem.event import Event
from sigtrace.postmortem.finding import Finding, numbers
from sigtrace.signals import KILL


def check(case: Case) -> Iterator[Finding]:
    """Requests that were queued, taken without a delivery, and did not end the init."""
    queued = (e for e in case.requests if e.verdict == "queued" and e.signal != KILL and not e.traced)
    for events in by_signal(e for e in queued if _was_taken(case, e) and case.outlasted(e)):
        first = events[0]
        passed = [e for e in case.to_others if e.sender_pid == first.target_pid and e.time > first.time]
        sight = case.last_sight_after(first.time) or next(
            (s for s in case.sights if consumes(s, first.signal)), None
        )
        children = [t for t in sight.processes if sight.init and t.ppid == sight.init.pid] if sight else []
        shown = (
            tuple(sight.line(t.masks("caught", "ignored", "blocked")) for t in children[:3]) if sight else ()
        )
        yield Finding(
            "synchronous-consumer",
            case.nsid,
            "notice",
            "certain" if sight else "likely",
            f"{first.target} took {first.signal_name} by sigtimedwait or a signalfd, as small inits do: it is not "
            "what hangs; look at what it passes the signal to.",
            lines([*events, *passed[:2]]) + masks(sight, "awaited", "signalfd", "shared_pending") + shown,
            "see what the children do with the signal: a handler that takes long, SIG_IGN, a shell in between",
            numbers(*events),
        )


def _was_taken(case: Case, event: Event) -> bool:
    """Queued, never delivered, and not pending any more."""
    if case.fate_of(event) is not None or not event.blocked:
        return False
    if any(e.sender_pid == event.target_pid and e.time > event.time for e in case.to_others):
        return True  # it acts upon it
    sight = case.last_sight_after(event.time)
    if sight is not None and sight.init is not None:
        return not is_pending(sight, event.signal) and not is_held(sight.init)
    return any(consumes(s, event.signal) for s in case.sights)


CAUSE = Cause(
    "synchronous-consumer",
    "an init that takes signals and passes them on",
    check,
    needs=("events",),
    waits=True,
)
