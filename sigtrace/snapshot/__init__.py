"""What /proc and cgroups say of a PID namespace at one moment: the second witness, beside the events.

    rows = snapshot.take(4026532249, "dropped")

gives one row (a plain dict with the keys of `COLUMNS`) for each task of the namespace and of those below it,
and one with tid 0 for the namespace itself. Everything is read by a process of its own, which is killed when it
takes too long: a file of /proc may hang for ever behind a lock of the very process that is stuck. What is most
telling and cannot hang is read first, command lines last.
"""

from __future__ import annotations

from sigtrace.snapshot.columns import COLUMNS, TRIGGERS, Row, Type
from sigtrace.snapshot.helper import DEADLINE, Helper

__all__ = ["COLUMNS", "DEADLINE", "TRIGGERS", "Helper", "Row", "Type", "take"]


def take(
    nsid: int,
    trigger: str,
    root: str = "/proc",
    deadline: float = DEADLINE,
    *,
    ns_start: int = 0,
    again: bool = False,
) -> list[Row]:
    """The rows of one snapshot, in at most about `deadline` seconds, with the namespace's own row last.

    `trigger` says why it is taken (one of TRIGGERS), `again` that it follows an earlier one for the same reason.
    `ns_start`, the start of the namespace's init in clock ticks, keeps out a namespace that got the same inode;
    0 = whichever has it. Never raises for what it finds: `problem` in the namespace's row says what is missing.
    Starts a helper for this one snapshot; keep a `Helper` where the first millisecond counts.
    """
    with Helper(root) as helper:
        return helper.take(nsid, trigger, ns_start=ns_start, again=again, deadline=deadline)
