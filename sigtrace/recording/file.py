"""A file of a recording: an Arrow IPC file that can be read at any time, also while it is being written."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from sigtrace.recording.place import Remote

OPEN, NEW = ".open", ".new"
"""Suffixes of incomplete files: one that is being written, and one that will replace such a file."""
_MAGIC = 8
"""Bytes before the stream in an IPC file: `ARROW1` and padding."""
_END = b"\xff\xff\xff\xff\0\0\0\0"
"""The stream's end marker: the file is complete and only not renamed yet."""
_SMALL = 1024
"""A file whose batches have fewer rows on average is rewritten when it is closed: many batches are slow to read."""


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
    """A file that is written as `path` + `.open`; `close` renames it to `path`. Any method may raise OSError.

    After an OSError the file ends with its last whole batch, and only `abandon` may be called.
    """

    def __init__(self, path: Path, schema: pa.Schema, suffix: str = OPEN) -> None:
        self.path = path
        self.being_written = path.with_name(path.name + suffix)
        self.size = 0
        self._batches = self._rows = 0
        self._dirty = self._failed = False
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
        self._fd = os.open(self.being_written, flags, 0o640)
        self._sink = _Sink()
        self._writer = pa.ipc.new_file(pa.PythonFile(self._sink, "w"), schema, options=_options())
        try:
            self._write(self._sink.take())
        except OSError:
            self.abandon()
            self.being_written.unlink(missing_ok=True)
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
            raise FileNotFoundError(2, "removed while it was written", str(self.being_written))
        if self._dirty:
            if self._failed:  # the kernel reports an error of a file once, and the next fdatasync(2) succeeds
                raise OSError(errno.EIO, os.strerror(errno.EIO), str(self.being_written))
            self._failed = True
            os.fdatasync(self._fd)
            self._failed = self._dirty = False

    def close(self) -> None:
        """Complete the file and rename it to its final name."""
        if self._batches > 1 and self._rows < _SMALL * self._batches:
            self.sync()  # what follows may fail: then the open file is what there is
            self.abandon()
            rewrite(self.being_written, self.path)
        else:
            self._complete()

    def _complete(self) -> None:
        self._writer.close()
        self._write(self._sink.take())
        os.fsync(self._fd)
        self.abandon()
        os.rename(self.being_written, self.path)
        sync_directory(self.path.parent)

    def abandon(self) -> None:
        """Leave the file as it is: it is readable, and the next recorder closes it."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

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


def rewrite(source: Path, target: Path) -> None:
    """Write the whole batches of an open file to a closed one, and remove the open one. Raises OSError, Damaged."""
    try:
        table = Contents(source).table().unify_dictionaries().combine_chunks()
    except pa.ArrowException as err:
        raise Damaged(str(err)) from err
    new = ArrowFile(target, table.schema, NEW)
    try:
        for batch in table.to_batches(max_chunksize=1 << 16):
            new.append(batch)
    except OSError:
        new.abandon()
        new.being_written.unlink(missing_ok=True)
        raise
    new._complete()
    source.unlink()  # after the rename: a crash in between leaves both, of which readers take the open one


def sync_directory(path: Path) -> None:
    """Write a directory's new and removed names to the disk. Raises OSError."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


class Damaged(Exception):
    """The file is not an Arrow file, or its batches are invalid."""


class Contents:
    """The contents of a closed or open file. Raises OSError or Damaged, here or while it is read.

    `torn`: bytes at the end of an open file that are not a whole batch; known after it has been read.
    """

    def __init__(self, path: Path | Remote) -> None:
        self.path = path
        self.torn = 0
        self._open = path.name.endswith(OPEN)
        try:
            # An open file is not mapped: its writer may truncate it, and reading beyond the end would be SIGBUS.
            mapped = not self._open and isinstance(path, Path)
            self._buffer = (
                pa.memory_map(str(path)).read_buffer() if mapped else pa.py_buffer(path.read_bytes())
            )
            if self._buffer.size < _MAGIC or self._buffer[:6].to_pybytes() != b"ARROW1":
                raise Damaged("not an Arrow file")
            self.schema = (
                pa.ipc.open_stream(self._buffer[_MAGIC:]) if self._open else pa.ipc.open_file(self._buffer)
            ).schema
            self._names = self.schema.names  # decoded here, where a name that is not UTF-8 is damage
        except (pa.ArrowException, EOFError, UnicodeDecodeError) as err:
            raise Damaged(str(err).partition("\n")[0]) from err

    def batches(self, columns: tuple[str, ...] | None = None, where: Any = None) -> Iterator[pa.RecordBatch]:
        """Yield the batches, with those of these columns that the file has.

        `where` maps a batch with its own `columns` to a mask of rows.
        """
        chosen = self._options(columns)
        if self._open:
            yield from _picked(self._stream(chosen), where)
            return
        try:
            whole = pa.ipc.open_file(self._buffer, options=chosen)
            probe = pa.ipc.open_file(self._buffer, options=self._options(where.columns)) if where else None
            for number in range(whole.num_record_batches):
                mask = None
                if probe:
                    part = probe.get_batch(number)
                    _validate(part)
                    mask = where(part)
                if mask is None or mask.any():
                    batch = whole.get_batch(number)
                    _validate(batch)
                    yield batch if mask is None else batch.filter(pa.array(mask))
        except (pa.ArrowException, OSError, EOFError) as err:
            raise Damaged(str(err).partition("\n")[0]) from err

    def table(self) -> pa.Table:
        """Read the whole file."""
        return pa.Table.from_batches(self.batches(), self.schema)

    def _options(self, columns: tuple[str, ...] | None) -> pa.ipc.IpcReadOptions:
        names = self._names
        fields = None if columns is None else [names.index(name) for name in columns if name in names]
        return pa.ipc.IpcReadOptions(included_fields=fields, use_threads=False)

    def _stream(self, options: pa.ipc.IpcReadOptions) -> Iterator[pa.RecordBatch]:
        source = pa.BufferReader(self._buffer[_MAGIC:])
        reader = pa.ipc.open_stream(source, options=options)
        whole = source.tell()
        while True:
            try:
                batch = reader.read_next_batch()
                _validate(batch)
            except (StopIteration, pa.ArrowException, OSError, EOFError):
                break
            whole = source.tell()
            yield batch
        rest = self._buffer[_MAGIC + whole :]
        self.torn = 0 if rest[: len(_END)].to_pybytes() == _END else rest.size


def _picked(batches: Iterator[pa.RecordBatch], where: Any) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        yield batch if where is None else batch.filter(pa.array(where(batch)))


def _validate(batch: pa.RecordBatch) -> None:
    """Raise ArrowException if the bytes of a batch, or of a dictionary of it, are not what its types say."""
    batch.validate(full=True)
    for column in batch.columns:
        if pa.types.is_dictionary(column.type):
            column.dictionary.validate(full=True)  # the batch's own check leaves it out
