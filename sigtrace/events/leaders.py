"""The names of processes: a process is called by the comm of its group leader, whichever thread a record is about.

/proc/PID/comm, ps and container runtimes show that name. A thread of a JVM is called `C1 CompilerThre`, one of redis
`bio_aof_fsync`. Older recordings have the name of the thread in `target_comm`.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def called_by_leaders(records: npt.NDArray[np.void]) -> npt.NDArray[np.void]:
    """Return the records with the name of the group leader in `target_comm`: shape (n,); the same array if all have it.

    records: shape (n,), wire events in the order of kernel time. A record about another thread gets the name that the
    leader has in the last record about it before, else in the first one after. A name that the leader had at any time
    is kept, and so is that of a process without a record about its leader.
    """
    thread = records["target_tid"] != records["target_pid"]
    pids = np.unique(records["target_pid"][thread])
    rows = np.flatnonzero(np.isin(records["target_pid"], pids))
    r, thread = records[rows], thread[rows]
    if thread.all():
        return records
    who = np.unique(_packed(r, "target_pid", "target_start"), return_inverse=True)[1]
    name = np.unique(r["target_comm"], return_inverse=True)[1]
    order = np.argsort(who, kind="stable")
    who, name, thread, rows = who[order], name[order], thread[order], rows[order]
    leaders = np.flatnonzero(~thread)
    before = np.searchsorted(leaders, np.arange(len(rows)), side="right") - 1
    after = np.minimum(before + 1, len(leaders) - 1)
    before = np.maximum(before, 0)
    nearest = leaders[np.where(who[leaders[before]] == who, before, after)]
    known = np.isin(_pair(who, name), _pair(who[leaders], name[leaders]))
    wrong = thread & ~known & (who[nearest] == who)
    if not wrong.any():
        return records
    out: npt.NDArray[np.void] = records.copy()
    out["target_comm"][rows[wrong]] = records["target_comm"][rows[nearest[wrong]]]
    return out


def _packed(records: npt.NDArray[np.void], first: str, second: str) -> npt.NDArray[np.void]:
    pair = np.empty(len(records), [(first, "i8"), (second, "u8")])
    pair[first], pair[second] = records[first], records[second]
    return pair


def _pair(one: npt.NDArray[np.intp], other: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
    return one << 32 | other
