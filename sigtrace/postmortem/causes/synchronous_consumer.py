"""The process fetched the signal by sigtimedwait(2) or a signalfd, as tini, s6 and systemd do, and did not end.

`subject.judged` has followed what it passed on to others, so far as that was recorded.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sigtrace.postmortem.case import Case
from sigtrace.postmortem.cause import Cause
from sigtrace.postmortem.checks import by_signal, consumes, is_held, is_pending, lines, masks
from sigtrace.postmortem.event import Event
from sigtrace.postmortem.finding import Finding, numbers
from sigtrace.postmortem.snapshot import Snapshot, Task
from sigtrace.signals import KILL


def check(case: Case) -> Iterator[Finding]:
    """Report requests that were queued, taken without a delivery, and did not end the process."""
    queued = (e for e in case.requests if e.verdict == "queued" and e.signal != KILL and not e.traced)
    for events in by_signal(e for e in queued if _was_taken(case, e) and case.outlasted(e)):
        first = events[0]
        snapshot = case.last_snapshot_after(first.time) or next(
            (s for s in case.snapshots if consumes(s, first.signal)), None
        )
        children = _children(snapshot)
        shown = [snapshot.line(t.masks("caught", "ignored", "blocked")) for t in children] if snapshot else []
        what, elsewhere = _what(case, first, snapshot, children)
        yield Finding(
            "synchronous-consumer",
            case.nsid,
            "notice" if elsewhere else "error" if case.cut_off(first) else "warning",
            "certain" if snapshot and elsewhere else "likely",
            f"{first.target} took {first.signal_name} by sigtimedwait or a signalfd{what}",
            (*lines(events), *masks(snapshot, "awaited", "signalfd", "shared_pending"), *shown[:3]),
            "see what the children do with the signal: a handler that takes long, SIG_IGN, a shell in between"
            if elsewhere
            else "see what the program does after it has taken the signal, and what it waits for",
            numbers(*events),
        )


def _children(snapshot: Snapshot | None) -> list[Task]:
    """Return the children of the subject that are alive."""
    if snapshot is None or snapshot.subject is None:
        return []
    return [t for t in snapshot.processes if t.ppid == snapshot.subject.pid and t.state not in "ZX"]


def _what(case: Case, first: Event, snapshot: Snapshot | None, children: Sequence[Task]) -> tuple[str, bool]:
    """Return what it did with the signal, which completes the sentence, and whether the hang is probably elsewhere."""
    if case.passes_on(first):
        return " and passed it on to processes that have ended; it has not.", False
    if snapshot is not None and not children:
        return ", and did not end; it has no children.", False
    if snapshot is not None and case.has_members:
        named = ", ".join(task.name for task in children[:3])
        return f", did not end, and did not pass it on to its children ({named}).", False
    return ", as small inits do: it is not what hangs; look at what it passes the signal to.", True


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
    "a program that takes signals and does not end",
    process=check,
    needs=("events",),
    waits=True,
    by_absence=True,
)
