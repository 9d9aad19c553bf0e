"""A killed process takes long to exit: it unmaps much memory, closes files, or waits for a driver."""

from __future__ import annotations

from collections.abc import Iterator

from sigtrace.postmortem.case import Case
from sigtrace.postmortem.cause import Cause
from sigtrace.postmortem.finding import Finding
from sigtrace.postmortem.survivors import ending, held, why_gone
from sigtrace.units import SECOND, duration, size


def check(case: Case) -> Iterator[Finding]:
    """Report processes that were killed more than a second ago and are still exiting."""
    survivors, end = held(case, "exiting"), ending(case)
    if not survivors or end is None or end.snapshot.time - end.since < SECOND:
        return
    first = survivors[0].task
    yield Finding(
        "slow-exit",
        case.nsid,
        "warning",
        "likely",
        f"{first.name} is on its way out, and still there {duration(end.snapshot.time - end.since)} later "
        f"({size(first.rss_kib << 10)} resident).",
        why_gone(end)
        + tuple(end.snapshot.line(str(s.task)) for s in survivors[:5])
        + (end.snapshot.line(f"stack of {first.name}: {' < '.join(first.stack.split()[:8])}"),),
        "wait; if it stays, its stack shows what it waits for: much memory to unmap, a file or device to close",
    )


CAUSE = Cause("slow-exit", "a slow exit", check, needs=("snapshot",))
