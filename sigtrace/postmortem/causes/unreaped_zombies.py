"""PID 1 does not reap the orphans it inherits: zombies accumulate until pids.max is reached and fork(2) fails."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from sigtrace.containers import advice
from sigtrace.postmortem.case import SETTLED, Case
from sigtrace.postmortem.cause import Cause
from sigtrace.postmortem.finding import Finding
from sigtrace.postmortem.period import seen, subject_exits
from sigtrace.postmortem.snapshot import Snapshot, Task
from sigtrace.predict.scan_row import MANY_ZOMBIES
from sigtrace.text import shorten

_HEAPS = 20
"""Zombies in a single snapshot, from which on the state is not a passing one; in two, MANY_ZOMBIES are enough."""


def check(case: Case) -> Iterator[Finding]:
    """Report zombies whose parent inside the namespace is alive and does not wait(2) for them.

    A snapshot shows them while the init lives: as it exits, all go to it or to nobody, and are gone.
    """
    last = next((each for each in reversed(case.snapshots) if _goes_on(each)), None)
    zombies = _zombies(last) if last else []
    settled = [t for t in zombies if last and _stays(case, t, last)]
    if last is None or (len(settled) < MANY_ZOMBIES and len(zombies) < _HEAPS):
        return
    kept = {task.identity for task in settled or zombies}
    period = seen(
        case,
        lambda each: len(kept & {task.identity for task in _zombies(each)}) >= min(MANY_ZOMBIES, len(kept)),
        subject_exits(case),
    )
    assert period is not None
    parent, count = Counter((t.ppid, t.parent_comm) for t in zombies).most_common(1)[0]
    own = last.space
    full = own.pids_max > 0 and own.pids_current >= own.pids_max * 9 // 10
    limit = (
        f", and {own.pids_current} of {own.pids_max} PIDs {period.tell('are', 'were')} in use" if full else ""
    )
    yield Finding(
        "unreaped-zombies",
        case.nsid,
        "error" if full else "warning",
        "certain" if len(settled) >= MANY_ZOMBIES else "likely",
        f"{len(zombies)} processes {period.tell('are', 'were')} dead and not reaped; {count} "
        f"{period.tell('are', 'were')} children of {shorten(parent[1], 16)}[{parent[0]}]{limit}.",
        (*(last.line(str(t)) for t in zombies[:3]), f"and {len(zombies) - 3} more like it", *period.evidence),
        f"run an init that reaps as PID 1: {advice.small_init(case.container)}",
        period=period,
    )


def _goes_on(snapshot: Snapshot) -> bool:
    """Whether the init is alive, and could wait for its children."""
    init = snapshot.init
    return init is not None and not init.exiting and not init.frozen


def _zombies(snapshot: Snapshot) -> list[Task]:
    return [t for t in snapshot.processes if t.state == "Z" and not t.parent_outside and not t.tracer_pid]


def _stays(case: Case, zombie: Task, last: Snapshot) -> bool:
    """Whether an earlier snapshot shows the same zombie, some time before."""
    earlier = (s for s in case.snapshots if last.time - s.time >= SETTLED)
    return any(zombie.identity == t.identity for s in earlier for t in _zombies(s))


CAUSE = Cause("unreaped-zombies", "zombies nobody reaps", check, needs=("snapshot",))
