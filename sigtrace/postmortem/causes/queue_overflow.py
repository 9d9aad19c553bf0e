"""A real-time signal met a full queue (RLIMIT_SIGPENDING of the user): the sender got EAGAIN, the signal is lost.

TRACE_SIGNAL_OVERFLOW_FAIL in `__send_signal_locked()`, kernel/signal.c.
"""

from __future__ import annotations

from collections.abc import Iterator

from sigtrace.postmortem.case import Case
from sigtrace.postmortem.cause import Cause
from sigtrace.postmortem.checks import lines
from sigtrace.postmortem.finding import Finding, numbers


def check(case: Case) -> Iterator[Finding]:
    """Report the signals that were refused, by target."""
    refused = [e for e in case.events if e.verdict == "overflowed"]
    for pid in dict.fromkeys(e.target_pid for e in refused):
        events = [e for e in refused if e.target_pid == pid]
        task = next((t for s in case.snapshots for t in s.tasks if t.pid == pid and t.tid == pid), None)
        queue = (f"snapshot {task.name}: SigQ {task.queue_used}/{task.queue_limit}",) if task else ()
        yield Finding(
            "queue-overflow",
            case.nsid,
            "error" if events[0].is_init else "warning",
            "certain",
            f"{events[0].signal_name} to {events[0].target} found its queue full: the signal is gone, and the "
            "sender got EAGAIN.",
            lines(events) + queue,
            "find out why the program does not take its signals; RLIMIT_SIGPENDING counts for all processes of a "
            "user together",
            numbers(*events),
        )


CAUSE = Cause("queue-overflow", "a full signal queue", check, needs=("events",))
