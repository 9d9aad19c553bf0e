"""Total the samples of counts, which are cumulative over a recorder's life."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sigtrace.events.counts import distinct


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
    which, inverse = distinct(records)
    best, thinned = (_total(records, inverse, len(which), name, np.maximum) for name in ("count", "thinned"))
    first, last = (np.full(len(which), np.iinfo("i8").max) for _ in range(2))
    np.minimum.at(first, inverse, times)
    reached = records["count"] == best[inverse]
    np.minimum.at(last, inverse[reached], times[reached])
    totals = records[which].copy()
    totals["count"], totals["thinned"] = best, thinned
    return Totals(totals, first, last)


def sum_of_runs(runs: list[Totals]) -> Totals:
    """Sum the totals of several runs of one boot."""
    records = np.concatenate([run.records for run in runs])
    which, inverse = distinct(records)
    totals = records[which].copy()
    for name in ("count", "thinned"):
        totals[name] = _total(records, inverse, len(which), name, np.add)
    first, last = np.full(len(which), np.iinfo("i8").max), np.zeros(len(which), "i8")
    np.minimum.at(first, inverse, np.concatenate([run.first for run in runs]))
    np.maximum.at(last, inverse, np.concatenate([run.last for run in runs]))
    return Totals(totals, first, last)


def _total(
    records: npt.NDArray[np.void], which: npt.NDArray[np.intp], rows: int, name: str, combine: np.ufunc
) -> npt.NDArray[np.uint64]:
    """Combine a member of records that have the same key; `which` of the `rows` each belongs to."""
    total = np.zeros(rows, "u8")
    combine.at(total, which, records[name])
    return total
