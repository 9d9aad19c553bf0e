"""Snapshots of a PID namespace: the state of its tasks in /proc and of its cgroup, at one time.

    rows = snapshot.take(4026532249, "dropped")

returns one row (a dict with the keys of `COLUMNS`) for each task of the namespace and of those below it, and one
with tid 0 for the namespace itself. A child process reads everything, and is killed if it takes too long: reading a
file of /proc can block for ever on a lock that the stuck process holds. What cannot block is read first, command
lines last.
"""

from __future__ import annotations

from sigtrace.snapshot.columns import COLUMNS, TRIGGERS, SnapshotRow, Type
from sigtrace.snapshot.helper import DEADLINE, Helper

__all__ = ["COLUMNS", "DEADLINE", "TRIGGERS", "Helper", "SnapshotRow", "Type", "take"]


def take(
    nsid: int,
    trigger: str,
    root: str = "/proc",
    deadline: float = DEADLINE,
    *,
    ns_start: int = 0,
    again: bool = False,
) -> list[SnapshotRow]:
    """Take a snapshot, in at most about `deadline` seconds; the namespace's own row is the last.

    `trigger` is the reason (one of TRIGGERS), `again` marks a second snapshot for the same reason. `ns_start`, the
    start of the namespace's init in clock ticks, excludes a namespace that reuses the inode; 0 = any. Does not raise
    for what is not readable: `problem` in the namespace's row says what is missing. Starts a helper for this one
    snapshot; keep a `Helper` where the start-up time matters.
    """
    with Helper(root) as helper:
        return helper.take(nsid, trigger, ns_start=ns_start, again=again, deadline=deadline)
