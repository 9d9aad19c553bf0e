"""A zombie keeps the namespace until it is reaped, and its tracer, or its parent outside the namespace, does not.

zap_pid_ns_processes() (kernel/pid_namespace.c) reaps the init's own children only: a process that entered the namespace
by setns(2) has its parent outside.
"""

from __future__ import annotations

from collections.abc import Iterator

from sigtrace.postmortem.case import Case
from sigtrace.postmortem.cause import Cause
from sigtrace.postmortem.checks import weight
from sigtrace.postmortem.finding import Finding
from sigtrace.postmortem.survivors import held
from sigtrace.text import shorten


def check(case: Case) -> Iterator[Finding]:
    """Report zombies that an exiting init waits for."""
    found = held(case, "zombie")
    if found is None:
        return
    first, period = found.first, found.period
    if first.tracer_pid:
        holder = f"its tracer {shorten(first.tracer_comm, 16)}[{first.tracer_pid}]"
        # wait_task_zombie() in kernel/exit.c leaves a traced zombie to its tracer; exit_ptrace() hands it on.
        advice = "detach the tracer, or end it: the zombie then goes to its parent"
    else:
        holder = f"its parent {shorten(first.parent_comm, 16)}[{first.ppid}], which lives outside,"
        advice = (
            "have that process wait for its child, or end it: the zombie then goes to somebody who reaps it"
        )
    more = f" (and {found.more} more)" if found.more else ""
    severity, confidence = weight(case, period)
    yield Finding(
        "zombie-held",
        case.nsid,
        severity,
        confidence,
        period.tell(
            f"The namespace cannot end: {first.name}{more} is dead, and {holder} has not reaped it.",
            f"The namespace could not end while {first.name}{more} was dead and {holder} had not reaped it.",
        ),
        found.evidence,
        period.tell(
            advice, "if stops are slow because of it, see why that process is late to wait for its child"
        ),
        period=period,
    )


CAUSE = Cause("zombie-held", "a zombie held from outside", check, needs=("snapshot",))
