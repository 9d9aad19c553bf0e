"""Only a zombie init is left: its parent, a shim or a runtime, has not reaped it."""

from __future__ import annotations

from collections.abc import Iterator

from sigtrace.postmortem.case import SETTLED, Case
from sigtrace.postmortem.cause import Cause
from sigtrace.postmortem.checks import weight
from sigtrace.postmortem.finding import Finding
from sigtrace.postmortem.period import seen
from sigtrace.postmortem.snapshot import Snapshot
from sigtrace.text import shorten
from sigtrace.units import duration


def check(case: Case) -> Iterator[Finding]:
    """Report an init that is a zombie for longer than SETTLED, without other members."""
    period = seen(case, _is_alone_and_dead)
    if period is None:
        return
    # The exit of an init comes before its wait for the other processes: only after that it is a zombie.
    waited = any(case.exit and case.exit.time < each.time < period.first for each in case.snapshots)
    dead_since = case.exit.time if case.exit and not waited else period.first
    if period.last - dead_since < SETTLED:
        return
    last = next(each for each in case.snapshots if each.time == period.last and each.init)
    init = last.init
    assert init is not None
    who = (
        f"tracer {shorten(init.tracer_comm, 16)}[{init.tracer_pid}]"
        if init.tracer_pid
        else f"parent {shorten(init.parent_comm, 16)}[{init.ppid}]"
    )
    severity, confidence = weight(case, period)
    late = f"{duration(period.last - dead_since)} later"
    yield Finding(
        "runtime-lost-exit",
        case.nsid,
        severity,
        confidence,
        period.tell(
            f"{init.name} is dead and everybody else is gone, but {late} its {who} had not reaped it.",
            f"{init.name} was dead and everybody else gone; its {who} had not reaped it {late}, but did then.",
        ),
        ((str(case.exit),) if case.exit else ()) + (last.line(str(init)), *period.evidence),
        period.tell(
            "look at that process, the container's shim or runtime: it hangs, or missed the exit; if it ends, the "
            "zombie is reaped",
            "nothing to do, unless stops are slow because of it: then see what keeps that process",
        ),
        period=period,
    )


def _is_alone_and_dead(snapshot: Snapshot) -> bool:
    dead = all(task.state in "ZX" for task in snapshot.init_threads)
    return snapshot.init is not None and dead and not snapshot.others


CAUSE = Cause("runtime-lost-exit", "an exit its runtime missed", check, needs=("snapshot",))
