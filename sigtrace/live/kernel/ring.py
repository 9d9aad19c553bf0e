"""The ring buffer as numpy arrays: records are copied out in one go, never one by one.

`kernel/bpf/ringbuf.c` maps the data twice in a row, so a run of records starting anywhere is contiguous. Every
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
    """The memory of a ring map, read as arrays. `size` is that of its data, in bytes, a power of two."""

    def __init__(self, fd: int, size: int) -> None:
        self._mask = size - 1
        self._consumer_map = mmap.mmap(fd, _PAGE, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE, offset=0)
        self._data = mmap.mmap(fd, _PAGE + 2 * size, mmap.MAP_SHARED, mmap.PROT_READ, offset=_PAGE)
        self._consumer = np.frombuffer(self._consumer_map, "<u8", 1)
        self._producer = np.frombuffer(self._data, "<u8", 1)
        self._barrier = _read_barrier()

    def unread(self) -> bool:
        """Whether anything lies in the ring, finished or still being written."""
        return int(self._producer[0]) != int(self._consumer[0])

    def take(self) -> npt.NDArray[np.void]:
        """All finished records up to the first still being written: shape (n,), dtype of the wire event.

        A copy: the room is given back to the kernel before this returns.
        """
        start, end = int(self._consumer[0]), int(self._producer[0])
        self._barrier()
        count = (end - start) // RECORD.itemsize
        view = np.ndarray((count,), RECORD, buffer=self._data, offset=_PAGE + (start & self._mask))
        unfinished = view["length"] != RECORD.itemsize - _HEADER
        if unfinished.any():
            view = view[: int(unfinished.argmax())]
        self._barrier()
        # As bytes: numpy copies structured records member by member, twenty times slower.
        size = len(view) * RECORD.itemsize
        raw = np.frombuffer(self._data, "u1", size, _PAGE + (start & self._mask)).copy()
        self._consumer[0] = start + size
        events: npt.NDArray[np.void] = raw.view(RECORD)["event"]
        return events

    def close(self) -> None:
        """Unmap. Batches taken before stay valid: they are copies."""
        del self._consumer, self._producer
        self._consumer_map.close()
        self._data.close()


def _read_barrier() -> Callable[[], object]:
    """What must stand between reading a position or length and what it vouches for: nothing where loads stay in order.

    Elsewhere membarrier(2), which is a full barrier for its caller too.
    """
    number = _MEMBARRIER.get(platform.machine())
    if number is None:
        return lambda: None
    libc = ctypes.CDLL(None)
    registered = libc.syscall(number, _MEMBARRIER_REGISTER, 0) == 0
    return lambda: libc.syscall(number, _MEMBARRIER_PRIVATE if registered else _MEMBARRIER_GLOBAL, 0)
