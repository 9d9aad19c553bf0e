"""`NsKey`, the identity of a PID namespace, and the ways to obtain it.

An inode alone does not identify a namespace: the kernel reuses it as soon as the namespace is gone
(`proc_alloc_inum()`, fs/proc/generic.c), often within milliseconds.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from sigtrace import clock
from sigtrace.clock import TICK_NS

if TYPE_CHECKING:  # numpy is imported where it is used: a watch that has seen nothing yet needs none
    import numpy as np
    import numpy.typing as npt

_FEW = 1 << 12
"""Up to this many rows, sorting is faster than hashing (see `_distinct`)."""


class NsKey(NamedTuple):
    """The identity of a PID namespace on one boot of one host."""

    inode: int
    start: int
    """Start of its init in clock ticks (1/100 s) of the kernel's CLOCK_BOOTTIME: the resolution of /proc/PID/stat."""

    @property
    def start_ns(self) -> int:
        """The start in ns, rounded down to a tick."""
        return self.start * TICK_NS

    @classmethod
    def of(cls, nsid: int, ns_start: int) -> NsKey:
        """Return the key for the members of a record, a count or a row of a recording: inode, ns of CLOCK_BOOTTIME."""
        return cls(int(nsid), int(ns_start) // TICK_NS)

    @classmethod
    def from_proc(cls, nsid: int, start_ticks: int) -> NsKey:
        """Return the key for what /proc shows: an inode, and the start of the init, field 22 of /proc/PID/stat.

        /proc adds the offset of our time namespace to starts (`timens_add_boottime_ns()`); the records do not have it.
        """
        return cls(nsid, clock.kernel_ticks(start_ticks))

    @classmethod
    def from_records(
        cls, nsid: npt.NDArray[np.uint32], ns_start: npt.NDArray[np.uint64]
    ) -> tuple[list[NsKey], npt.NDArray[np.intp]]:
        """Return the distinct namespaces of columns of inodes and starts (ns), and the index of each row's: (n,)."""
        first, codes = distinct(nsid, ns_start)
        starts = ns_start[first].astype("i8") // TICK_NS
        return list(map(cls, nsid[first].tolist(), starts.tolist())), codes


class HostNs(NamedTuple):
    """The identity of a PID namespace in recordings of several hosts and boots."""

    host: str
    boot_id: str
    key: NsKey


def among(
    nsid: npt.NDArray[np.uint32], ns_start: npt.NDArray[np.uint64], wanted: Iterable[NsKey]
) -> npt.NDArray[np.bool_]:
    """Mark the rows of these namespaces: shape (n,)."""
    import numpy as np

    keys = np.array([inode << 32 ^ start for inode, start in wanted], "u8")
    found: npt.NDArray[np.bool_] = np.isin(nsid.astype("u8") << 32 ^ ns_start.astype("u8") // TICK_NS, keys)
    return found


def distinct(
    nsid: npt.NDArray[np.uint32], ns_start: npt.NDArray[np.uint64]
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Return a row of each distinct namespace of columns of inodes and starts (ns), and the index of each row's: (n,).

    These are the `NsKey.from_records`, without a Python object for each.
    """
    import numpy as np

    if not len(nsid):
        return np.zeros(0, np.intp), np.zeros(0, np.intp)
    key = nsid.astype("u8") << 32 ^ ns_start.astype("u8") // TICK_NS
    if (key == key[0]).all():  # all of one namespace, as the records of a case are
        return np.zeros(1, np.intp), np.zeros(len(key), np.intp)
    # The beginning of each run of equal rows; few, if a storm concerns one namespace.
    heads = np.flatnonzero(np.concatenate([[True], key[1:] != key[:-1]]))
    first, codes = _distinct(key[heads])
    return heads[first], np.repeat(codes, np.diff(heads, append=len(key)))


def _distinct(key: npt.NDArray[np.uint64]) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Return a row of each distinct key, and the index of each row's key: shape (n,).

    Many rows are hashed into slots, each of which keeps one of its rows. If no two keys share a slot, that is the
    answer, at a fraction of the cost of sorting.
    """
    import numpy as np

    if len(key) > _FEW:
        slots = key * np.uint64(0x9E3779B97F4A7C15) >> np.uint64(48)
        owner = np.full(1 << 16, -1)
        owner[slots] = np.arange(len(key))
        if (key[owner[slots]] == key).all():
            used = np.flatnonzero(owner >= 0)
            place = np.zeros(1 << 16, np.intp)
            place[used] = np.arange(len(used))
            return owner[used], place[slots]
    _, first, codes = np.unique(key, return_index=True, return_inverse=True)
    return first, codes
