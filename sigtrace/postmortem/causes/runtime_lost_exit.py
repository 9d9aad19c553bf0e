"""Only a zombie init is left: its parent, a shim or a runtime, has not reaped it."""

from __future__ import annotations

from collections.abc import Iterator

from sigtrace.postmortem.case import SETTLED, Case
from sigtrace.postmortem.cause import Cause
from sigtrace.postmortem.finding import Finding
from sigtrace.text import shorten


def check(case: Case) -> Iterator[Finding]:
    """Report an init that is a zombie for longer than SETTLED, without other members."""
    last = case.last
    init = last.init if last else None
    if last is None or init is None or last.others or any(t.state not in "ZX" for t in last.init_threads):
        return
    dead_since = (
        case.exit.time
        if case.exit
        else next(s.time for s in case.snapshots if s.init and s.init.state in "ZX")
    )
    if last.time - dead_since < SETTLED:
        return
    who = (
        f"tracer {shorten(init.tracer_comm, 16)}[{init.tracer_pid}]"
        if init.tracer_pid
        else (f"parent {shorten(init.parent_comm, 16)}[{init.ppid}]")
    )
    yield Finding(
        "runtime-lost-exit",
        case.nsid,
        "error",
        "certain",
        f"{init.name} is dead and everybody else is gone, but its {who} has not reaped it.",
        ((str(case.exit),) if case.exit else ()) + (last.line(str(init)),),
        "look at that process, the container's shim or runtime: it hangs, or missed the exit; if it ends, the "
        "zombie is reaped",
    )


CAUSE = Cause("runtime-lost-exit", "an exit its runtime missed", check, needs=("snapshot",))
