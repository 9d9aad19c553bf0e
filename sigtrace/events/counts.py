"""The counts table: the kernel's exact totals by kind of event."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from sigtrace.events import verdict, wire
from sigtrace.events.column_types import Column, Labels, Row, frame, rows
from sigtrace.events.columns import COUNT_FIELDS
from sigtrace.events.field import columns
from sigtrace.events.nskey import NsKey

if TYPE_CHECKING:
    import pandas as pd


COUNT = np.dtype([*wire.COUNT_KEY.dtype().descr, ("thinned", "<u8"), ("count", "<u8")])
"""dtype of a row of counts: the members of `sigtrace_count_key`; how many, and how many of these have no record."""


def distinct(records: npt.NDArray[np.void]) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Return the first row of each distinct key of counts, in the order of the keys, and the index of each row's: (n,).

    A key is the first members of a row, compared as bytes.
    """
    words = np.ascontiguousarray(records).view("u1").reshape(-1, COUNT.itemsize)[:, : wire.COUNT_KEY.size]
    words = np.ascontiguousarray(words).view(">u8").astype("u8")
    order = np.lexsort(words.T[::-1])
    ordered = words[order]
    new = np.append(True, (ordered[1:] != ordered[:-1]).any(axis=1))[: len(order)]
    inverse = np.empty(len(order), np.intp)
    inverse[order] = np.cumsum(new) - 1
    return order[new], inverse


def merged(records: npt.NDArray[np.void]) -> npt.NDArray[np.void]:
    """Return one row per key, with the sums of its counts; both of dtype COUNT."""
    which, inverse = distinct(records)
    sums: npt.NDArray[np.void] = records[which].copy()
    for name in ("count", "thinned"):
        sums[name] = 0
        np.add.at(sums[name], inverse, records[name])
    return sums


class Counts:
    """Exact counts. `records`: shape (n,), the members of `sigtrace_count_key`, `thinned` and `count`.

    Those of a trace may have rows with the inode 0: the sums over namespaces that ended long ago.
    """

    def __init__(self, records: npt.NDArray[np.void]) -> None:
        self.records = records

    def __len__(self) -> int:
        return len(self.records)

    @cached_property
    def verdicts(self) -> npt.NDArray[np.uint8]:
        """The verdict of each row: shape (n,), codes into `verdict.VERDICTS`."""
        return verdict.classify(self.records)

    @property
    def signals_seen(self) -> int:
        """The number of signals that were generated."""
        return int(self.records["count"][self.records["stage"] == wire.STAGE["generate"]].sum())

    @property
    def thinned(self) -> int:
        """The number of events that were counted only, being too many of a kind in too short a time."""
        return int(self.records["thinned"].sum())

    def dropped(self) -> dict[int, int]:
        """Return dropped signals by inode of the namespace, the most first; namespaces without drops are left out."""
        totals: dict[int, int] = {}
        for (inode, _), total in self.dropped_by_init().items():
            totals[inode] = totals.get(inode, 0) + total
        return dict(sorted(totals.items(), key=lambda each: each[::-1], reverse=True))

    def dropped_by_init(self) -> dict[NsKey, int]:
        """Return the same by namespace, so that namespaces which reused an inode are separate."""
        drops = self.records[verdict.is_dropped(self.verdicts)]
        keys, where = NsKey.from_records(drops["nsid"], drops["ns_start"])
        totals = np.zeros(len(keys), "u8")
        np.add.at(totals, where, drops["count"])
        by_count = sorted(zip(totals.tolist(), keys, strict=True), reverse=True)
        return {key: total for total, key in by_count}

    def columns(self) -> dict[str, Column]:
        """Return the columns of the counts table."""
        judged: dict[str, Column] = {"verdict": Labels(self.verdicts, verdict.VERDICTS)}
        return columns(COUNT_FIELDS, self.records, judged)

    def rows(self) -> Iterator[Row]:
        """Yield each row as a dict, JSON-ready."""
        return rows(self.columns())

    def to_pandas(self) -> pd.DataFrame:
        """Return the counts table as pandas; `ns_start` is ns of CLOCK_BOOTTIME."""
        return frame(self.columns())
