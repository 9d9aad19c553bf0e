"""Which PID namespace: `NsKey`, the only identity of one, and the ways to come by it.

An inode alone does not identify a namespace: the kernel gives it to the next one as soon as the first is gone
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
"""Rows that are sorted faster than spread."""


class NsKey(NamedTuple):
    """A PID namespace."""

    inode: int
    start: int
    """Start of its init in clock ticks (1/100 s) of the kernel's CLOCK_BOOTTIME, which is as fine as /proc tells."""

    @property
    def start_ns(self) -> int:
        """The same in ns, rounded down to a tick."""
        return self.start * TICK_NS

    @classmethod
    def of(cls, nsid: int, ns_start: int) -> NsKey:
        """By the members of one record, count, or row of a recording: an inode, and ns of CLOCK_BOOTTIME."""
        return cls(int(nsid), int(ns_start) // TICK_NS)

    @classmethod
    def from_proc(cls, nsid: int, start_ticks: int) -> NsKey:
        """By what /proc shows: an inode, and the start of the init as field 22 of /proc/PID/stat has it.

        /proc shifts starts by the offset of our time namespace; the kernel's records do not.
        """
        return cls(nsid, clock.kernel_ticks(start_ticks))

    @classmethod
    def from_records(
        cls, nsid: npt.NDArray[np.uint32], ns_start: npt.NDArray[np.uint64]
    ) -> tuple[list[NsKey], npt.NDArray[np.intp]]:
        """The different namespaces of columns of inodes and starts (ns), shape (n,), and for each row which: (n,)."""
        import numpy as np

        if not len(nsid):
            return [], np.zeros(0, np.intp)
        exact = nsid.astype("u8") << 32 ^ ns_start.astype("u8")
        # Few, if a storm is of one namespace.
        heads = np.flatnonzero(np.concatenate([[True], exact[1:] != exact[:-1]]))
        first, codes = _distinct(exact[heads])
        places: dict[NsKey, int] = {}
        found = zip(nsid[heads[first]].tolist(), ns_start[heads[first]].tolist(), strict=True)
        which = np.array([places.setdefault(cls.of(*each), len(places)) for each in found])
        return list(places), np.repeat(which[codes], np.diff(heads, append=len(exact)))


class HostNs(NamedTuple):
    """A PID namespace of one boot of one host, as recordings of several hosts and boots tell them apart."""

    host: str
    boot_id: str
    key: NsKey


def among(
    nsid: npt.NDArray[np.uint32], ns_start: npt.NDArray[np.uint64], wanted: Iterable[NsKey]
) -> npt.NDArray[np.bool_]:
    """Which rows are of these namespaces: shape (n,)."""
    import numpy as np

    keys = np.array([inode << 32 ^ start for inode, start in wanted], "u8")
    found: npt.NDArray[np.bool_] = np.isin(nsid.astype("u8") << 32 ^ ns_start.astype("u8") // TICK_NS, keys)
    return found


def _distinct(key: npt.NDArray[np.uint64]) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """A row of each different key, and for each row which key it has: shape (n,).

    Many rows are spread over slots, each of which remembers one of its rows: where no two keys share one, that is the
    answer, at a fraction of what sorting costs.
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
