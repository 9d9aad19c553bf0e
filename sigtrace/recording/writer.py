"""Write a recording: segments, their rotation and retention, and the handling of a disk that cannot be written."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa

from sigtrace.errors import BadInput
from sigtrace.events.batch import Batch, join
from sigtrace.events.counts import Counts
from sigtrace.events.losses import NUMBERS, Losses
from sigtrace.recording import schema
from sigtrace.recording.contents import Damaged
from sigtrace.recording.directory import HEADER, Directory, file_name, why_not
from sigtrace.recording.file import ArrowFile, rewrite
from sigtrace.recording.manifest import FORMAT
from sigtrace.text import printable
from sigtrace.units import SECOND, duration

_ROWS = 1 << 15
"""Events per record batch, unless a flush comes first. Larger batches compress better and read faster."""
_SEGMENT_BYTES = 64 << 20
"""Greatest size of a segment. Retention deletes whole segments, so they must be small beside the limit."""
_TEXTS = 1 << 16
"""Different texts in a segment, which the writer keeps in memory; a process can change its comm without limit."""
_REMEDY = "free some space there, or stop the recording"
_REMEDIES = {
    errno.ENOENT: "create the directory again",
    errno.EROFS: "mount its disk for writing again, or stop the recording",
    errno.EIO: "see what the kernel's log says of its disk, or stop the recording",
}
"""What to do about an error; else `_REMEDY`."""
_ENOUGH_ROOM = 1 << 20
"""Free bytes before writing resumes: with less, the next flush would fail again at once."""


@dataclass(frozen=True)
class Run:
    """The facts about one recorder, which each of its files contains."""

    host: str
    boot_id: str
    run: str
    kernel: str
    version: str


@dataclass(frozen=True)
class Limits:
    """Limits of retention and rotation."""

    max_bytes: int
    max_age: float
    """Seconds."""
    rotate: float
    """Seconds."""


class Writer:
    """Writes tables into a directory. Used by one thread.

    Raises BadInput if that is not possible at first. If the disk cannot be written later, it calls `say` once, drops
    and counts what comes (`unwritten`), and resumes when the disk can be written again: the tracing of a long incident
    must not end because the disk was full for a while.
    """

    def __init__(self, directory: Directory, run: Run, limits: Limits, say: Callable[[str], None]) -> None:
        self.saved = 0
        """Events that are on the disk for certain: written and synced."""
        self.unwritten = 0
        """Events that are not, and will not be. Each event becomes one or the other."""
        self.closed = False
        """Whether the recording was closed."""
        self.steps = 0
        """Grows with everything that the disk has done: a disk that hangs does not count."""
        self.losses: Callable[[], Losses] = Losses
        """What the manifest says is lost."""
        self._directory = directory
        self._run = run
        self.limits = limits
        """May be replaced at any time."""
        self._say = say
        self._pending: list[Batch] = []
        self._pending_rows: dict[str, tuple[pa.Schema, list[Mapping[str, Any]]]] = {}
        self._unsynced = 0
        """Events that are in a file, and not on the disk for certain."""
        self._files: dict[str, ArrowFile] = {}
        self._encoder = schema.Encoder()
        self._schemas: dict[str, pa.Schema] = {}
        self._stopped = 0
        self._missed_before = 0
        try:
            self._close_others()
            self._begin()
        except OSError as err:
            raise BadInput(why_not(directory.path, err)) from err

    @property
    def segment(self) -> int:
        """The number of the current segment. When it changes, the caller writes the rows that each segment needs."""
        return self._segment

    @property
    def stopped(self) -> bool:
        """Whether writing has stopped after an error."""
        return self._stopped != 0

    def events(self, batch: Batch) -> None:
        """Write events, with the next flush at the latest."""
        self._pending.append(batch)
        if sum(map(len, self._pending)) >= _ROWS:
            self._try(self._write_pending)

    def counts(self, counts: Counts, now: int) -> None:
        """Write the counts of a time, ns UTC."""
        self._try(lambda: self._append("counts", self._encoder.counts(counts, now)))

    def rows(self, table: str, kind: pa.Schema, values: Sequence[Mapping[str, Any]]) -> None:
        """Write rows of a table with this schema, with the next flush at the latest.

        Not at once: a batch of one row takes a hundred times as much of the file as its row.
        """
        if self._stopped:
            return
        _, pending = self._pending_rows.setdefault(table, (kind, []))
        pending += values
        if len(pending) >= _ROWS:
            self._try(self._write_pending)

    def flush(self) -> None:
        """Write everything to the disk, and begin a new segment if it is time. Tries to resume after an error."""
        if self._stopped:
            self._resume()
        self._try(self._flush)

    def close(self) -> None:
        """Close the last segment. Tries to resume after an error, so that what was lost is in the recording."""
        if self._stopped:
            self._resume()
        self._try(self._sync)
        self._try(self._close_segment)
        self._unwritten()
        self.closed = not self._stopped
        if self._stopped:
            with contextlib.suppress(OSError):
                self._directory.overwrite_manifest(self._facts())

    def _begin(self) -> None:
        """Begin a new segment. Raises OSError."""
        now = time.time_ns()
        self._segment = self._directory.new_segment(now)
        self._due = time.monotonic() + self.limits.rotate
        self._encoder = schema.Encoder()  # dictionaries begin anew, so that each file is complete in itself
        self._schemas.clear()
        self._directory.retain(self.limits.max_bytes, now - int(self.limits.max_age * SECOND))
        self._directory.write_manifest(self._facts())

    def _facts(self) -> dict[str, object]:
        losses = self.losses()
        return {**asdict(self._run), "losses": {name: getattr(losses, name) for name in NUMBERS}}

    def _write_pending(self) -> None:
        for table, (kind, pending) in self._pending_rows.items():
            for start in range(0, len(pending), 2 * _ROWS):
                self._append(table, schema.rows(kind, pending[start : start + 2 * _ROWS]))
        self._pending_rows.clear()
        while self._pending:
            batch = join(self._pending)
            part = batch[: 2 * _ROWS]
            self._append("events", self._encoder.events(part))
            self._unsynced += len(part)
            self._pending = [rest] if len(rest := batch[2 * _ROWS :]) else []

    def _append(self, table: str, batch: pa.RecordBatch) -> None:
        if table not in self._files:
            self._schemas[table] = batch.schema.with_metadata({HEADER: self._header(table)})
            name = file_name(table, self._segment)
            self._files[table] = ArrowFile(self._directory.ground, name, self._schemas[table])
        self._files[table].append(batch.replace_schema_metadata(self._schemas[table].metadata))

    def _header(self, table: str) -> bytes:
        began = self._directory.segments[self._segment]["began"]
        return json.dumps({"format": FORMAT, "table": table, "began": began, **asdict(self._run)}).encode()

    def _sync(self) -> None:
        """Write everything to the disk."""
        self._write_pending()
        for file in self._files.values():
            file.sync()
            self.steps += 1
        self.saved += self._unsynced
        self._unsynced = 0

    def _flush(self) -> None:
        self._sync()
        if self._directory.gone:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        size = sum(file.size for file in self._files.values())
        # At least eight segments, so that deleting one leaves most of what `max_bytes` permits.
        full = size >= min(_SEGMENT_BYTES, self.limits.max_bytes // 8) or self._encoder.texts >= _TEXTS
        if self._files and (full or time.monotonic() >= self._due):
            self._close_segment()
            self._begin()

    def _close_segment(self) -> None:
        for table, file in list(self._files.items()):
            file.close()
            del self._files[table]
            self.steps += 1
        self._directory.segments[self._segment]["ended"] = time.time_ns()
        self._directory.write_manifest(self._facts())

    def _close_others(self) -> None:
        """Close the open segments of dead recorders; the lock shows that no other recorder is alive.

        A file that cannot be closed stays as it is, and readable. The manifest keeps that they were cut short.
        """
        segments = self._directory.segments
        last = {number: each["began"] for number, each in segments.items()}
        ground = self._directory.ground
        for named in self._directory.files():
            if named.open and named.segment in segments:
                with contextlib.suppress(OSError, Damaged):
                    found = ground.look(named.path.name)
                    last[named.segment] = max(last[named.segment], found.st_mtime_ns)
                    rewrite(ground, named.path.name, file_name(named.table, named.segment))
        for number, each in segments.items():
            if not each["ended"]:
                each["ended"], each["cut"] = last[number], True
        self._directory.tidy()

    def _try(self, action: Callable[[], None]) -> None:
        if self._stopped:
            self._unwritten()
            return
        try:
            action()
            self.steps += 1
        except (OSError, Damaged) as err:
            self._stop(err)

    def _unwritten(self) -> None:
        self.unwritten += sum(map(len, self._pending))
        self._pending.clear()
        self._pending_rows.clear()

    def _stop(self, err: Exception) -> None:
        self._stopped = time.time_ns()
        self._missed_before = self.unwritten
        self._unwritten()
        self._settle()
        for file in self._files.values():
            file.abandon()
        self._files.clear()
        where = printable(str(self._directory.path))
        why = (err.strerror if isinstance(err, OSError) else None) or str(err)
        remedy = _REMEDIES.get(err.errno or 0, _REMEDY) if isinstance(err, OSError) else _REMEDY
        self._say(
            f"{where} cannot be written: {why}. Tracing goes on; recording resumes when it can: {remedy}"
        )

    def _settle(self) -> None:
        """Decide about the events that were in a file when writing stopped; of a removed file, also about the saved."""
        file = self._files.get("events")
        if file and file.removed:
            self._unsynced, self.saved = self._unsynced + self.saved, 0
        try:
            if file:
                file.sync()
            self.saved += self._unsynced
        except OSError:
            self.unwritten += self._unsynced
        self._unsynced = 0

    def _resume(self) -> None:
        segments, before = self._directory.segments, self._segment
        try:
            if self._directory.gone:
                self._directory.claim()
            if self._directory.ground.room() < _ENOUGH_ROOM:
                return
            segments[before]["ended"] = self._stopped
            self._begin()
            gap = {"gap_began": self._stopped, "gap_ended": time.time_ns(), "time": time.time_ns()}
            self._append("losses", schema.rows(schema.LOSSES, [gap]))
        except (OSError, BadInput):
            segments[before]["ended"] = 0
            for number in [number for number in segments if number > before]:
                del segments[number]
            self._segment = before
            for file in self._files.values():
                file.abandon()
            self._files.clear()
            return
        lasted = duration(round(gap["gap_ended"] - self._stopped, -9))
        missed = self.unwritten - self._missed_before
        self._stopped = 0
        self._say(f"recording again after {lasted}, in which {missed:,} events were not recorded")
