"""Which PID namespace: its inode and the start of its init, as inodes are used again."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

_FEW = 1 << 12
"""Rows that are sorted faster than spread."""


def by_namespace(
    nsid: npt.NDArray[np.uint32], ns_start: npt.NDArray[np.uint64]
) -> tuple[list[tuple[int, int]], npt.NDArray[np.intp]]:
    """The different (inode, start of the init in ns) there are, and for each row which: shape (n,)."""
    key = nsid.astype("u8") << 32 ^ ns_start.astype("u8")
    if not len(key):
        return [], np.zeros(0, np.intp)
    heads = np.flatnonzero(
        np.concatenate([[True], key[1:] != key[:-1]])
    )  # few, if a storm is of one namespace
    first, codes = _distinct(key[heads])
    there = heads[first]
    found = list(zip(nsid[there].tolist(), ns_start[there].tolist(), strict=True))
    return found, np.repeat(codes, np.diff(heads, append=len(key)))


def _distinct(key: npt.NDArray[np.uint64]) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """A row of each different key, and for each row which key it has: shape (n,).

    Many rows are spread over slots, each of which remembers one of its rows: where no two keys share one, that is the
    answer, at a fraction of what sorting costs.
    """
    if len(key) > _FEW:
        slots = key * np.uint64(0x9E3779B97F4A7C15) >> np.uint64(48)
        owner = np.full(1 << 16, -1)
        owner[slots] = np.arange(len(key))
        if (key[owner[slots]] == key).all():
            there = np.flatnonzero(owner >= 0)
            place = np.zeros(1 << 16, np.intp)
            place[there] = np.arange(len(there))
            return owner[there], place[slots]
    _, first, codes = np.unique(key, return_index=True, return_inverse=True)
    return first, codes
