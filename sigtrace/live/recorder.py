"""The recorder writes the records of a collector to a recording.

The calling thread only reads the ring; a second thread writes; a third takes snapshots. Between the first two is a
queue of bounded size: if the disk hangs, records are lost and counted there, and the kernel's ring does not overflow.
The snapshot thread puts its rows into the same queue. Reader and writer share no lock. Only threads that may be left
behind touch the disk: one that waits for a disk that hangs cannot be interrupted, by no signal.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import queue
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import TypeVar

import pyarrow as pa

from sigtrace import clock, snapshot
from sigtrace._version import __version__
from sigtrace.errors import SigtraceError
from sigtrace.events.batch import Batch
from sigtrace.events.losses import Losses
from sigtrace.events.nskey import NsKey
from sigtrace.live.collector import Collector
from sigtrace.live.count_samples import CountSamples
from sigtrace.live.shares import firsts
from sigtrace.live.snapshot_trigger import SnapshotTaker
from sigtrace.recording import namespace_rows, schema
from sigtrace.recording.directory import Directory
from sigtrace.recording.writer import Limits, Run, Writer
from sigtrace.snapshot import SnapshotRow
from sigtrace.text import printable
from sigtrace.units import number

FLUSH_SECONDS = 0.8
"""Interval between flushes: a crash loses at most the last second, with the time that a flush takes."""
COUNT_SECONDS = 10.0
"""Interval between writes of the kernel's counts, if they changed; then free memory is given back, too."""

_QUEUE_RECORDS = 1 << 18
"""About 40 MB. More than the ring holds, so that the queue bridges a slow disk for longer than the ring could."""
_SHARE = 64
"""Records of a namespace in each batch that the second half of the queue takes: a noisy one leaves it to the others."""
_PATIENCE_SECONDS = 10.0
"""How long the disk may do nothing at all before it counts as one that hangs."""
_Result = TypeVar("_Result")
_SILENT_SECONDS = 2.0
"""How long to wait at the end without saying so."""
_SNAPSHOTS = schema.row_schema(snapshot.COLUMNS)


class Recorder:
    """Records an attached collector into a directory until the collector is stopped.

    `say` is called with sentences for the user, from the writer's thread. Raises BadInput if the directory cannot be
    recorded into, DiskHangs if it does not respond. patience: how long a disk may do nothing, in seconds.
    """

    def __init__(
        self,
        live: Collector,
        path: Path,
        limits: Limits,
        say: Callable[[str], None],
        patience: float = _PATIENCE_SECONDS,
    ) -> None:
        self._live = live
        self._path = path
        self._say = say
        self._patience = patience
        try:
            self._directory, self._writer = within(patience, lambda: _opened(path, limits, say))
        except TimeoutError:
            raise DiskHangs(f"{printable(str(path))} does not respond: record onto another disk") from None
        self._writer.losses = self.losses
        self.closed = False
        """Whether the recording was closed; if not, its readers are told that its end is missing."""
        self._unqueued = 0
        """Events that did not fit into the queue."""
        # Unbounded itself, because `put` must never block the reader; `_offer` bounds it by records, not by batches,
        # whose sizes differ by orders of magnitude. None is the end.
        self._queue: queue.SimpleQueue[Batch | list[SnapshotRow] | None] = queue.SimpleQueue()
        # Only the reader adds to the first and only the writer to the second, so their difference needs no lock: a
        # stale value makes the queue look fuller than it is.
        self._queued, self._taken = 0, 0
        self._thread = threading.Thread(target=self._write, name="writer", daemon=True)
        self._began = threading.Event()
        self._ended = False
        self._failure: BaseException | None = None
        self._taker = SnapshotTaker(self._queue.put)
        self._described_segment = 0
        self._counts = CountSamples(live.take_counts)
        self._counts_due = 0.0
        self._losses_at, self._losses = 0, Losses()
        """The losses at the last tick, and its time; 0: none in this segment."""

    def start(self) -> None:
        """Start to write, and wait until the first has been written: from then on writing is as fast as it gets."""
        self._thread.start()
        self._taker.start()
        self._began.wait(self._patience)

    def run(self, also: Callable[[Batch], None] | None = None) -> None:
        """Record until the collector is stopped, and all records are written or the disk hangs. Starts if need be.

        also: called with each batch after it was queued, by the thread that reads the ring.
        """
        if self._thread.ident is None:
            self.start()
        try:
            for batch in self._live:
                self._offer(batch)
                if also:
                    also(batch)
        finally:
            self._live.detach()
            self._queue.put(None)
            self._wait_for_writer()
            self._ended = True
        if self._failure is not None:
            raise self._failure

    def limit(self, limits: Limits) -> None:
        """Rotate and delete by other limits from now on."""
        self._writer.limits = limits

    @property
    def stopped(self) -> bool:
        """Whether nothing can be written now."""
        return self._writer.stopped

    @property
    def snapshots_skipped(self) -> int:
        """Snapshots that were not taken, as too many were due."""
        return self._taker.skipped

    @property
    def recorded(self) -> int:
        """Events that are on the disk for certain."""
        return self._writer.saved

    @property
    def lost(self) -> int:
        """Events that were read and did not get to the disk; known when `run` has ended."""
        return self._unqueued + self._queued - self._writer.saved

    def losses(self) -> Losses:
        """Return what has been lost so far; when `run` has ended, also what is left in the queue."""
        return replace(
            self._live.losses(),
            unqueued=self._unqueued,
            unwritten=self.lost - self._unqueued if self._ended else self._writer.unwritten,
            snapshots_skipped=self._taker.skipped,
        )

    def _offer(self, batch: Batch) -> None:
        waiting = self._queued - self._taken
        if waiting + len(batch) > _QUEUE_RECORDS // 2:  # the disk is slow: what is left is shared
            fits = waiting + len(batch) <= _QUEUE_RECORDS
            kept = batch[firsts(batch.records, _SHARE)] if fits else batch[:0]
            self._unqueued += len(batch) - len(kept)
            batch = kept
        if not len(batch):
            return
        self._queued += len(batch)
        self._queue.put(batch)

    def _wait_for_writer(self) -> None:
        """Wait until the writer has ended, as long as it does something; then let others have the directory."""
        self._thread.join(min(_SILENT_SECONDS, self._patience))
        if self._thread.is_alive():
            events = number(self.lost - self._unqueued, "event")
            self._say(f"waiting for {printable(str(self._path))}: {events} to write; Ctrl-C again gives up")
        done = None
        while self._thread.is_alive() and done != (now := self._progress()):
            done = now
            self._thread.join(self._patience)
        if self._thread.is_alive():
            # The lock is all that is left to do: close(2) may wait for the disk.
            with contextlib.suppress(TimeoutError, OSError):
                within(1.0, self._directory.unlock)
            return
        self.closed = self._writer.closed
        self._directory.release()

    def _progress(self) -> tuple[int, str]:
        """What the writer has done: its steps, and its processor time, which passes unless it waits for the disk."""
        try:
            stat = Path(f"/proc/self/task/{self._thread.native_id}/stat").read_text(errors="replace")
            used = " ".join(stat.rpartition(")")[2].split()[11:13])  # utime and stime, proc_pid_stat(5)
        except OSError:  # it has ended
            used = ""
        return self._writer.steps + self._taken, used

    def _write(self) -> None:
        """The writer thread's main function. An exception ends the recording, and `run` raises it."""
        try:
            self._write_until_end()
        except BaseException as err:
            self._failure = err
            self._live.stop()
        finally:
            self._began.set()

    def _write_until_end(self) -> None:
        self._tick()
        self._began.set()
        flushed, busy = time.monotonic(), True
        while True:
            with contextlib.suppress(queue.Empty):
                item = self._queue.get(timeout=max(self._due(flushed, busy) - time.monotonic(), 0))
                if item is None:
                    break
                busy = True
                self._take(item)
            if (began := time.monotonic()) >= self._due(flushed, busy):
                self._tick()
                # On a disk that takes as long as that, the queue gets its time too.
                flushed, busy = max(began, time.monotonic() - FLUSH_SECONDS / 2), False
        # The reader has finished, so only the snapshot thread may still put something, and not after this.
        self._taker.end()
        with contextlib.suppress(queue.Empty):
            while (item := self._queue.get_nowait()) is not None:
                self._take(item)
        self._counts_due = 0  # the last counts are the totals of the recording
        self._tick()
        if self._described_segment != self._writer.segment:  # which has none yet
            self._tick()
        self._writer.close()

    def _due(self, flushed: float, busy: bool) -> float:
        """When to flush next (monotonic clock, s). While nothing happens, only for counts of what has no records."""
        return flushed + (FLUSH_SECONDS if busy or self._writer.stopped else COUNT_SECONDS)

    def _take(self, item: Batch | list[SnapshotRow]) -> None:
        if not isinstance(item, Batch):
            self._writer.rows("snapshots", _SNAPSHOTS, item)
            return
        self._taker.observe(item)
        self._write_names()
        self._writer.rows("namespaces", schema.NAMESPACES, list(namespace_rows.changes(item)))
        self._writer.events(item)
        self._taken += len(item)

    def _tick(self) -> None:
        """Write everything so far to the disk. A new segment begins with the namespaces that exist.

        Each segment has to be readable without the earlier ones, which retention deletes.
        """
        now = time.time_ns()
        anew = self._described_segment != self._writer.segment
        if anew:
            self._described_segment = self._writer.segment
            self._counts_due, self._losses_at = 0, 0
            self._describe(now)
        self._write_names()
        sampled = time.monotonic() >= self._counts_due and not self._writer.stopped
        if sampled:
            self._counts_due = time.monotonic() + COUNT_SECONDS
            counts = self._counts.sample(anew)
            if len(counts):
                self._writer.counts(counts, now)
        self._write_losses(now)
        self._writer.flush()
        if sampled:
            self._counts.settle(not self._writer.stopped)
            _give_back()

    def _describe(self, now: int) -> None:
        """Write the namespaces that exist, with their containers; those that ended are in earlier segments."""
        rows = list(namespace_rows.standing(now, clock.boot_to_utc()))
        alive = {NsKey.of(row["nsid"], row["ns_start"]) for row in rows}
        named = [(key, container) for key, container in self._live.names.known().items() if key in alive]
        self._writer.rows("namespaces", schema.NAMESPACES, [*rows, *namespace_rows.named(now, named)])

    def _write_names(self) -> None:
        """Write the containers of namespaces that were resolved since the last call."""
        rows = list(namespace_rows.named(time.time_ns(), self._live.names.news()))
        self._writer.rows("namespaces", schema.NAMESPACES, rows)

    def _write_losses(self, now: int) -> None:
        """Write the losses if they changed, and what they were a tick ago: records were lost between the two."""
        losses = self.losses()
        if losses != self._losses or not self._losses_at:
            samples = [(self._losses_at, self._losses)] if self._losses_at else []
            rows = [{"time": time, **asdict(each)} for time, each in [*samples, (now, losses)]]
            self._writer.rows("losses", schema.LOSSES, rows)
        self._losses_at, self._losses = now, losses


class DiskHangs(SigtraceError):
    """A directory does not respond."""


def within(seconds: float, action: Callable[[], _Result]) -> _Result:
    """Do something that may wait for a disk for ever. Raises TimeoutError then; else what it raises."""
    done: list[_Result] = []
    failed: list[BaseException] = []

    def act() -> None:
        try:
            done.append(action())
        except BaseException as err:
            failed.append(err)

    thread = threading.Thread(target=act, name="disk", daemon=True)
    thread.start()
    thread.join(seconds)
    if failed:
        raise failed[0]
    if not done:
        raise TimeoutError
    return done[0]


def _opened(path: Path, limits: Limits, say: Callable[[str], None]) -> tuple[Directory, Writer]:
    directory = Directory(path)
    try:
        return directory, Writer(directory, this_run(), limits, say)
    except BaseException:
        directory.release()
        raise


def this_run() -> Run:
    """Return the facts that identify this recorder's files."""
    system = os.uname()
    boot_id = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return Run(system.nodename, boot_id, uuid.uuid4().hex, f"{system.release} {system.machine}", __version__)


def _give_back() -> None:
    """Give memory that is free back to the kernel.

    Batches, and closing a segment, take some megabytes for a moment, each time in another place: glibc keeps all of
    these, for each thread, and Arrow does, so that a recorder would grow for hours.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # of glibc only
    if trim is not None:
        trim(ctypes.c_size_t(0))
    pa.default_memory_pool().release_unused()
