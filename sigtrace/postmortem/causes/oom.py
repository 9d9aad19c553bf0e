"""Memory ran out: the kernel kills a process, or, where cgroup v1 disables that, the tasks wait for memory."""

from __future__ import annotations

from collections.abc import Iterator

from sigtrace.postmortem.case import Case
from sigtrace.postmortem.cause import Cause
from sigtrace.postmortem.checks import lines, weight
from sigtrace.postmortem.finding import Finding, numbers
from sigtrace.postmortem.period import seen, subject_exits
from sigtrace.signals import KILL

_SI_KERNEL = 128
"""si_code of an OOM kill. RLIMIT_CPU and the exit of a namespace's init have it too, hence the check also requires the
cgroup's count of OOM kills."""
_ADVICE = "raise the memory limit, or find what eats it; see the kernel's log for who was chosen and why"


def check(case: Case) -> Iterator[Finding]:
    """Report the kernel's SIGKILL while the init was alive, if its cgroup counts OOM kills; or tasks under OOM."""
    end = case.exit.number if case.exit else len(case.batch)
    deadly = (e for e in case.events if e.signal == KILL and e.stage == "generate" and e.code == _SI_KERNEL)
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


CAUSE = Cause("oom", "memory that ran out", check, needs=("snapshot",))
