"""The recorder keeps nothing of namespaces that are gone, however many there have been."""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

import sigtrace
from sigtrace.containers.resolver import ContainerResolver
from sigtrace.events.batch import Batch
from sigtrace.events.counts import COUNT, Counts
from sigtrace.events.losses import Losses
from sigtrace.live.recorder import Recorder
from sigtrace.recording.writer import Limits
from tests.builders.recordings import UTC
from tests.builders.records import record
from tests.patience import patient

_LIFE = np.concatenate(
    [
        record(stage="init", signal=0, flags=("init",), ns_level=1),
        *[record(signal=number, ns_level=1) for number in (1, 15)],
        record(stage="exit", signal=0, flags=("init",), ns_level=1),
    ]
)
_AT_ONCE, _WAVE, _WAVES = 1_000, 17_000, 3
"""Namespaces in a batch, and between two looks at the memory: more than a resolver remembers."""
_NOBODY = 1 << 22
"""The PID of no process: the greatest is one less."""


class _Passing:
    """In place of a collector: namespaces that live for a moment, in waves, and what memory there is after each."""

    def __init__(self) -> None:
        self.names = ContainerResolver(lambda _: None)
        self.names.start(seeded=True)
        self.recorder: Recorder | None = None
        self.blocks: list[int] = []
        """Pieces of memory that Python has in use after each wave."""

    def __iter__(self) -> Iterator[Batch]:
        for wave in range(_WAVES):
            for first in range(wave * _WAVE, (wave + 1) * _WAVE, _AT_ONCE):
                records = np.tile(_LIFE, _AT_ONCE)
                number = np.repeat(np.arange(first, first + _AT_ONCE), len(_LIFE))
                records["nsid"], records["ns_start"] = 1 + number, 10_000_000 * (1 + number)
                records["target_pid"], records["time"] = _NOBODY, number
                records["target_comm"] = [b"app-%d" % name for name in number // 100]
                batch = Batch(records, UTC, "h", known=self.names.of)
                self.names.observe(batch)
                yield batch
            self._settle((wave + 1) * _WAVE * len(_LIFE))
            gc.collect()
            self.blocks.append(sys.getallocatedblocks())

    def _settle(self, events: int) -> None:
        """Wait until as many events are on the disk, and each name has been looked for."""
        assert self.recorder
        deadline = time.monotonic() + patient(60)
        while self.recorder.recorded < events or len(self.names._queue):
            assert time.monotonic() < deadline, self.recorder.recorded
            time.sleep(0.02)

    def take_counts(self, tidy: bool) -> tuple[Counts, Counts]:
        return Counts(np.zeros(0, COUNT)), Counts(np.zeros(0, COUNT))

    def losses(self) -> Losses:
        return Losses()

    def detach(self) -> None: ...

    def stop(self) -> None: ...


def test_50000_namespaces_leave_no_memory_behind(tmp_path: Path) -> None:
    passing: Any = _Passing()
    limits = Limits(max_bytes=1 << 30, max_age=1e9, rotate=0)  # a segment for each flush
    passing.recorder = recorder = Recorder(passing, tmp_path / "r", limits, lambda _: None)
    recorder.run()
    passing.names.close()
    first, *_, last = passing.blocks
    assert last < 1.02 * first, passing.blocks
    assert recorder.recorded == _WAVES * _WAVE * len(_LIFE)
    read = sigtrace.open(tmp_path / "r")
    assert (
        int((read.namespaces()["nsid"] <= _WAVES * _WAVE).sum()) == _WAVES * _WAVE
    )  # others are of this host
