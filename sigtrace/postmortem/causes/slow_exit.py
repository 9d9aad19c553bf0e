"""A killed process takes long to exit: it unmaps much memory, closes files, or waits for a driver."""

from __future__ import annotations

from collections.abc import Iterator

from sigtrace.postmortem.case import Case
from sigtrace.postmortem.cause import Cause
from sigtrace.postmortem.checks import weight
from sigtrace.postmortem.finding import Finding
from sigtrace.postmortem.survivors import held
from sigtrace.units import SECOND, duration, size


def check(case: Case) -> Iterator[Finding]:
    """Report processes that were still exiting a second after they were killed."""
    found = held(case, "exiting")
    if found is None or (took := found.snapshot.time - found.since) < SECOND:
        return
    first, period = found.first, found.period
    severity, _ = weight(case, period, "warning")
    yield Finding(
        "slow-exit",
        case.nsid,
        severity,
        "likely",
        f"{first.name} {period.tell('is', 'was')} on its way out, and still there {duration(took)} later "
        f"({size(first.rss_kib << 10)} resident).",
        (
            *found.evidence,
            found.snapshot.line(f"stack of {first.name}: {' < '.join(first.stack.split()[:8])}"),
        ),
        period.tell("wait; if it stays, its", "if stops are slow because of it: its")
        + " stack shows what it waits for: much memory to unmap, a file or device to close",
        period=period,
    )


CAUSE = Cause("slow-exit", "a slow exit", check, needs=("snapshot",))
