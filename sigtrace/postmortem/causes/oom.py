"""Memory ran out: the kernel kills, or, where v1 forbids it to, everybody waits."""

from __future__ import annotations

from collections.abc import Iterator

from sigtrace.postmortem.case import Case
from sigtrace.postmortem.cause import Cause
from sigtrace.postmortem.checks import lines
from sigtrace.postmortem.finding import Finding, numbers
from sigtrace.signals import KILL

_SI_KERNEL = 128
"""Also of a parent's death (PR_SET_PDEATHSIG), RLIMIT_CPU, and the exit of a namespace's init: it takes the cgroup's
count to tell them apart."""
_ADVICE = "raise the memory limit, or find what eats it; see the kernel's log for who was chosen and why"


def check(case: Case) -> Iterator[Finding]:
    """SIGKILL from the kernel while the init lived, in a cgroup that counts such kills; or a wait for memory."""
    end = case.exit.number if case.exit else len(case.batch)
    deadly = (e for e in case.events if e.signal == KILL and e.stage == "generate" and e.code == _SI_KERNEL)
    kills = [e for e in deadly if e.number < end and e.nsid == case.nsid and e.verdict == "queued"]
    counted = next((s for s in reversed(case.sights) if s.space.oom_kills > 0), None)
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
    elif case.last is not None and case.last.space.under_oom:
        yield Finding(
            "oom",
            case.nsid,
            "error",
            "certain",
            "Its tasks wait for memory: the cgroup is at its limit, and out-of-memory kills are disabled.",
            (case.last.line("memory.oom_control: under_oom 1"),),
            _ADVICE,
        )


CAUSE = Cause("oom", "memory that ran out", check, needs=("snapshot",))
