"""A dead process counts until it is reaped, and its tracer, or a parent outside the namespace, does not reap it."""

from __future__ import annotations

from collections.abc import Iterator

from sigtrace.postmortem.case import Case
from sigtrace.postmortem.cause import Cause
from sigtrace.postmortem.finding import Finding
from sigtrace.postmortem.survivors import ending, held, why_gone
from sigtrace.text import shorten


def check(case: Case) -> Iterator[Finding]:
    """Zombies that keep an exiting init waiting."""
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
        why_gone(end) + tuple(end.sight.line(str(s.task)) for s in survivors[:5]),
        "have that process wait for its child, or end it: the zombie then goes to somebody who reaps it",
    )


CAUSE = Cause("zombie-held", "a zombie held from outside", check, needs=("snapshot",))
