"""Counts of any number of namespaces: written once they are final, added up in bounded memory, and always exact."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import sigtrace
from sigtrace.events import wire
from sigtrace.events.counts import COUNT, Counts, merged
from sigtrace.live.count_samples import CountSamples
from sigtrace.live.kernel import counts as kernel_counts
from sigtrace.live.kernel.counts import KEPT, Tally
from sigtrace.recording.writer import Limits
from tests.builders.recordings import UTC, Made
from tests.builders.records import counted, record

_KINDS = [record(signal=signal, ns_level=1) for signal in (15, 15, 9)]
_KINDS[1]["stage"] = wire.STAGE["deliver"]
_TICK = 10_000_000


class Kernel:
    """A table of counts with namespaces that live for a moment, and some that stay."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.table = np.zeros(0, COUNT)
        self.alive: set[int] = set()
        self._deleted: list[bytes] = []
        monkeypatch.setattr(kernel_counts, "_read", lambda _: self.rows())
        monkeypatch.setattr(kernel_counts.syscall, "map_delete", lambda _, key: self._deleted.append(key))
        attachment: Any = type("Attachment", (), {"maps": {"counts": 0}})()
        self.tally = Tally(attachment, self._ended, lambda rows: np.ones(len(rows), bool))
        self.samples = CountSamples(self._take)

    def count(self, nsids: Iterable[int], times: int) -> None:
        """Each kind of signal so many times in each of these namespaces."""
        inodes = np.array(list(nsids))
        for kind in _KINDS:
            rows = np.repeat(counted(kind, times), len(inodes))
            rows["nsid"], rows["ns_start"] = inodes, inodes * _TICK
            self.table = np.concatenate([self.table, rows])
        self.table = merged(self.rows())

    def rows(self) -> npt.NDArray[np.void]:
        """What a dump of the table has."""
        if self._deleted:
            keys = np.ascontiguousarray(self.table).view(f"V{COUNT.itemsize}").tolist()
            size = wire.COUNT_KEY.size
            self.table = self.table[[bytes(key)[:size] not in self._deleted for key in keys]]
            self._deleted.clear()
        return self.table.copy()

    def _ended(self, rows: npt.NDArray[np.void]) -> npt.NDArray[np.bool_]:
        return ~np.isin(rows["nsid"], list(self.alive))

    def _take(self, tidy: bool) -> tuple[Counts, Counts]:
        living, ended = self.tally.take(tidy)
        return Counts(living), Counts(ended)


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Kernel:
    """One whose namespace 1 lives."""
    found = Kernel(monkeypatch)
    found.alive.add(1)
    return found


def _total(rows: npt.NDArray[np.void]) -> int:
    return int(rows["count"].sum())


def test_the_memory_of_100000_namespaces_is_that_of_a_few_and_the_totals_are_exact(kernel: Kernel) -> None:
    for first in range(2, 100_002, 2500):
        kernel.count([1], 2)
        kernel.count(range(first, first + 2500), 1)
        rows = kernel.tally.read()
        assert len(rows) <= 2 * KEPT + len(_KINDS)
        assert len(kernel.rows()) <= 10_000
    assert _total(rows) == 3 * (100_000 + 2 * 40)
    apart = rows["nsid"] == 0
    assert int(apart.sum()) == len(_KINDS)
    assert _total(rows[rows["nsid"] == 1]) == 3 * 2 * 40
    assert Counts(rows).signals_seen == 2 * (100_000 + 2 * 40)


def test_what_ended_is_taken_once_even_if_others_look_meanwhile(kernel: Kernel) -> None:
    taken: list[npt.NDArray[np.void]] = [kernel.tally.take(tidy=True)[1]]
    for first in range(2, 40_002, 4000):
        kernel.count(range(first, first + 4000), 1)
        kernel.tally.read()
        taken.append(kernel.tally.take(tidy=False)[1])
    taken.append(kernel.tally.take(tidy=True)[1])
    rows = np.concatenate(taken)
    assert len(np.unique(rows["nsid"])) * 3 == len(rows) == 120_000
    assert _total(kernel.tally.read()) == 120_000


def test_each_segment_has_what_lives_and_only_one_what_ended(kernel: Kernel, tmp_path: Path) -> None:
    samples = kernel.samples
    recording = Made(tmp_path, limits=Limits(1 << 30, 1e9, rotate=0))
    for segment in range(6):
        kernel.count(range(1000 * segment + 2, 1000 * segment + 1002), 3)
        kernel.count([1], 5)
        recording.writer.counts(samples.sample(anew=True), UTC + segment)
        recording.writer.flush()  # which begins another segment
        samples.settle(not recording.writer.stopped)
    recording.close()
    sizes = [path.stat().st_size for path in sorted(tmp_path.glob("counts-*"))]
    assert max(sizes[1:]) < 1.3 * min(sizes[1:])
    table = sigtrace.open(tmp_path).counts()
    assert len(table) == 3 * 6001
    assert table["count"].sum() == 3 * (6000 * 3 + 30)
    assert table[table["nsid"] == 1]["count"].tolist() == [30] * 3
    (tmp_path / "counts-000001.arrow").unlink()  # as retention does it
    table = sigtrace.open(tmp_path).counts()
    assert set(table["nsid"]) == {1, *range(1002, 6002)}
    assert table[table["nsid"] == 1]["count"].tolist() == [30] * 3


def test_an_idle_segment_has_no_counts_of_what_ended(kernel: Kernel) -> None:
    samples = kernel.samples
    kernel.count(range(1, 7501), 1)
    assert len(samples.sample(anew=True)) == 22_500
    samples.settle(written=True)
    for _ in range(3):
        assert len(samples.sample(anew=True)) == 3
        samples.settle(written=True)
        assert len(samples.sample(anew=False)) == 0
        samples.settle(written=True)


def test_what_could_not_be_written_is_written_later(kernel: Kernel) -> None:
    samples = kernel.samples
    kernel.count([2], 1)
    assert len(samples.sample(anew=True)) == 3
    samples.settle(written=False)
    kernel.count([3], 1)
    assert set(samples.sample(anew=True).records["nsid"]) == {2, 3}
    samples.settle(written=True)
    assert len(samples.sample(anew=True)) == 0
    kernel.alive.add(4)
    kernel.count([4], 1)
    assert set(samples.sample(anew=False).records["nsid"]) == {4}
    samples.settle(written=True)
    kernel.alive.remove(4)  # its final counts are on the disk already
    assert len(samples.sample(anew=True)) == 0
