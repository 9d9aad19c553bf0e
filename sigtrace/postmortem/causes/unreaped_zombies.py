"""PID 1 does not reap the orphans it inherits: zombies accumulate until pids.max is reached and fork(2) fails."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from sigtrace.containers import advice
from sigtrace.postmortem.case import Case
from sigtrace.postmortem.cause import Cause
from sigtrace.postmortem.finding import Finding
from sigtrace.text import shorten

_MANY = 5
"""Zombies in two snapshots, from which on the state is not a passing one."""
_HEAPS = 20
"""The same for a single snapshot."""


def check(case: Case) -> Iterator[Finding]:
    """Report zombies whose parent inside the namespace is alive and does not wait(2) for them."""
    last = case.last
    if last is None or last.init is None or last.init.exiting or last.init.frozen:
        return
    zombies = [t for t in last.processes if t.state == "Z" and not t.parent_outside and not t.tracer_pid]
    before = {t.identity for s in case.snapshots if s.time < last.time for t in s.tasks if t.state == "Z"}
    settled = [t for t in zombies if t.identity in before]
    if len(settled) < _MANY and len(zombies) < _HEAPS:
        return
    parent, count = Counter((t.ppid, t.parent_comm) for t in zombies).most_common(1)[0]
    own = last.space
    full = own.pids_max > 0 and own.pids_current >= own.pids_max * 9 // 10
    limit = f", and {own.pids_current} of {own.pids_max} PIDs are in use" if full else ""
    yield Finding(
        "unreaped-zombies",
        case.nsid,
        "error" if full else "warning",
        "certain" if len(settled) >= _MANY else "likely",
        f"{len(zombies)} processes are dead and not reaped; {count} are children of "
        f"{shorten(parent[1], 16)}[{parent[0]}]{limit}.",
        (*(last.line(str(t)) for t in zombies[:3]), f"and {len(zombies) - 3} more like it"),
        f"run an init that reaps as PID 1: {advice.small_init(case.container)}",
    )


CAUSE = Cause("unreaped-zombies", "zombies nobody reaps", check, needs=("snapshot",))
