"""Total the samples of counts, which are cumulative over a recorder's life."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sigtrace.events.counts import COUNT


@dataclass(frozen=True)
class Totals:
    """Counts, and for each the times of its first sample and of the first sample with its final value (ns UTC)."""

    records: npt.NDArray[np.void]
    first: npt.NDArray[np.int64]
    last: npt.NDArray[np.int64]


def last_of_run(parts: list[tuple[npt.NDArray[np.void], npt.NDArray[np.int64]]]) -> Totals:
    """Return the last count of each key in a run's samples."""
    records = np.concatenate([records for records, _ in parts])
    times = np.concatenate([times for _, times in parts])
    order = np.lexsort((times, records["count"]))
    records, times = records[order], times[order]
    _, which, inverse = np.unique(_keys(records), return_index=True, return_inverse=True)
    best = np.zeros(len(which), "u8")
    np.maximum.at(best, inverse, records["count"])
    first, last = (np.full(len(which), np.iinfo("i8").max) for _ in range(2))
    np.minimum.at(first, inverse, times)
    reached = records["count"] == best[inverse]
    np.minimum.at(last, inverse[reached], times[reached])
    totals = records[which].copy()
    totals["count"] = best
    return Totals(totals, first, last)


def sum_of_runs(runs: list[Totals]) -> Totals:
    """Sum the totals of several runs of one boot."""
    records = np.concatenate([run.records for run in runs])
    _, which, inverse = np.unique(_keys(records), return_index=True, return_inverse=True)
    totals = records[which].copy()
    totals["count"] = 0
    np.add.at(totals["count"], inverse, records["count"])
    first, last = np.full(len(which), np.iinfo("i8").max), np.zeros(len(which), "i8")
    np.minimum.at(first, inverse, np.concatenate([run.first for run in runs]))
    np.maximum.at(last, inverse, np.concatenate([run.last for run in runs]))
    return Totals(totals, first, last)


def _keys(records: npt.NDArray[np.void]) -> npt.NDArray[np.bytes_]:
    """Return the key of each count as bytes, shape (n,): all members but `count`, which is the last."""
    size = COUNT.itemsize - 8
    raw = np.ascontiguousarray(np.ascontiguousarray(records).view("u1").reshape(-1, COUNT.itemsize)[:, :size])
    keys: npt.NDArray[np.bytes_] = raw.view(f"S{size}")[:, 0]
    return keys
