"""Where a queued signal went that was never delivered: still pending, fetched, discarded, or kept by a tracer.

sigtimedwait(2) and a signalfd dequeue a signal without a signal_deliver event, and a tracer that suppresses one does so
before that event (ptrace_signal()). What follows tells them apart: the pending set in a snapshot, signals that the
process sends on, its exit.
"""

from __future__ import annotations

from sigtrace.postmortem.case import Case
from sigtrace.postmortem.checks import is_left_pending, is_pending
from sigtrace.postmortem.event import Event
from sigtrace.postmortem.snapshot import Snapshot
from sigtrace.signals import KILL
from sigtrace.stops.request import AT_ONCE_NS
from sigtrace.units import duration

_FETCHED = "taken by sigtimedwait or a signalfd"


def told(case: Case, event: Event) -> str:
    """Return what became of a signal that was queued for the subject of a case and not delivered, in words."""
    exit = _exit_after(case, event)
    # complete_signal() turns a fatal signal into a SIGKILL of every thread, which is all that is delivered.
    if exit and event.signal in (KILL, exit.exit_code & 0x7F):
        return "queued, and obeyed"
    snapshot = case.last_snapshot_after(event.time)
    queued = "queued, blocked" if event.blocked else "queued"
    if event.traced and not event.blocked and not _is_pending(case, event, snapshot):
        return f"{queued}; {_tracer(snapshot)} got it first, and no delivery followed"
    where = (event.blocked and _sent_on(case, event)) or _seen(case, event, snapshot) or _ended(exit, event)
    return f"{queued}, and {where}" if where else f"{queued}; no delivery followed"


def _exit_after(case: Case, event: Event) -> Event | None:
    return next((e for e in case.to_subject if e.stage == "exit" and e.time >= event.time), None)


def _is_pending(case: Case, event: Event, snapshot: Snapshot | None) -> bool:
    """Whether the snapshot shows it pending, and not just for the moment until a thread that was woken fetches it."""
    if snapshot is None or not is_pending(snapshot, event.signal):
        return False
    return is_left_pending(case, snapshot, event.signal) or _exit_after(case, event) is None


def _sent_on(case: Case, event: Event) -> str:
    """Return that the process fetched it, as it sent signals right after: small inits pass on what they fetch."""
    sent = (e for e in case.to_others if e.sender_pid == event.target_pid != e.target_pid)
    passed = next((e for e in sent if 0 <= e.time - event.time <= AT_ONCE_NS), None)
    if passed is None:
        return _FETCHED if case.passes_on(event) else ""
    later = duration(passed.time - event.time)
    return f"{_FETCHED}: it sent {passed.signal_name} to {passed.target} {later} later"


def _seen(case: Case, event: Event, snapshot: Snapshot | None) -> str:
    """Return what the pending set in a later snapshot shows; empty without one."""
    if snapshot is None:
        return ""
    later = f"{duration(snapshot.time - event.time)} later"
    if _is_pending(case, event, snapshot):
        held = f", held by {_tracer(snapshot)}," if snapshot.subject and snapshot.subject.state == "t" else ""
        return f"still pending{held} {later}"
    if not event.blocked or is_pending(snapshot, event.signal):
        return ""
    if snapshot.subject and snapshot.subject.in_mask(
        "ignored", event.signal
    ):  # do_sigaction() discards what is pending
        return f"discarded as the program set SIG_IGN: no longer pending {later}"
    return f"{_FETCHED}: no longer pending {later}"


def _ended(exit: Event | None, event: Event) -> str:
    """Return that the process probably fetched it, as it exited right after; empty if it did not."""
    if not event.blocked or exit is None or exit.time - event.time > AT_ONCE_NS or exit.exit_code & 0x7F:
        return ""
    return f"probably {_FETCHED}: it exited {duration(exit.time - event.time)} later"


def _tracer(snapshot: Snapshot | None) -> str:
    task = snapshot.subject if snapshot else None
    return f"its tracer {task.tracer_name}" if task and task.tracer_pid else "its tracer"
