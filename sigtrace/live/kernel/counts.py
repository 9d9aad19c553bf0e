"""The kernel's own tallies: exact whatever happens to the ring."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sigtrace.events import wire
from sigtrace.events.counts import COUNT
from sigtrace.live.kernel import syscall
from sigtrace.live.kernel.load import COUNTS_ENTRIES, CROWDED, Attachment


@dataclass(frozen=True)
class Losses:
    """What became of our own records. Never "dropped": that word is for signals."""

    committed: int
    """Records written to the ring."""
    lost: int
    """Records for which the ring had no room; the counts have them all the same."""
    uncounted: int
    """Signals missing from the counts because their table was full."""
    missed: int
    """Runs the kernel skipped because the program was running on that CPU already."""


class Tally:
    """The counts of one attachment, whole: those of ended namespaces are moved out when the kernel's table fills up.

    `ended` says which rows (dtype COUNT) are of namespaces that are no more, and so can no longer change.
    Threads may share one: a row is moved, and counted, once.
    """

    def __init__(
        self, attachment: Attachment, ended: Callable[[npt.NDArray[np.void]], npt.NDArray[np.bool_]]
    ) -> None:
        self._attachment = attachment
        self._ended = ended
        self._moved = np.zeros(0, COUNT)
        self._one_at_a_time = threading.Lock()

    def read(self) -> npt.NDArray[np.void]:
        """Every count so far, summed over CPUs: shape (n,), dtype COUNT."""
        with self._one_at_a_time:
            rows = _read(self._attachment)
            if len(rows) > CROWDED:
                ended = self._ended(rows)
                for row in rows[ended]:
                    syscall.map_delete(self._attachment.maps["counts"], row.tobytes()[: wire.COUNT_KEY.size])
                self._moved = np.concatenate([self._moved, rows[ended]])
                rows = rows[~ended]
            return np.concatenate([self._moved, rows])


def _read(attachment: Attachment) -> npt.NDArray[np.void]:
    keys, values, rows = syscall.map_dump(
        attachment.maps["counts"], wire.COUNT_KEY.size, 8 * attachment.cpus, COUNTS_ENTRIES
    )
    out = np.zeros(rows, COUNT)
    key = np.frombuffer(keys, wire.COUNT_KEY.dtype())
    for member in key.dtype.names or ():
        out[member] = key[member]
    out["count"] = np.frombuffer(values, "<u8").reshape(rows, attachment.cpus).sum(axis=1)
    return out


def read_losses(attachment: Attachment) -> Losses:
    """What became of the records so far, summed over CPUs and stages."""
    raw = syscall.map_lookup(attachment.maps["cpus"], bytes(4), wire.CPU.size * attachment.cpus)
    cpus = np.frombuffer(raw, wire.CPU.dtype())
    return Losses(
        committed=int(cpus["committed"].sum()),
        lost=int(cpus["lost"].sum()),
        uncounted=int(cpus["uncounted"].sum()),
        missed=sum(syscall.recursion_misses(fd) for fd in attachment.programs.values()),
    )
