"""The place of rows within the groups that they belong to."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt


def members(group: npt.NDArray[np.intp], groups: int) -> Iterator[npt.NDArray[np.intp]]:
    """Yield the rows of each group, in their order. group: the group of each row, (n,), from 0 to `groups` - 1."""
    order = np.argsort(group, kind="stable")
    ends = np.cumsum(np.bincount(group, minlength=groups))
    yield from np.split(order, ends[:-1]) if groups else ()


def ranks(group: npt.NDArray[np.intp], groups: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return how many rows of its group come before each row, shape (n,), and the size of each group, (groups,).

    group: the group of each row, from 0 to `groups` - 1.
    """
    order = np.argsort(group, kind="stable")
    sizes = np.bincount(group, minlength=groups)
    rank = np.empty(len(group), "i8")
    rank[order] = np.arange(len(group)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return rank, sizes
