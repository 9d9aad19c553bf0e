"""A file of a recording: an Arrow IPC file that can be read at any time, also while it is being written."""

from __future__ import annotations

import errno
import io
import os
from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from sigtrace.recording.contents import NEW, OPEN, Contents, Damaged
from sigtrace.recording.ground import Ground

_SMALL = 1024
"""A file whose batches have fewer rows on average is rewritten when it is closed: many batches are slow to read."""
_JOINED_ROWS, _JOINED_BYTES = 1 << 16, 16 << 20
"""Small batches are joined up to this: far below what a reader takes."""


def _options() -> pa.ipc.IpcWriteOptions:
    return pa.ipc.IpcWriteOptions(
        compression=pa.Codec("zstd", 1), use_threads=False, emit_dictionary_deltas=True
    )


class _Sink:
    """A file object for pyarrow that collects in memory what Arrow writes, until `take`.

    So that each batch is written to the file at once, and what a failed write(2) leaves can be truncated.
    """

    closed = False

    def __init__(self) -> None:
        self._chunks: list[bytes] = []
        self._position = 0

    def write(self, data: Any) -> int:
        self._chunks.append(bytes(data))
        self._position += len(self._chunks[-1])
        return len(self._chunks[-1])

    def tell(self) -> int:
        return self._position

    def flush(self) -> None:
        """Do nothing: `take` empties it."""

    def close(self) -> None:
        """Do nothing: ArrowFile owns the file."""

    def take(self) -> bytes:
        data = b"".join(self._chunks)
        self._chunks.clear()
        return data


class ArrowFile:
    """A file that is written as `name` + `.open`; `close` renames it to `name`. Any method may raise OSError.

    After an OSError the file ends with its last whole batch, and only `abandon` may be called.
    """

    def __init__(self, ground: Ground, name: str, schema: pa.Schema, suffix: str = OPEN) -> None:
        self.name, self.being_written = name, name + suffix
        self.size = 0
        self._ground = ground
        self._batches = self._rows = 0
        self._dirty = self._failed = False
        self._sink = _Sink()
        self._writer = pa.ipc.new_file(pa.PythonFile(self._sink, "w"), schema, options=_options())
        self._fd = (
            ground.create_anew(self.being_written) if suffix == NEW else ground.create(self.being_written)
        )
        try:
            self._write(self._sink.take())
        except OSError:
            self.discard()
            raise

    def append(self, batch: pa.RecordBatch) -> None:
        """Write a batch: to the file when this returns, to the disk after `sync`."""
        self._writer.write_batch(batch)
        self._write(self._sink.take())
        self._batches += 1
        self._rows += batch.num_rows

    @property
    def removed(self) -> bool:
        """Whether the file was removed: write(2) to it succeeds all the same, and the data would be lost."""
        return self._fd >= 0 and os.fstat(self._fd).st_nlink == 0

    def sync(self) -> None:
        """Write everything to the disk. Raises FileNotFoundError if the file was removed."""
        if self.removed:
            raise FileNotFoundError(2, "removed while it was written", self.being_written)
        if self._dirty:
            if self._failed:  # the kernel reports an error of a file once, and the next fdatasync(2) succeeds
                raise OSError(errno.EIO, os.strerror(errno.EIO), self.being_written)
            self._failed = True
            os.fdatasync(self._fd)
            self._failed = self._dirty = False

    def close(self) -> None:
        """Complete the file and rename it to its final name."""
        if self._batches > 1 and self._rows < _SMALL * self._batches:
            self.sync()  # what follows may fail: then the open file is what there is
            self.abandon()
            rewrite(self._ground, self.being_written, self.name)
        else:
            self.complete()

    def complete(self) -> None:
        """The same, without merging small batches."""
        self._writer.close()
        self._write(self._sink.take())
        os.fsync(self._fd)
        self.abandon()
        self._ground.replace(self.name, by=self.being_written)

    def abandon(self) -> None:
        """Leave the file as it is: it is readable, and the next recorder closes it."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def discard(self) -> None:
        """Remove the file."""
        self.abandon()
        self._ground.unlink(self.being_written)

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        try:
            while view:
                view = view[os.write(self._fd, view) :]
        except OSError:
            os.ftruncate(self._fd, self.size)  # ends it with its last whole batch
            raise
        self.size += len(data)
        self._dirty = True


def rewrite(ground: Ground, source: str, target: str) -> None:
    """Write the whole batches of an open file to a closed one, and remove the open one. Raises OSError, Damaged."""
    with Contents(ground.path / source, io.FileIO(ground.open_own(source, os.O_RDONLY))) as contents:
        if contents.empty:
            ground.unlink(source)
            return
        new = ArrowFile(ground, target, contents.schema, NEW)
        try:
            for batch in _merged(contents.batches(), contents.schema):
                new.append(batch)
        except (OSError, Damaged):
            new.discard()
            raise
        except pa.ArrowException as err:
            new.discard()
            raise Damaged(str(err)) from err
    new.complete()
    ground.unlink(
        source
    )  # after the rename: a crash in between leaves both, of which readers take the open one


def _merged(batches: Iterator[pa.RecordBatch], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Join small batches into larger ones, in bounded memory."""
    group: list[pa.RecordBatch] = []
    rows = size = 0
    for batch in batches:
        group.append(batch)
        rows, size = rows + batch.num_rows, size + _bytes(batch)
        if rows >= _JOINED_ROWS or size >= _JOINED_BYTES:
            yield from _joined(group, schema)
            group, rows, size = [], 0, 0
    yield from _joined(group, schema)


def _joined(group: list[pa.RecordBatch], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    # The dictionaries of a segment only grow, so the union of a group's is the last one.
    whole = pa.Table.from_batches(group, schema).unify_dictionaries().combine_chunks()
    yield from whole.to_batches(max_chunksize=_JOINED_ROWS)


def _bytes(batch: pa.RecordBatch) -> int:
    """Return the bytes of a batch without its dictionaries, which it has in common with others."""
    return sum((each.indices if pa.types.is_dictionary(each.type) else each).nbytes for each in batch.columns)
