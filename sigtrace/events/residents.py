"""The containers of records and counts, by PID namespace."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sigtrace.events.column_types import Column, Labels
from sigtrace.events.container import COLUMNS as CONTAINER_COLUMNS
from sigtrace.events.container import Container
from sigtrace.events.nskey import NsKey

Known = Callable[[NsKey], Container | None]
"""Returns the container of a PID namespace; None if it is not known."""


@dataclass(frozen=True)
class Residents:
    """The container of each record: `codes`, shape (n,), index `containers`."""

    codes: npt.NDArray[np.intp]
    containers: Sequence[Container | None]

    def columns(self) -> dict[str, Column]:
        """Return the container columns of the event table."""
        texts = [each.columns if each else ("",) * len(CONTAINER_COLUMNS) for each in self.containers]
        by_column = zip(*texts, strict=True) if texts else ((),) * len(CONTAINER_COLUMNS)
        return {
            name: Labels(self.codes, values)
            for name, values in zip(CONTAINER_COLUMNS, by_column, strict=True)
        }


def residents(nsid: npt.NDArray[np.uint32], ns_start: npt.NDArray[np.uint64], known: Known) -> Residents:
    """Return the container of each row, from columns of inodes and starts of inits (ns), shape (n,)."""
    keys, codes = NsKey.from_records(nsid, ns_start)
    return Residents(codes, [known(key) for key in keys] or [None])


def joined(parts: Sequence[Residents]) -> Residents:
    """Concatenate parts."""
    places = np.cumsum([0, *(len(part.containers) for part in parts)])
    codes = [part.codes.astype("i8") + start for part, start in zip(parts, places[:-1], strict=True)]
    return Residents(np.concatenate(codes), [each for part in parts for each in part.containers])
