"""Read the ring buffer as numpy arrays: many records are copied at once.

`kernel/bpf/ringbuf.c` maps the data twice in a row, so a run of records that starts anywhere is contiguous. A
record is a header of 8 bytes (length with the busy and discard bits, page offset) and one `sigtrace_event`.
"""

from __future__ import annotations

import ctypes
import mmap
import platform
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from sigtrace.events import wire

_PAGE = mmap.PAGESIZE
_HEADER = 8
_MEMBARRIER = {"aarch64": 283, "riscv64": 283}
_MEMBARRIER_GLOBAL, _MEMBARRIER_PRIVATE, _MEMBARRIER_REGISTER = 1 << 0, 1 << 3, 1 << 4
RECORD = np.dtype([("length", "<u4"), ("page", "<u4"), ("event", wire.EVENT.dtype())])


class Ring:
    """The memory of a ring map. `size` is the size of its data in bytes, a power of two."""

    def __init__(self, fd: int, size: int) -> None:
        self._mask = size - 1
        self._consumer_map = mmap.mmap(fd, _PAGE, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE, offset=0)
        self._data = mmap.mmap(fd, _PAGE + 2 * size, mmap.MAP_SHARED, mmap.PROT_READ, offset=_PAGE)
        self._consumer = np.frombuffer(self._consumer_map, "<u8", 1)
        self._producer = np.frombuffer(self._data, "<u8", 1)
        self._barrier = _read_barrier()

    def unread(self) -> bool:
        """Return whether the ring contains records, complete or still being written."""
        return int(self._producer[0]) != int(self._consumer[0])

    def take(self) -> npt.NDArray[np.void]:
        """Return all records up to the first that is still being written: shape (n,), dtype of the wire event.

        The result is a copy; the space is returned to the kernel.
        """
        start, end = int(self._consumer[0]), int(self._producer[0])
        self._barrier()
        count = (end - start) // RECORD.itemsize
        view = np.ndarray((count,), RECORD, buffer=self._data, offset=_PAGE + (start & self._mask))
        # All records have one size and none is discarded, so any other length has BPF_RINGBUF_BUSY_BIT set.
        unfinished = view["length"] != RECORD.itemsize - _HEADER
        if unfinished.any():
            view = view[: int(unfinished.argmax())]
        self._barrier()
        # Copied as bytes: numpy copies structured records member by member, which is twenty times slower.
        size = len(view) * RECORD.itemsize
        raw = np.frombuffer(self._data, "u1", size, _PAGE + (start & self._mask)).copy()
        self._consumer[0] = start + size
        events: npt.NDArray[np.void] = raw.view(RECORD)["event"]
        return events

    def close(self) -> None:
        """Unmap the memory. Earlier results stay valid: they are copies."""
        del self._consumer, self._producer
        self._consumer_map.close()
        self._data.close()


def _read_barrier() -> Callable[[], object]:
    """Return a barrier to call between reading a position or length and reading the data that it covers.

    x86 keeps loads in order, so there it does nothing. arm64 and riscv64 do not: there it is membarrier(2), which is a
    full barrier for its caller too.
    """
    number = _MEMBARRIER.get(platform.machine())
    if number is None:
        return lambda: None
    libc = ctypes.CDLL(None)
    registered = libc.syscall(number, _MEMBARRIER_REGISTER, 0) == 0
    return lambda: libc.syscall(number, _MEMBARRIER_PRIVATE if registered else _MEMBARRIER_GLOBAL, 0)
