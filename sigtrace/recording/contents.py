"""The contents of a file of a recording, which may be damaged, still be written, or be somebody else's."""

from __future__ import annotations

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

from sigtrace.recording.ground import opened, read
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
