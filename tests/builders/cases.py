"""Cases of a postmortem made by hand: an init's events by the second, and snapshots of its namespace."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from sigtrace.events import wire
from sigtrace.events.batch import Batch
from sigtrace.events.nskey import NsKey
from sigtrace.postmortem import Case, Window, diagnose
from sigtrace.snapshot.columns import SnapshotRow, row
from tests.builders.records import record

NSID, SECOND = 4026532249, 1_000_000_000
START = 100 * SECOND
TICKS = START // 10_000_000
CAUGHT = f"{1 << 14:016x}"
"""The mask of a process that handles SIGTERM."""


def event(at: float, **changes: Any) -> npt.NDArray[np.void]:
    """A record of the namespace's init, `at` seconds after it was born."""
    facts = {"nsid": NSID, "ns_start": START, "ns_level": 1, "target_pid": 4242, "target_ns_pid": 1}
    facts |= {"target_comm": b"app", "target_start": START, "sender_pid": 77, "sender_comm": b"runc"}
    return record(**facts | {"time": START + int(at * SECOND)} | changes)


def case(
    records: Sequence[npt.NDArray[np.void]],
    rows: Sequence[SnapshotRow] = (),
    ns_start: int = 0,
    **window: Any,
) -> Case:
    """The case of these records and rows of snapshots; ns_start: 0 for the last that had the inode."""
    nothing = np.zeros(0, wire.EVENT.dtype())
    batch = Batch(np.concatenate(records) if records else nothing, 0, "host")
    ns = NsKey.of(NSID, ns_start)
    return Case.from_batch(batch, rows, ns=ns, window=Window(**window) if window else None)


def causes(*args: Any, **window: Any) -> list[str]:
    """What a case's diagnosis finds; no check may break."""
    report = diagnose(case(*args, **window))
    assert report.failed == ()
    return [finding.cause for finding in report.findings]


def snapshot(at: float, *tasks: dict[str, Any], **space: Any) -> list[SnapshotRow]:
    """A snapshot of the namespace; the first task is its init."""
    zero = f"{0:016x}"
    masks = dict.fromkeys(
        ("pending", "shared_pending", "blocked", "ignored", "caught", "awaited", "signalfd"), zero
    )
    about = {"time": START + int(at * SECOND), "nsid": NSID, "ns_start": TICKS, "trigger": "asked"}
    rows = []
    for number, task in enumerate(tasks):
        pid = task.get("pid", 4242 + number)
        known = {"pid": pid, "tid": pid, "ns_pid": 1 + number, "task_nsid": NSID, "is_init": number == 0}
        known |= {"comm": "app", "state": "S", "threads": 1, "parent_outside": number == 0, "ppid": 4242}
        rows.append(row(**about | masks | known | task))
    return [*rows, row(**about, tasks=len(tasks), **space)]


DROP = event(1)
KILL = event(11, signal=9, result=0)
KILLED = event(11, stage="exit", signal=0, exit_code=9)


def replace_time(event: npt.NDArray[np.void], at: float) -> npt.NDArray[np.void]:
    """The same event, so many seconds after the init was born."""
    moved = event.copy()
    moved["time"] = START + int(at * SECOND)
    return moved
