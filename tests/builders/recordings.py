"""Recordings made by hand, for tests that need no kernel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import sigtrace
from sigtrace.events.batch import Batch
from sigtrace.recording.directory import Directory
from sigtrace.recording.messages import Messages
from sigtrace.recording.writer import Limits, Run, Writer
from tests.builders.records import record

UTC = 1_700_000_000_000_000_000
RUN = Run(host="web-1", boot_id="b" * 32, run="r1", kernel="6.18", version="0")
LIMITS = Limits(max_bytes=1 << 30, max_age=1e9, rotate=1e9)


class Made:
    """A recording being written; `said` is what its writer told."""

    def __init__(self, path: Path, run: Run = RUN, limits: Limits = LIMITS) -> None:
        self.path, self.run = path, run
        self.said: list[str] = []
        self.directory = Directory(path)
        self.writer = Writer(self.directory, run, limits, self.said.append)

    def add(self, *records: npt.NDArray[np.void], offset: int = UTC) -> None:
        """Write records, and flush."""
        self.writer.events(Batch(np.concatenate(records), offset, self.run.host))
        self.writer.flush()

    def crash(self) -> None:
        """As `kill -9` does it: nothing is closed but what the kernel closes."""
        self.directory.release()

    def close(self) -> None:
        self.writer.close()
        self.directory.release()


def made(path: Path, *records: npt.NDArray[np.void], run: Run = RUN) -> Path:
    """A closed recording of these records."""
    recording = Made(path, run)
    recording.add(*records)
    recording.close()
    return path


def another(**changes: str) -> Run:
    """A run that differs."""
    return replace(RUN, **changes)


def terms(times: Sequence[int], **changes: Any) -> list[npt.NDArray[np.void]]:
    """A dropped SIGTERM at each of these times, as one array of records."""
    many = np.repeat(record(**changes), len(times))
    many["time"] = times
    return [many]


class Torn:
    """A recording of three batches of ten events, whose recorder died; to be cut anywhere."""

    def __init__(self, path: Path) -> None:
        recording = Made(path)
        self.path, self._file = path, path / "events-000001.arrow.open"
        self.ends: list[int] = []
        """Where each batch ends in the file."""
        for number in range(3):
            recording.add(*terms(range(number * 10, number * 10 + 10), target_comm=b"app%d" % number))
            self.ends.append(self._file.stat().st_size)
        recording.crash()
        self.whole = self._file.read_bytes()
        assert len(self.whole) == self.ends[-1]
        self._between = {message.end for message in Messages(self.whole, 8).found}
        """Where a message ends: the schema, dictionaries, batches. A file that is cut there has nothing torn."""

    def cut(self, size: int) -> None:
        """Leave so many bytes of the file; fails unless its whole batches are read, and what is missing is told."""
        self._file.write_bytes(self.whole[:size])
        cut_off = sigtrace.open(self.path)
        read = cut_off.batch()
        assert len(read) == 10 * sum(end <= size for end in self.ends), size
        assert read.records["time"].tolist() == list(range(len(read)))
        assert len(cut_off.problems) == (1 if size in (0, *self._between) else 2), (size, cut_off.problems)
