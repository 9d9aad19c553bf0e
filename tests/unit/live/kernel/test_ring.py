"""The ring's memory, laid out by hand: wrap-around, a record still being written, a full ring."""

from __future__ import annotations

import mmap
import os
import struct
from collections.abc import Iterator

import numpy as np
import pytest

from sigtrace.live.kernel.ring import RECORD, Ring
from tests.builders.records import record

PAGE = mmap.PAGESIZE
SIZE = 4096
BUSY = 1 << 31


class FakeRing:
    """A memfd with the layout of `kernel/bpf/ringbuf.c`: consumer page, producer page, the data twice."""

    def __init__(self, at: int) -> None:
        self.fd = os.memfd_create("ring")
        os.ftruncate(self.fd, 2 * PAGE + 2 * SIZE)
        self.producer = at
        self._positions(at, at)
        self.records = Ring(self.fd, SIZE)

    def _positions(self, consumer: int, producer: int) -> None:
        os.pwrite(self.fd, struct.pack("<Q", consumer), 0)
        os.pwrite(self.fd, struct.pack("<Q", producer), PAGE)

    def produce(self, number: int, length: int = RECORD.itemsize - 8) -> int:
        """Write one record, in both copies; returns where."""
        at = self.producer
        raw = struct.pack("<II", length, 0) + record(seq=number).tobytes()
        for offset, byte in enumerate(raw):
            position = (at + offset) % SIZE
            for copy in (0, SIZE):
                os.pwrite(self.fd, bytes([byte]), 2 * PAGE + copy + position)
        self.producer += len(raw)
        os.pwrite(self.fd, struct.pack("<Q", self.producer), PAGE)
        return at

    def finish(self, at: int) -> None:
        for copy in (0, SIZE):
            os.pwrite(self.fd, struct.pack("<I", RECORD.itemsize - 8), 2 * PAGE + copy + at % SIZE)

    def consumed(self) -> int:
        return int(struct.unpack("<Q", os.pread(self.fd, 8, 0))[0])


@pytest.fixture(params=[0, SIZE - 8, SIZE - RECORD.itemsize + 8, (1 << 40) + 3 * 8])
def ring(request: pytest.FixtureRequest) -> Iterator[FakeRing]:
    fake = FakeRing(request.param)
    yield fake
    fake.records.close()
    os.close(fake.fd)


def test_records_come_out_in_order_wherever_the_ring_wraps(ring: FakeRing) -> None:
    for round_ in range(4):
        numbers = list(range(round_ * 20, round_ * 20 + 20))
        for number in numbers:
            ring.produce(number)
        assert ring.records.take()["seq"].tolist() == numbers
    assert ring.consumed() == ring.producer
    assert not ring.records.unread()


def test_reading_stops_at_a_record_still_being_written_and_goes_on_when_it_is_done(ring: FakeRing) -> None:
    ring.produce(1)
    busy = ring.produce(2, length=RECORD.itemsize - 8 | BUSY)
    ring.produce(3)
    assert ring.records.take()["seq"].tolist() == [1]
    assert ring.records.take()["seq"].tolist() == []
    assert ring.records.unread()
    ring.finish(busy)
    assert ring.records.take()["seq"].tolist() == [2, 3]


def test_a_full_ring_is_read_whole(ring: FakeRing) -> None:
    fits = SIZE // RECORD.itemsize
    for number in range(fits):
        ring.produce(number)
    assert ring.records.take()["seq"].tolist() == list(range(fits))


def test_batches_stay_valid_when_the_kernel_reuses_the_room(ring: FakeRing) -> None:
    ring.produce(1)
    first = ring.records.take()
    for number in range(2, 2 + SIZE // RECORD.itemsize):
        ring.produce(number)
    assert first["seq"].tolist() == [1]
    assert isinstance(first, np.ndarray)


def test_an_empty_ring_gives_an_empty_batch(ring: FakeRing) -> None:
    assert ring.records.take().shape == (0,)
