"""The attempts to stop an init that ended it, as few facts of many: what `attempts` says, without their senders.

A host may end hundreds of thousands of namespaces, so the facts are derived as arrays. Only from which request an
attempt is counted needs the senders (see `request.counted`), and depends on them but for their PIDs: it is determined
once for each sequence of requests that differs.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sigtrace import signals
from sigtrace.events import wire
from sigtrace.events.batch import Batch
from sigtrace.stops.attempt import MANY, InitRecords, init_records
from sigtrace.units import SECOND


class Ended(NamedTuple):
    """One attempt that ended with the init's exit; the fields are those of an `Attempt`."""

    nsid: int
    ns_start: int
    asked: int
    signal: int
    requests: int
    grace: int | None
    duration: int
    killed: bool

    @property
    def seconds(self) -> float:
        """The duration in seconds."""
        return self.duration / SECOND


def ended(batch: Batch) -> list[Ended]:
    """Return the attempts in a batch that ended, in the order of their counted requests; batch: as for `attempts`."""
    records, rows, begins = init_records(batch)
    if not len(begins):
        return []
    r, until = records.batch.records, np.append(begins[1:], len(rows))
    place = np.arange(len(rows))
    kill = _first(np.where(records.obeyed[rows], place, len(rows)), begins)
    rebooted = np.logical_or.reduceat(records.rebooted[rows], begins)
    requests = np.add.reduceat(records.asks[rows].astype("i8"), begins)
    start = _counted(records, rows, begins, np.minimum(kill + 1, until))
    last = rows[until - 1]
    whole = r["stage"][last] == wire.STAGE["exit"]
    by = rows[np.minimum(kill, len(rows) - 1)]
    granted = (kill < until) & (by != start) & records.asks[by]
    time, offset = r["time"].astype("i8"), records.batch.boot_to_utc
    columns = (
        r["nsid"][start],
        r["ns_start"][start],
        time[start] + (offset if isinstance(offset, int) else offset[start]),
        r["signal"][start],
        requests,
        np.where(granted, time[by] - time[start], -1),
        time[last] - time[start],
        ~rebooted & (r["exit_code"][last] & 0x7F == signals.KILL),
    )
    order = np.flatnonzero(whole)
    order = order[np.argsort(columns[2][order], kind="stable")]
    each = zip(*(column[order].tolist() for column in columns), strict=True)
    return [
        Ended(nsid, born, asked, signal, count, None if grace < 0 else grace, lasted, killed)
        for nsid, born, asked, signal, count, grace, lasted, killed in each
    ]


def _first(places: npt.NDArray[np.intp], begins: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
    """Return the least of each group's places."""
    found: npt.NDArray[np.intp] = np.minimum.reduceat(places, begins)
    return found


def _counted(
    records: InitRecords,
    rows: npt.NDArray[np.intp],
    begins: npt.NDArray[np.intp],
    ends: npt.NDArray[np.intp],
) -> npt.NDArray[np.intp]:
    """Return the row of the request from which each attempt is counted: of those from `begins` to `ends` in `rows`."""
    asked = np.flatnonzero(records.asks[rows])
    asking = rows[asked]
    first, after = np.searchsorted(asked, begins), np.searchsorted(asked, ends)
    kinds = _kinds(records, asking).tobytes()
    start = asking[first].copy()
    known: dict[bytes, int] = {}
    several = np.flatnonzero(after - first > 1)
    for which, one, end in zip(
        several.tolist(), first[several].tolist(), after[several].tolist(), strict=True
    ):
        key = kinds[8 * one : 8 * end]
        if key not in known or end - one > MANY:
            container = records.homes.containers[int(records.homes.codes[asking[one]])]
            row, _ = records.counted(asking[one:end], None, container)
            known[key] = int(np.searchsorted(asking[one:end], row))
        start[which] = asking[one + known[key]]
    found: npt.NDArray[np.intp] = start
    return found


def _kinds(records: InitRecords, rows: npt.NDArray[np.intp]) -> npt.NDArray[np.int64]:
    """Return a code for what `request.counted` may depend on of each request: shape (n,); equal where all is equal."""
    r, homes = records.batch.records, records.homes
    runtimes: dict[tuple[str, bool], int] = {}
    of_homes = [
        runtimes.setdefault((each.runtime, each.pod != "") if each else ("", False), len(runtimes))
        for each in homes.containers
    ]
    columns = [
        r["signal"],
        records.batch.verdicts,
        records.batch.origins,
        r["relation"],
        r["sender_pid"] != 0,
        np.array(of_homes)[homes.codes],
    ]
    numbers = [column[rows].astype("i8") for column in columns]
    names = [_codes(r[name][rows]) for name in ("sender_comm", "sender_parent_comm")]
    kinds = np.zeros(len(rows), "i8")
    for column in (*numbers, *names):
        kinds = np.unique(kinds * (int(column.max(initial=0)) + 1) + column, return_inverse=True)[1]
    return kinds.astype("i8")


def _codes(names: npt.NDArray[np.bytes_]) -> npt.NDArray[np.int64]:
    """Return a code for each of many names: shape (n,)."""
    raw = pa.py_buffer(np.ascontiguousarray(names))
    width = names.dtype.itemsize
    array = pa.FixedSizeBinaryArray.from_buffers(pa.binary(width), len(names), [None, raw])
    found: npt.NDArray[np.int64] = array.dictionary_encode().indices.to_numpy().astype("i8")
    return found
