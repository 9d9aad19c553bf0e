"""Fold records that are like many others into one a second, for output that people and pipes read line by line."""

from __future__ import annotations

import time

import numpy as np
import numpy.typing as npt

from sigtrace.events.batch import Batch, join
from sigtrace.events.groups import ranks
from sigtrace.units import SECOND

_SECONDS = 1.0
_KIND_BYTES = (1 << 48) - 1
_FACTORS = tuple(np.uint64(each) for each in (0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9))
"""Odd numbers, so that multiplication loses nothing."""


class Repeats:
    """Passes at most about `most` records of a kind in a second; the others become one record at its end.

    That record is the last of them, and its `thinned` says how many it stands for besides itself. A kind is what the
    counts have a row for: the PID namespace, the signal and the facts that decide what becomes of it.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._until = 0.0
        self._passed = 0
        """Records of this second that passed while there were so few that their kinds did not matter."""
        self._seen: dict[int, int] = {}
        self._folded: dict[int, tuple[Batch, int]] = {}
        """By kind: the last record, and how many events it and those before it stand for."""

    @property
    def holding(self) -> bool:
        """Whether records wait for the end of the second."""
        return bool(self._folded)

    def fold(self, batch: Batch) -> Batch:
        """Return the records to show now, of this batch and of the second before."""
        before: list[Batch] = []
        if (now := time.monotonic()) >= self._until:
            # A kind that goes on is not new: it gets one line in the next second too.
            self._seen = dict.fromkeys(self._folded, self._most)
            self._until, self._passed = now + _SECONDS, 0
            before = self._sums()
        if not self._seen and self._passed + len(batch) <= self._most:
            self._passed += len(batch)
            return join([*before, batch])
        return join([*before, self._first(batch)])

    def finish(self, batch: Batch) -> Batch:
        """Return the records to show at the end, after those of `batch`."""
        return join([self._first(batch), *self._sums()])

    def _sums(self) -> list[Batch]:
        sums = [_standing_for(last, total) for last, total in self._folded.values()]
        self._folded.clear()
        return sums

    def _first(self, batch: Batch) -> Batch:
        """Return the first records of each kind, and fold the others."""
        if not len(batch):
            return batch
        kinds, which = np.unique(_kinds(batch.records), return_inverse=True)
        rank, sizes = ranks(which, len(kinds))
        seen = np.array([self._seen.get(kind, 0) for kind in kinds.tolist()], "i8")
        shown = rank + seen[which] < self._most
        if not shown.all():
            self._add(batch[~shown], kinds, which[~shown])
        self._seen.update(zip(kinds.tolist(), (seen + sizes).tolist(), strict=True))
        return batch[shown]

    def _add(self, rest: Batch, kinds: npt.NDArray[np.uint64], which: npt.NDArray[np.intp]) -> None:
        totals = np.bincount(which, rest.weights, len(kinds)).astype("i8")
        last = np.zeros(len(kinds), "i8")
        last[which] = np.arange(len(rest))  # numpy assigns in order, so the last of each remains
        for place in np.unique(which).tolist():
            kind, row = int(kinds[place]), int(last[place])
            before = self._folded[kind][1] if kind in self._folded else 0
            self._folded[kind] = (rest[row : row + 1], before + int(totals[place]))


def _standing_for(last: Batch, total: int) -> Batch:
    one = last[:]
    one.records["thinned"] = min(total - 1, np.iinfo("u4").max)
    return one


def _kinds(records: npt.NDArray[np.void]) -> npt.NDArray[np.uint64]:
    """Return a number for the kind of each record, shape (n,): a hash of what `sigtrace_count_key` consists of."""
    records = np.ascontiguousarray(records)  # a slot of the ring is wider than its record
    # stage, signal, result, disposition, relation and flags are neighbours in the record.
    offset = records.dtype.fields["stage"][1]  # type: ignore[index]  # a structured dtype has fields
    facts = np.ndarray(records.shape, "<u8", records, offset, records.strides)
    with np.errstate(over="ignore"):
        mixed: npt.NDArray[np.uint64] = (
            (facts & np.uint64(_KIND_BYTES)) * _FACTORS[0]
            ^ records["ns_start"] * _FACTORS[1]
            ^ records["nsid"].astype("u8") * _FACTORS[2]
        )
    return mixed


_SAME = (
    "stage",
    "signal",
    "result",
    "disposition",
    "relation",
    "flags",
    "target_pid",
    "exit_code",
    "sender_comm",
)
"""What records have in common that are folded for people."""


def folded(batch: Batch) -> Batch:
    """Return the batch with records that say the same within a second as one, the last, whose `thinned` counts them."""
    r = batch.records
    codes = np.unique(r["time"] // np.uint64(SECOND), return_inverse=True)[1]
    for name in _SAME:
        own = np.unique(r[name], return_inverse=True)[1]
        codes = np.unique(codes * (len(r) + 1) + own, return_inverse=True)[1]
    last = np.zeros(int(codes.max(initial=-1)) + 1, np.intp)
    last[codes] = np.arange(len(r))
    sums = np.bincount(codes, batch.weights, len(last)).astype("i8")
    order = np.argsort(last)
    found = batch[last[order]]
    found.records["thinned"] = sums[order] - 1
    return found
