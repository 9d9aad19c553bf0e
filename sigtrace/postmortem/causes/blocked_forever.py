"""The signal is blocked, and nobody ever unblocks it or fetches it: it stays pending."""

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
    """Requests that were queued, blocked, and never taken; or, without them, one that a snapshot shows pending."""
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
            lines(events) + masks(case.last_sight_after(first.time), *_SHOWN),
            _ADVICE,
            numbers(*events),
        )
    sight = case.sight_of_init()
    for signal in sorted(MEANT_TO_STOP - explained):
        if sight is None or sight.init is None or is_held(sight.init) or consumes(sight, signal):
            continue
        if is_left_pending(case, sight, signal) and all(
            t.in_mask("blocked", signal) for t in sight.init_threads
        ):
            yield Finding(
                "blocked-forever",
                case.nsid,
                "error",
                "certain",
                f"{name(signal)} is pending for {sight.init.name}, which blocks it.",
                masks(sight, *_SHOWN),
                _ADVICE,
            )


def _confidence(case: Case, events: Sequence[Event]) -> Confidence | None:
    """How sure it is that the signal is pending still, and not just fetched without a delivery."""
    first, signal = events[0], events[0].signal
    if case.fate_of(first) is not None or any(e.traced for e in events):
        return None
    sight = case.last_sight_after(first.time)
    if sight is not None and sight.init is not None:
        held = is_held(sight.init) or consumes(sight, signal)
        return "certain" if is_left_pending(case, sight, signal) and not held else None
    if any(consumes(s, signal) for s in case.sights) or case.stopped_at(first.time):
        return None
    if any(e.verdict == "coalesced" for e in events):
        return "likely"
    forwarded = any(e.sender_pid == first.target_pid and e.time > first.time for e in case.to_others)
    return "possible" if case.outlasted(first) and not forwarded else None


CAUSE = Cause("blocked-forever", "a signal blocked for ever", check)
