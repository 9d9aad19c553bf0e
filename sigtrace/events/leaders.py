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
    if not thread.any() or thread.all():
        return records
    rows = np.flatnonzero(np.isin(records["target_pid"], np.unique(records["target_pid"][thread])))
    pid, start = records["target_pid"][rows], records["target_start"][rows]
    order = np.lexsort((pid, start))  # stable: each process's records stay in the order of time
    rows, thread, pid, start = rows[order], thread[rows][order], pid[order], start[order]
    first = np.append(True, (np.diff(pid) != 0) | (start[1:] != start[:-1]))[: len(rows)]
    who, leaders = np.cumsum(first), np.flatnonzero(~thread)
    if not len(leaders):
        return records
    before = np.searchsorted(leaders, np.arange(len(rows)), side="right") - 1
    after = np.minimum(before + 1, len(leaders) - 1)
    before = np.maximum(before, 0)
    nearest = leaders[np.where(who[leaders[before]] == who, before, after)]
    comm = records["target_comm"][rows]
    wrong = np.flatnonzero(thread & (who[nearest] == who) & (comm != comm[nearest]))
    if len(wrong):
        wrong = wrong[~_had_by_leader(who, comm, wrong, leaders)]
    if not len(wrong):
        return records
    out: npt.NDArray[np.void] = records.copy()
    out["target_comm"][rows[wrong]] = comm[nearest[wrong]]
    return out


def _had_by_leader(
    who: npt.NDArray[np.intp],
    comm: npt.NDArray[np.bytes_],
    some: npt.NDArray[np.intp],
    leaders: npt.NDArray[np.intp],
) -> npt.NDArray[np.bool_]:
    """Mark those of `some` rows whose name a leader of the same process has in any of the rows `leaders`."""
    leaders = leaders[np.isin(who[leaders], np.unique(who[some]))]
    both = np.concatenate([leaders, some])
    name = np.unique(comm[both], return_inverse=True)[1]
    pair = who[both] << 32 | name
    found: npt.NDArray[np.bool_] = np.isin(pair[len(leaders) :], pair[: len(leaders)])
    return found
