"""Memory ran out: the kernel kills a process, or, where cgroup v1 disables that, the tasks wait for memory.

RLIMIT_CPU and the end of a namespace above have the facts of an OOM kill, hence the cgroup's count is required too.
"""

from __future__ import annotations

from collections.abc import Iterator

from sigtrace.events.origin import SI_KERNEL
from sigtrace.postmortem.case import Case
from sigtrace.postmortem.cause import Cause
from sigtrace.postmortem.checks import lines, weight
from sigtrace.postmortem.finding import Finding, numbers
from sigtrace.postmortem.period import seen, subject_exits
from sigtrace.signals import KILL
from sigtrace.units import number

_ADVICE = "raise the memory limit, or find what eats it; see the kernel's log for who was chosen and why"


def check(case: Case) -> Iterator[Finding]:
    """Report the kernel's SIGKILL while the init was alive, if its cgroup counts OOM kills; or tasks under OOM.

    In a recording of inits, the count alone tells of a kill of another process.
    """
    end = case.exit.number if case.exit else len(case.batch)
    by_kernel = (
        e for e in case.events if e.signal == KILL and e.stage == "generate" and e.relation == "kernel"
    )
    deadly = (e for e in by_kernel if e.code == SI_KERNEL and not e.origin)
    kills = [e for e in deadly if e.number < end and e.nsid == case.nsid and e.verdict == "queued"]
    counted = next((s for s in reversed(case.snapshots) if s.space.oom_kills > 0), None)
    if kills and counted:
        yield Finding(
            "oom",
            case.nsid,
            "error" if any(e.is_init for e in kills) else "warning",
            "likely",
            f"The kernel itself sent SIGKILL to {kills[0].target}, and its cgroup counts kills for want of memory.",
            (*lines(kills), counted.line(f"oom_kill {counted.space.oom_kills}")),
            _ADVICE,
            numbers(*kills),
        )
        return
    period = seen(case, lambda each: each.space.under_oom, subject_exits(case))
    if period:
        last = next(each for each in reversed(case.snapshots) if each.space.under_oom)
        severity, confidence = weight(case, period)
        yield Finding(
            "oom",
            case.nsid,
            severity,
            confidence,
            f"Its tasks {period.tell('wait', 'waited')} for memory: the cgroup {period.tell('is', 'was')} at its "
            "limit, and out-of-memory kills are disabled.",
            (last.line("memory.oom_control: under_oom 1"), *period.evidence),
            _ADVICE,
            period=period,
        )
    elif counted and (case.live or not case.has_members):
        kills_text = number(counted.space.oom_kills, "kill")
        yield Finding(
            "oom",
            case.nsid,
            "warning" if case.exit and not case.stops else "notice",
            "possible",
            f"Its cgroup counts {kills_text} for want of memory; whom and when was not recorded.",
            (counted.line(f"oom_kill {counted.space.oom_kills}"),),
            f"{_ADVICE}; `sigtrace record --all` records which process it is",
        )


CAUSE = Cause("oom", "memory that ran out", check, needs=("snapshot",))
