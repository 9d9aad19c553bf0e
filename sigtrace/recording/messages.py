"""The messages of an Arrow stream, looked at before Arrow decodes them: whole ones, and what they would expand to.

A stream is a sequence of messages, each the bytes ff ff ff ff, the size of its metadata (i32), the metadata and the
body. The metadata is a flatbuffer (format/Message.fbs of Apache Arrow). Each compressed buffer of a body begins with
the size (i64) that it is expanded to, which Arrow allocates before it decompresses: so a bomb is known by its fuse.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

SCHEMA, DICTIONARY, BATCH = 1, 2, 3
"""MessageHeader."""
_V5 = 4
"""MetadataVersion: since 2020. Earlier ones say elsewhere that they are compressed."""
_CONTINUATION = 0xFFFFFFFF
MOST_ROWS = 1 << 20
"""Rows of a batch, or texts of a dictionary. A recorder writes at most 65,536 rows at once, and twice as many texts."""
MOST_EXPANDED = 128 << 20
"""Bytes of a message. A recorder's are below 32 MiB."""
_SLACK, _RATIO = 16 << 20, 1000
"""A file may expand to so many bytes, and so many times its own size. A storm of equal signals expands 41 times."""


@dataclass(frozen=True)
class Message:
    """A message that is whole; `start` and `end` are its places in the bytes."""

    kind: int
    start: int
    end: int


class Bomb(ValueError):
    """A message would expand to more than any recorder writes."""


class Messages:
    """The messages at the beginning of some bytes, up to the first that is not whole, or not what it should be.

    `end`: where they end. `complete`: whether the end of the stream follows. `why`: why they end there, if what follows
    was refused.
    """

    def __init__(self, data: bytes, start: int) -> None:
        self.found: list[Message] = []
        self.why = ""
        self.complete = False
        self.end = start
        try:
            for message in self._read(data, start):
                self.found.append(message)
                self.end = message.end
        except Bomb as err:
            self.why = str(err)
        except (struct.error, ValueError, IndexError):
            return  # what follows is no message

    def _read(self, data: bytes, start: int) -> Iterator[Message]:
        left = _SLACK + _RATIO * len(data)
        while start + 8 <= len(data):
            marker, size = struct.unpack_from("<Ii", data, start)
            if marker == _CONTINUATION and size == 0:
                self.complete = True
                return
            if marker != _CONTINUATION or size < 0:
                raise ValueError(marker)
            body = start + 8 + size
            if body > len(data):
                return
            kind, end, expanded = _message(data, start + 8, body)
            if end > len(data):
                return
            left -= expanded
            if expanded > MOST_EXPANDED or left < 0:
                raise Bomb("they would expand to more than a recorder writes")
            if (kind == SCHEMA) != (not self.found):
                raise ValueError(kind)
            yield Message(kind, start, end)
            start = end


class _Table:
    """A table of a flatbuffer. Reading beyond the metadata raises struct.error."""

    def __init__(self, metadata: memoryview, place: int) -> None:
        self._metadata, self._place = metadata, place
        self._fields = place - _at(metadata, "<i", place)
        self._size = _at(metadata, "<H", self._fields)

    def field(self, number: int) -> int:
        """Where a field is; 0: it is not there."""
        where = 4 + 2 * number
        offset = _at(self._metadata, "<H", self._fields + where) if where + 2 <= self._size else 0
        return self._place + offset if offset else 0

    def value(self, number: int, kind: str) -> int:
        """The value of a field; 0: it is not there."""
        where = self.field(number)
        return _at(self._metadata, kind, where) if where else 0

    def table(self, number: int) -> _Table:
        """A table that a field refers to. Raises ValueError if it is not there."""
        return _Table(self._metadata, self._referred(number))

    def pairs(self, number: int) -> np.ndarray[tuple[int, int], np.dtype[np.int64]]:
        """A vector of structs of two i64: shape (n, 2)."""
        if not self.field(number):
            return np.zeros((0, 2), "i8")
        where = self._referred(number)
        count = _at(self._metadata, "<I", where)
        if not count:
            return np.zeros((0, 2), "i8")
        return np.frombuffer(self._metadata, "<i8", 2 * count, where + 4).reshape(count, 2)

    def _referred(self, number: int) -> int:
        where = self.field(number)
        if not where:
            raise ValueError(number)
        return where + _at(self._metadata, "<I", where)


def _message(data: bytes, start: int, body: int) -> tuple[int, int, int]:
    """Return the kind of the message with its metadata between these places, its end, and the bytes it expands to."""
    metadata = memoryview(data)[start:body]
    message = _Table(metadata, _at(metadata, "<I", 0))
    kind, size = message.value(1, "<B"), message.value(3, "<q")
    if message.value(0, "<h") != _V5 or kind not in (SCHEMA, DICTIONARY, BATCH) or size < 0:
        raise ValueError(kind)
    if kind == SCHEMA or body + size > len(data):
        return kind, body + size, 0
    header = message.table(2)
    return kind, body + size, _expanded(header.table(1) if kind == DICTIONARY else header, data, body, size)


def _expanded(batch: _Table, data: bytes, body: int, size: int) -> int:
    """Return the bytes that a RecordBatch expands to. Raises ValueError if it says what cannot be."""
    rows, lengths, buffers = batch.value(0, "<q"), batch.pairs(1), batch.pairs(2)
    if not 0 <= rows <= MOST_ROWS or (len(lengths) and not 0 <= lengths.min() <= lengths.max() <= MOST_ROWS):
        raise Bomb("they have more rows than a recorder writes")
    if len(buffers) and (buffers.min() < 0 or buffers.max() > size or buffers.sum(axis=1).max() > size):
        raise ValueError(size)
    if not batch.field(3):
        return size
    where = body + buffers[buffers[:, 1] >= 8, 0]
    prefixes = np.frombuffer(data, "u1")[where[:, None] + np.arange(8)]
    sizes = np.ascontiguousarray(prefixes).view("<i8")[:, 0]
    if (sizes > MOST_EXPANDED).any():
        return MOST_EXPANDED + 1
    return size + int(sizes[sizes > 0].sum())


def _at(metadata: memoryview, kind: str, place: int) -> int:
    if place < 0:
        raise ValueError(place)
    found: int = struct.unpack_from(kind, metadata, place)[0]
    return found
