"""A zombie keeps the namespace until it is reaped, and its tracer, or its parent outside the namespace, does not.

zap_pid_ns_processes() (kernel/pid_namespace.c) reaps the init's own children only: a process that entered the namespace
by setns(2) has its parent outside.
"""

from __future__ import annotations

from collections.abc import Iterator

from sigtrace.postmortem.case import Case
from sigtrace.postmortem.cause import Cause
from sigtrace.postmortem.finding import Finding
from sigtrace.postmortem.survivors import ending, held, why_gone
from sigtrace.text import shorten


def check(case: Case) -> Iterator[Finding]:
    """Report zombies that an exiting init waits for."""
    survivors, end = held(case, "zombie"), ending(case)
    if not survivors or end is None:
        return
    first = survivors[0].task
    if first.tracer_pid:
        holder = f"its tracer {shorten(first.tracer_comm, 16)}[{first.tracer_pid}]"
    else:
        holder = f"its parent {shorten(first.parent_comm, 16)}[{first.ppid}], which lives outside,"
    more = f" (and {len(survivors) - 1} more)" if len(survivors) > 1 else ""
    yield Finding(
        "zombie-held",
        case.nsid,
        "error",
        "certain",
        f"The namespace cannot end: {first.name}{more} is dead, and {holder} has not reaped it.",
        why_gone(end) + tuple(end.snapshot.line(str(s.task)) for s in survivors[:5]),
        "have that process wait for its child, or end it: the zombie then goes to somebody who reaps it",
    )


CAUSE = Cause("zombie-held", "a zombie held from outside", check, needs=("snapshot",))
