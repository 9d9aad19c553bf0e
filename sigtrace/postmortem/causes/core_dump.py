"""A process is dumping core: until the dump is written it stays, and only SIGKILL reaches it.

`prepare_signal()` in kernel/signal.c discards every other signal once SIGNAL_GROUP_EXIT is set with `core_state`.
"""

from __future__ import annotations

from collections.abc import Iterator

from sigtrace.postmortem.case import Case
from sigtrace.postmortem.cause import Cause
from sigtrace.postmortem.checks import weight
from sigtrace.postmortem.finding import Finding, numbers
from sigtrace.postmortem.period import all_exit, seen
from sigtrace.postmortem.snapshot import Snapshot, Task


def check(case: Case) -> Iterator[Finding]:
    """Report processes with CoreDumping."""
    last = next((each for each in reversed(case.snapshots) if _dumping(each)), None)
    if last is None:
        return
    dumping = _dumping(last)
    period = seen(case, lambda each: bool(_dumping(each)), all_exit(task.pid for task in dumping))
    assert period is not None
    deadly = [e for e in case.events if e.stage == "deliver" and e.target_pid == dumping[0].pid]
    began = deadly[-1].time if deadly else 0
    severity, confidence = weight(case, period)
    yield Finding(
        "core-dump",
        case.nsid,
        severity,
        confidence,
        period.tell(
            f"{dumping[0].name} is dumping core: until that is written, no signal but SIGKILL reaches it.",
            f"{dumping[0].name} was dumping core: until that was written, no signal but SIGKILL reached it.",
        ),
        tuple(str(e) for e in deadly[-1:]) + tuple(last.line(str(t)) for t in dumping[:3]) + period.evidence,
        "see where the core goes (/proc/sys/kernel/core_pattern: a program that hangs, a full or slow disk); "
        + period.tell("SIGKILL ends the dump; ", "")
        + "RLIMIT_CORE or coredump_filter make it smaller",
        numbers(
            *(e for e in case.requests if e.time >= began and not (period.past and e.time > period.over))
        ),
        period=period,
    )


def _dumping(snapshot: Snapshot) -> list[Task]:
    return [task for task in snapshot.tasks if task.core_dumping and task.tid == task.pid]


CAUSE = Cause(
    "core-dump",
    "a core dump in progress",
    check,
    needs=("snapshot",),
    instead_of=("slow-exit", "dropped-at-generate"),
)
