"""A process is dumping core: until the dump is written it stays, and only SIGKILL reaches it.

`prepare_signal()` in kernel/signal.c discards every other signal once SIGNAL_GROUP_EXIT is set with `core_state`.
"""

from __future__ import annotations

from collections.abc import Iterator

from sigtrace.postmortem.case import Case
from sigtrace.postmortem.cause import Cause
from sigtrace.postmortem.finding import Finding, numbers


def check(case: Case) -> Iterator[Finding]:
    """Report processes with CoreDumping in the last snapshot."""
    last = case.last
    dumping = [t for t in last.tasks if t.core_dumping and t.tid == t.pid] if last else []
    if not dumping or last is None:
        return
    deadly = [e for e in case.events if e.stage == "deliver" and e.target_pid == dumping[0].pid]
    yield Finding(
        "core-dump",
        case.nsid,
        "error",
        "certain",
        f"{dumping[0].name} is dumping core: until that is written, no signal but SIGKILL reaches it.",
        tuple(str(e) for e in deadly[-1:]) + tuple(last.line(str(t)) for t in dumping[:3]),
        "see where the core goes (/proc/sys/kernel/core_pattern: a program that hangs, a full or slow disk); "
        "SIGKILL ends the dump; RLIMIT_CORE or coredump_filter make it smaller",
        numbers(*case.requests),
    )


CAUSE = Cause(
    "core-dump",
    "a core dump in progress",
    check,
    needs=("snapshot",),
    instead_of=("slow-exit", "dropped-at-generate"),
)
