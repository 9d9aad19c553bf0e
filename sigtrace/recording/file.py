"""One file of a recording: an Arrow IPC file that is safe to read at any moment of its life."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from sigtrace.recording.place import Remote

OPEN, NEW = ".open", ".new"
"""What names end with until the file is complete: one that grows, one that will take the place of such a one."""
_MAGIC = 8
"""`ARROW1` and padding: what an IPC file has before its stream."""
_END = b"\xff\xff\xff\xff\0\0\0\0"
"""The stream's end marker: all is there, only the new name is missing."""
_SMALL = 1024
"""A file whose batches have fewer rows on average is written anew when it is closed."""


def _options() -> pa.ipc.IpcWriteOptions:
    return pa.ipc.IpcWriteOptions(
        compression=pa.Codec("zstd", 1), use_threads=False, emit_dictionary_deltas=True
    )


class _Sink:
    """What Arrow writes to: memory, emptied by `take`. A file object as pyarrow wants it."""

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
        """Nothing to do: `take` is what empties it."""

    def close(self) -> None:
        """The file belongs to ArrowFile."""

    def take(self) -> bytes:
        data = b"".join(self._chunks)
        self._chunks.clear()
        return data


class ArrowFile:
    """A file being written, as `path` + `.open`; `close` makes it `path`. Any method may raise OSError.

    After an OSError the file ends with the last whole batch, and only `abandon` may be called.
    """

    def __init__(self, path: Path, schema: pa.Schema, suffix: str = OPEN) -> None:
        self.path = path
        self.being_written = path.with_name(path.name + suffix)
        self.size = 0
        self._batches = self._rows = 0
        self._dirty = False
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
        """Write a batch; in the file once this returns, on the disk after `sync`."""
        self._writer.write_batch(batch)
        self._write(self._sink.take())
        self._batches += 1
        self._rows += batch.num_rows

    def sync(self) -> None:
        """What was appended is on the disk. Raises FileNotFoundError when somebody removed the file."""
        if os.fstat(self._fd).st_nlink == 0:
            raise FileNotFoundError(2, "removed while it was written", str(self.being_written))
        if self._dirty:
            os.fdatasync(self._fd)
            self._dirty = False

    def close(self) -> None:
        """Complete it, and give it its name."""
        if self._batches > 1 and self._rows < _SMALL * self._batches:
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
        """Leave it as it is: a reader takes what it holds, the next recorder closes it."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        try:
            while view:
                view = view[os.write(self._fd, view) :]
        except OSError:
            os.ftruncate(self._fd, self.size)
            raise
        self.size += len(data)
        self._dirty = True


def rewrite(source: Path, target: Path) -> None:
    """Make a closed file of the whole batches of an open one, which is removed. Raises OSError, Damaged."""
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
    source.unlink()


def sync_directory(path: Path) -> None:
    """Names given or taken in it are on the disk."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


class Damaged(Exception):
    """No Arrow file, or one whose batches are not what they should be."""


class Contents:
    """What a file holds, closed or open. Raises OSError, or Damaged, here or while it is read.

    `torn`: how many bytes at the end of an open file are no whole batch; known once it has been read.
    """

    def __init__(self, path: Path | Remote) -> None:
        self.path = path
        self.torn = 0
        self._open = path.name.endswith(OPEN)
        try:
            # Not mapped while open: its writer may cut off what it could not finish.
            mapped = not self._open and isinstance(path, Path)
            self._buffer = (
                pa.memory_map(str(path)).read_buffer() if mapped else pa.py_buffer(path.read_bytes())
            )
            if self._buffer.size < _MAGIC or self._buffer[:6].to_pybytes() != b"ARROW1":
                raise Damaged("no Arrow file")
            self.schema = (
                pa.ipc.open_stream(self._buffer[_MAGIC:]) if self._open else pa.ipc.open_file(self._buffer)
            ).schema
        except (pa.ArrowException, EOFError) as err:
            raise Damaged(str(err).partition("\n")[0]) from err

    def batches(self, columns: tuple[str, ...] | None = None, where: Any = None) -> Iterator[pa.RecordBatch]:
        """Its batches, of these columns only, as far as it has them.

        `where`: takes a batch of its own `columns`, gives a mask of rows.
        """
        chosen = self._options(columns)
        if self._open:
            yield from _picked(self._stream(chosen), where)
            return
        try:
            whole = pa.ipc.open_file(self._buffer, options=chosen)
            probe = pa.ipc.open_file(self._buffer, options=self._options(where.columns)) if where else None
            for number in range(whole.num_record_batches):
                mask = where(probe.get_batch(number)) if probe else None
                if mask is None or mask.any():
                    batch = whole.get_batch(number)
                    batch.validate(full=True)
                    yield batch if mask is None else batch.filter(pa.array(mask))
        except (pa.ArrowException, OSError, EOFError) as err:
            raise Damaged(str(err).partition("\n")[0]) from err

    def table(self) -> pa.Table:
        """All of it."""
        return pa.Table.from_batches(self.batches(), self.schema)

    def _options(self, columns: tuple[str, ...] | None) -> pa.ipc.IpcReadOptions:
        names = self.schema.names
        fields = None if columns is None else [names.index(name) for name in columns if name in names]
        return pa.ipc.IpcReadOptions(included_fields=fields, use_threads=False)

    def _stream(self, options: pa.ipc.IpcReadOptions) -> Iterator[pa.RecordBatch]:
        source = pa.BufferReader(self._buffer[_MAGIC:])
        reader = pa.ipc.open_stream(source, options=options)
        whole = source.tell()
        while True:
            try:
                batch = reader.read_next_batch()
                batch.validate(full=True)
            except (StopIteration, pa.ArrowException, OSError, EOFError):
                break
            whole = source.tell()
            yield batch
        rest = self._buffer[_MAGIC + whole :]
        self.torn = 0 if rest[: len(_END)].to_pybytes() == _END else rest.size


def _picked(batches: Iterator[pa.RecordBatch], where: Any) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        yield batch if where is None else batch.filter(pa.array(where(batch)))
