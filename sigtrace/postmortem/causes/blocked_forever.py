"""The signal is blocked, and is neither unblocked nor fetched: it stays pending.

A program may block a signal most of the time and still take it: event loops unblock it for the moment in which they
wait (epoll_pwait(2), or sigprocmask(2) before and after the wait), shells do between two commands. One look that finds
it blocked and pending is therefore not enough.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from sigtrace.postmortem.case import Case
from sigtrace.postmortem.cause import Cause
from sigtrace.postmortem.checks import (
    by_signal,
    consumes,
    is_held,
    is_left_pending,
    lines,
    masks,
    name,
    severity_of,
    weight,
)
from sigtrace.postmortem.event import MEANT_TO_STOP, Event
from sigtrace.postmortem.finding import Confidence, Finding, numbers
from sigtrace.postmortem.period import Period, seen, subject_exits
from sigtrace.postmortem.snapshot import Snapshot

_SHOWN = ("shared_pending", "pending", "caught", "blocked", "awaited", "signalfd")


def check(case: Case) -> Iterator[Finding]:
    """Report requests that were queued while blocked and never taken, and other stop signals that stay pending."""
    explained = set()
    queued = (e for e in case.requests if e.verdict in ("queued", "coalesced") and e.blocked)
    for events in by_signal(queued):
        first, severity = events[0], severity_of(case, events)
        period = _period(case, first.signal, first)
        confidence = _confidence(case, events, period)
        if confidence is None:
            continue
        explained.add(first.signal)
        snapshot = case.last_snapshot_after(first.time)
        yield Finding(
            "blocked-forever",
            case.nsid,
            weight(case, period, severity)[0] if period else severity,
            confidence,
            f"{first.signal_name} {'was' if period and period.past else 'is'} blocked by {first.target}: it was "
            f"queued, and nobody took it.{_once_unblocked(snapshot, first.signal)}",
            lines(events) + masks(snapshot, *_SHOWN) + (period.evidence if period else ()),
            _advice(snapshot, first.signal),
            numbers(*events),
            period=period,
        )
    for signal in sorted(MEANT_TO_STOP - explained):
        yield from _unrecorded(case, signal)


def _unrecorded(case: Case, signal: int) -> Iterator[Finding]:
    """Report a stop signal that is pending and blocked, and whose request was not recorded."""
    snapshot, period = case.snapshot_of_subject(), _period(case, signal)
    if snapshot is None or snapshot.subject is None or period is None or period.last < snapshot.time:
        return
    if any(e.signal == signal and e.stage == "deliver" and e.time > period.last for e in case.to_subject):
        return
    severity, _ = weight(case, period)
    yield Finding(
        "blocked-forever",
        case.nsid,
        severity,
        _sureness(snapshot, signal, period),
        f"{name(signal)} {period.tell('is', 'was')} pending for {snapshot.subject.name}, which "
        f"{period.tell('blocks', 'blocked')} it.{_once_unblocked(snapshot, signal)}",
        masks(snapshot, *_SHOWN) + period.evidence,
        _advice(snapshot, signal),
        period=period,
    )


def _period(case: Case, signal: int, since: Event | None = None) -> Period | None:
    """Return when a signal was pending and blocked, and no thread was about to take it.

    since: the request that was queued while it was blocked.
    """
    start = since.time if since else 0
    period = seen(
        case,
        lambda each: each.time >= start and _stays_pending(case, each, signal),
        subject_exits(case),
    )
    return replace(period, first=start) if period and since else period


def _stays_pending(case: Case, snapshot: Snapshot, signal: int) -> bool:
    task = snapshot.subject
    if task is None or task.exiting or is_held(task) or consumes(snapshot, signal):
        return False
    blocked = all(task.in_mask("blocked", signal) for task in snapshot.subject_threads)
    return blocked and is_left_pending(case, snapshot, signal)


def _confidence(case: Case, events: Sequence[Event], period: Period | None) -> Confidence | None:
    """Return how certain it is that the signal is still pending; None if it is not, or was probably fetched.

    sigtimedwait(2) and a signalfd dequeue a signal without a signal_deliver event: only a snapshot distinguishes that
    from a signal that stays pending.
    """
    first, signal = events[0], events[0].signal
    if case.fate_of(first) is not None or any(e.traced for e in events):
        return None
    snapshot = case.last_snapshot_after(first.time)
    if snapshot is not None:
        return _sureness(snapshot, signal, period) if period and period.last >= snapshot.time else None
    if any(consumes(s, signal) for s in case.snapshots) or case.stopped_at(first.time):
        return None
    if any(e.verdict == "coalesced" for e in events):
        return "likely"  # the first was still pending when the next was sent
    # An init that signals others afterwards has fetched it: small inits forward what they take.
    forwarded = any(e.sender_pid == first.target_pid and e.time > first.time for e in case.to_others)
    return "possible" if case.outlasted(first) and not forwarded else None


def _sureness(snapshot: Snapshot, signal: int, period: Period) -> Confidence:
    if period.settled:
        return "certain"
    return "possible" if _has_handler(snapshot, signal) else "likely"


def _has_handler(snapshot: Snapshot | None, signal: int) -> bool:
    return snapshot is not None and any(task.in_mask("caught", signal) for task in snapshot.subject_threads)


def _once_unblocked(snapshot: Snapshot | None, signal: int) -> str:
    """Return the sentence about what follows when it is unblocked; empty if that is not known."""
    if snapshot is None or snapshot.subject is None or snapshot.subject.in_mask("ignored", signal):
        return ""
    if _has_handler(snapshot, signal):
        return " Its handler runs once it is unblocked."
    if not snapshot.subject.is_init:
        return " It has no handler for it, and ends once it is unblocked."
    return " It has no handler for it, and would discard it once it is unblocked."


def _advice(snapshot: Snapshot | None, signal: int) -> str:
    then = ""
    if _has_handler(snapshot, signal):
        then = ", as its handler runs only then"
    elif snapshot is not None and snapshot.subject is not None and snapshot.subject.is_init:
        then = ", and install a handler before"
    return (
        f"unblock the signal in the program{then} (the mask is inherited through exec: look at who "
        "starts it), or have a thread fetch it by sigwait or a signalfd"
    )


CAUSE = Cause("blocked-forever", "a signal blocked for ever", process=check)
