"""A file of a recording: an Arrow IPC file that can be read at any time, also while it is being written."""

from __future__ import annotations

import errno
import io
import itertools
import os
import struct
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sigtrace.recording.ground import Ground, opened, read
from sigtrace.recording.messages import BATCH, Message, Messages
from sigtrace.recording.place import Remote

OPEN, NEW = ".open", ".new"
"""Suffixes of incomplete files: one that is being written, and one that will replace such a file."""
MOST_BYTES = 256 << 20
"""Size of a file beyond which it is none of a recorder's, which begins a new segment after 64 MiB."""
_ARROW, _MAGIC = b"ARROW1", 8
"""The beginning of an IPC file, and the bytes before its stream."""
_HEAD = 256 << 10
"""Bytes within which the schema ends; that of events takes 10,000."""
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


class Damaged(Exception):
    """The file is not an Arrow file, or its batches are invalid."""


class Contents:
    """The contents of a closed or open file. Raises OSError or Damaged, here or while it is read.

    It is read as the stream that both kinds contain, and copied into memory: who maps a file that is truncated
    meanwhile dies of SIGBUS. Nothing is decompressed before `Messages` has looked at its size.

    file: the open file, if it is not to be opened by its path. known: the columns to read; by default all.
    `torn`: bytes at the end that are not a whole batch, known after it has been read. `why`: what is wrong with them,
    if they are not simply the beginning of a batch.
    """

    def __init__(
        self, path: Path | Remote, file: io.FileIO | None = None, known: Collection[str] | None = None
    ) -> None:
        self.path = path
        self.torn = 0
        self.why = ""
        self.open = path.name.endswith(OPEN)
        self._data: bytes | None = None
        self._file = file or (opened(path) if isinstance(path, Path) else None)
        try:
            head = self._head()
            self.empty = self.open and not head
            if not self.empty and head[:6] != _ARROW:
                raise Damaged("not an Arrow file")
            self.schema = _schema(head) if not self.empty else pa.schema([])
            names = self.schema.names  # decoded here, where a name that is not UTF-8 is damage
            self._names = [name for name in dict.fromkeys(names) if known is None or name in known]
            self._places = [names.index(name) for name in self._names]
        except BaseException as err:
            self.close()
            if isinstance(err, (pa.ArrowException, EOFError, UnicodeDecodeError)):
                raise Damaged(str(err).partition("\n")[0]) from err
            raise

    def __enter__(self) -> Contents:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, err: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file. Safe to repeat."""
        if self._file:
            self._file.close()

    def batches(self, columns: tuple[str, ...] | None = None, where: Any = None) -> Iterator[pa.RecordBatch]:
        """Yield the batches, with those of these columns that the file has.

        `where` maps a batch with its own `columns` to a mask of rows.
        """
        if self.empty:
            return
        data = self._whole()
        messages = Messages(data, _MAGIC)
        chosen, masks = messages.found, None
        self.torn, self.why = self._rest(data, messages)
        if where:
            masks = [where(batch) for batch in self._decoded(data, chosen, where.columns)]
            chosen = _with_rows(chosen, masks)
            masks = [mask for mask in masks if mask.any()]
        for number, batch in enumerate(self._decoded(data, chosen, columns)):
            yield batch if masks is None else batch.filter(pa.array(masks[number]))

    def table(self) -> pa.Table:
        """Read the whole file."""
        return pa.Table.from_batches(self.batches(), self.schema)

    def _head(self) -> bytes:
        """The beginning of the file, with its schema."""
        if self._file is None:
            return self._whole()[:_HEAD]
        return os.pread(self._file.fileno(), _HEAD, 0)

    def _whole(self) -> bytes:
        if self._file:
            return read(self._file, MOST_BYTES)
        if self._data is None:
            assert isinstance(self.path, Remote)
            self._data = self.path.read_bytes(MOST_BYTES)
        return self._data

    def _rest(self, data: bytes, messages: Messages) -> tuple[int, str]:
        """What follows the messages: how many bytes that ought not to be there, and what is wrong with them."""
        if messages.complete:
            return 0, ""
        return len(data) - messages.end, messages.why or ("" if self.open else "the end is missing")

    def _decoded(
        self, data: bytes, chosen: list[Message], columns: tuple[str, ...] | None
    ) -> Iterator[pa.RecordBatch]:
        """Yield the batches among these messages, up to one that cannot be decoded."""
        names = self._names if columns is None else [name for name in columns if name in self._names]
        # An empty list would mean all columns.
        fields = [self._places[self._names.index(name)] for name in names] or self._places[:1]
        options = pa.ipc.IpcReadOptions(included_fields=fields, use_threads=False)
        batches = [message for message in chosen if message.kind == BATCH]
        try:
            stream = pa.ipc.open_stream(pa.BufferReader(_stream(data, chosen)), options=options)
            for message in batches:
                try:
                    batch = stream.read_next_batch()
                    _validate(batch)
                except (pa.ArrowException, OSError, EOFError, StopIteration) as err:
                    self.torn = max(self.torn, len(data) - message.start)
                    self.why = self.why or str(err).partition("\n")[0]
                    return
                yield batch
        except (pa.ArrowException, OSError, EOFError) as err:
            raise Damaged(str(err).partition("\n")[0]) from err


def _schema(head: bytes) -> pa.Schema:
    """Return the schema, which is the first message. Raises Damaged and ArrowException."""
    try:
        (size,) = struct.unpack_from("<i", head, _MAGIC + 4)
    except struct.error:
        raise Damaged("it has no schema") from None
    data = head[: _MAGIC + 8 + max(size, 0)]
    if not Messages(data, _MAGIC).found:
        raise Damaged("it has no schema")
    return pa.ipc.open_stream(data[_MAGIC:]).schema


def _with_rows(messages: Sequence[Message], masks: Sequence[npt.NDArray[np.bool_]]) -> list[Message]:
    """Return the messages without the batches of which no row is wanted."""
    wanted = iter(masks)
    return [each for each in messages if each.kind != BATCH or next(wanted, _NONE).any()]


_NONE = np.zeros(0, bool)


def _stream(data: bytes, messages: Sequence[Message]) -> pa.Buffer:
    """Return the messages one after the other, which are copied only if there are others between them."""
    whole = pa.py_buffer(data)
    if all(one.end == other.start for one, other in itertools.pairwise(messages)):
        return whole.slice(messages[0].start, messages[-1].end - messages[0].start)
    view = memoryview(data)
    return pa.py_buffer(b"".join(view[each.start : each.end] for each in messages))


def _validate(batch: pa.RecordBatch) -> None:
    """Raise ArrowException if the bytes of a batch, or of a dictionary of it, are not what its types say."""
    batch.validate(full=True)
    for column in batch.columns:
        if pa.types.is_dictionary(column.type):
            column.dictionary.validate(full=True)  # the batch's own check leaves it out
            if column.dictionary.null_count:
                raise pa.ArrowInvalid("a name is null")
