"""The signal is blocked, and is neither unblocked nor fetched: it stays pending."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

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
)
from sigtrace.postmortem.event import MEANT_TO_STOP, Event
from sigtrace.postmortem.finding import Confidence, Finding, numbers

_SHOWN = ("shared_pending", "pending", "blocked", "awaited", "signalfd")
_ADVICE = (
    "unblock the signal in the program (the mask is inherited through exec: look at who starts it), or have a "
    "thread fetch it by sigwait or a signalfd"
)


def check(case: Case) -> Iterator[Finding]:
    """Report requests that were queued while blocked and never taken, and other stop signals that stay pending."""
    explained = set()
    queued = (e for e in case.requests if e.verdict in ("queued", "coalesced") and e.blocked)
    for events in by_signal(queued):
        confidence = _confidence(case, events)
        if confidence is None:
            continue
        first = events[0]
        explained.add(first.signal)
        yield Finding(
            "blocked-forever",
            case.nsid,
            severity_of(case, events),
            confidence,
            f"{first.signal_name} is blocked by {first.target}: it was queued, and nobody took it.",
            lines(events) + masks(case.last_snapshot_after(first.time), *_SHOWN),
            _ADVICE,
            numbers(*events),
        )
    snapshot = case.snapshot_of_subject()
    for signal in sorted(MEANT_TO_STOP - explained):
        if (
            snapshot is None
            or snapshot.subject is None
            or is_held(snapshot.subject)
            or consumes(snapshot, signal)
        ):
            continue
        if is_left_pending(case, snapshot, signal) and all(
            t.in_mask("blocked", signal) for t in snapshot.subject_threads
        ):
            yield Finding(
                "blocked-forever",
                case.nsid,
                "error",
                "certain",
                f"{name(signal)} is pending for {snapshot.subject.name}, which blocks it.",
                masks(snapshot, *_SHOWN),
                _ADVICE,
            )


def _confidence(case: Case, events: Sequence[Event]) -> Confidence | None:
    """Return how certain it is that the signal is still pending; None if it is not, or was probably fetched.

    sigtimedwait(2) and a signalfd dequeue a signal without a signal_deliver event: only a snapshot distinguishes that
    from a signal that stays pending.
    """
    first, signal = events[0], events[0].signal
    if case.fate_of(first) is not None or any(e.traced for e in events):
        return None
    snapshot = case.last_snapshot_after(first.time)
    if snapshot is not None and snapshot.subject is not None:
        held = is_held(snapshot.subject) or consumes(snapshot, signal)
        return "certain" if is_left_pending(case, snapshot, signal) and not held else None
    if any(consumes(s, signal) for s in case.snapshots) or case.stopped_at(first.time):
        return None
    if any(e.verdict == "coalesced" for e in events):
        return "likely"  # the first was still pending when the next was sent
    # An init that signals others afterwards has fetched it: small inits forward what they take.
    forwarded = any(e.sender_pid == first.target_pid and e.time > first.time for e in case.to_others)
    return "possible" if case.outlasted(first) and not forwarded else None


CAUSE = Cause("blocked-forever", "a signal blocked for ever", process=check)
