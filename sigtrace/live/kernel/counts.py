"""Read the exact counts of the BPF programs, which do not depend on the ring."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from sigtrace.events import wire
from sigtrace.events.counts import COUNT
from sigtrace.events.losses import Losses
from sigtrace.live.kernel import syscall
from sigtrace.live.kernel.load import COUNTS_ENTRIES, CROWDED, Attachment


class Tally:
    """The complete counts of one attachment. Moves those of ended namespaces here when the kernel's table fills up.

    `find_ended` returns which rows (dtype COUNT) are of ended namespaces. Threads may share one tally.
    """

    def __init__(
        self, attachment: Attachment, find_ended: Callable[[npt.NDArray[np.void]], npt.NDArray[np.bool_]]
    ) -> None:
        self._attachment = attachment
        self._find_ended = find_ended
        self._moved = np.zeros(0, COUNT)
        self.room = COUNTS_ENTRIES
        """Rows that were free in the kernel's table when it was last read."""
        self._crowded = CROWDED
        # Two threads that moved the same row would count it twice. No other lock is taken under this one:
        # `find_ended` only reads /proc.
        self._lock = threading.Lock()

    def read(self) -> npt.NDArray[np.void]:
        """Return every count so far, summed over CPUs: shape (n,), dtype COUNT."""
        with self._lock:
            rows = _read(self._attachment)
            if len(rows) > self._crowded:
                # Reading and then deleting a row would lose signals counted in between. No more come for a namespace
                # that has ended, so only such rows may be moved.
                ended = self._find_ended(rows)
                for row in rows[ended]:
                    syscall.map_delete(self._attachment.maps["counts"], row.tobytes()[: wire.COUNT_KEY.size])
                self._moved = np.concatenate([self._moved, rows[ended]])
                rows = rows[~ended]
                # To find the ended ones costs a look at every process: with many namespaces alive, the next one waits
                # until half of the room that is left is used.
                self._crowded = max(CROWDED, (len(rows) + COUNTS_ENTRIES) // 2)
            self.room = COUNTS_ENTRIES - len(rows)
            return np.concatenate([self._moved, rows])


def _read(attachment: Attachment) -> npt.NDArray[np.void]:
    keys, values, rows = syscall.map_dump(
        attachment.maps["counts"],
        wire.COUNT_KEY.size,
        wire.COUNT_VALUE.size * attachment.cpus,
        COUNTS_ENTRIES,
    )
    out = np.zeros(rows, COUNT)
    key = np.frombuffer(keys, wire.COUNT_KEY.dtype())
    for member in key.dtype.names or ():
        out[member] = key[member]
    value = np.frombuffer(values, wire.COUNT_VALUE.dtype()).reshape(rows, attachment.cpus)
    for member in ("thinned", "count"):
        out[member] = value[member].sum(axis=1)
    return out


def read_losses(attachment: Attachment) -> Losses:
    """Read how many records were written and lost so far, summed over CPUs and stages."""
    raw = syscall.map_lookup(attachment.maps["cpus"], bytes(4), wire.CPU.size * attachment.cpus)
    cpus = np.frombuffer(raw, wire.CPU.dtype())
    return Losses(
        committed=int(cpus["committed"].sum()),
        lost=int(cpus["lost"].sum()),
        uncounted=int(cpus["uncounted"].sum()),
        missed=sum(syscall.recursion_misses(fd) for fd in attachment.programs.values()),
    )
