"""SIGKILL and SIGSTOP from inside the namespace have no effect on its init: only those of an ancestor are forced.

`sig_task_ignored()` in kernel/signal.c: SIGNAL_UNKILLABLE, and not (`force` and sig_kernel_only()).
"""

from __future__ import annotations

from collections.abc import Iterator

from sigtrace.containers import advice
from sigtrace.postmortem.case import Case
from sigtrace.postmortem.cause import Cause
from sigtrace.postmortem.checks import by_signal, lines, times
from sigtrace.postmortem.finding import Finding, numbers
from sigtrace.signals import KILL, STOP


def check(case: Case) -> Iterator[Finding]:
    """Report each SIGKILL and SIGSTOP to the init that was discarded."""
    futile = [e for e in case.to_init if e.verdict == "dropped_at_generate" and e.signal in (KILL, STOP)]
    for events in by_signal(futile):
        first, count = events[0], case.count(events)
        yield Finding(
            "kill-from-inside",
            case.nsid,
            "error",
            "certain",
            f"{first.signal_name} was sent to {first.target} from inside its own namespace {times(count)}: "
            "there not even this reaches PID 1, though kill(2) returns 0.",
            lines(events, count),
            f"send it from outside the container ({advice.kill(case.container)}), or ask the program to end by a "
            "signal it has a handler for",
            numbers(*events),
        )


CAUSE = Cause("kill-from-inside", "a SIGKILL from inside", check, needs=("events",))
