"""The init fetched the signal by sigtimedwait(2) or a signalfd, as tini, catatonit, s6 and systemd do.

The hang is then elsewhere, usually in the child to which the init passes the signal.
"""

from __future__ import annotations

from collections.abc import Iterator

from sigtrace.postmortem.case import Case
from sigtrace.postmortem.cause import Cause
from sigtrace.postmortem.checks import by_signal, consumes, is_held, is_pending, lines, masks
from sigtrace.postmortem.event import Event
from sigtrace.postmortem.finding import Finding, numbers
from sigtrace.signals import KILL


def check(case: Case) -> Iterator[Finding]:
    """Report requests that were queued, taken without a delivery, and did not end the init."""
    queued = (e for e in case.requests if e.verdict == "queued" and e.signal != KILL and not e.traced)
    for events in by_signal(e for e in queued if _was_taken(case, e) and case.outlasted(e)):
        first = events[0]
        passed = [e for e in case.to_others if e.sender_pid == first.target_pid and e.time > first.time]
        snapshot = case.last_snapshot_after(first.time) or next(
            (s for s in case.snapshots if consumes(s, first.signal)), None
        )
        children = (
            [t for t in snapshot.processes if snapshot.subject and t.ppid == snapshot.subject.pid]
            if snapshot
            else []
        )
        shown = (
            tuple(snapshot.line(t.masks("caught", "ignored", "blocked")) for t in children[:3])
            if snapshot
            else ()
        )
        yield Finding(
            "synchronous-consumer",
            case.nsid,
            "notice",
            "certain" if snapshot else "likely",
            f"{first.target} took {first.signal_name} by sigtimedwait or a signalfd, as small inits do: it is not "
            "what hangs; look at what it passes the signal to.",
            lines([*events, *passed[:2]]) + masks(snapshot, "awaited", "signalfd", "shared_pending") + shown,
            "see what the children do with the signal: a handler that takes long, SIG_IGN, a shell in between",
            numbers(*events),
        )


def _was_taken(case: Case, event: Event) -> bool:
    """Whether the signal was queued, never delivered, and is no longer pending."""
    if case.fate_of(event) is not None or not event.blocked:
        return False
    if any(e.sender_pid == event.target_pid and e.time > event.time for e in case.to_others):
        return True  # the init reacts to it by signals of its own
    snapshot = case.last_snapshot_after(event.time)
    if snapshot is not None and snapshot.subject is not None:
        return not is_pending(snapshot, event.signal) and not is_held(snapshot.subject)
    return any(consumes(s, event.signal) for s in case.snapshots)


CAUSE = Cause(
    "synchronous-consumer",
    "an init that takes signals and passes them on",
    process=check,
    needs=("events",),
    waits=True,
)
