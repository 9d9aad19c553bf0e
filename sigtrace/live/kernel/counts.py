"""Read the exact counts of the BPF programs, which do not depend on the ring."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from sigtrace.events import wire
from sigtrace.events.counts import COUNT, merged
from sigtrace.events.losses import Losses
from sigtrace.live.kernel import syscall
from sigtrace.live.kernel.load import COUNTS_ENTRIES, CROWDED, Attachment

KEPT = COUNTS_ENTRIES
"""Rows of ended namespaces that are kept apart, half a megabyte; of earlier ones there are sums without a namespace."""

_Mask = Callable[[npt.NDArray[np.void]], npt.NDArray[np.bool_]]


class Tally:
    """The complete counts of one attachment. Moves those of ended namespaces here when the kernel's table fills up.

    Its memory is bounded, however many namespaces come and go: the rows of all but the last ended ones are added up,
    by kind of signal, into rows with the inode 0.

    find_ended: returns which rows (dtype COUNT) are of ended namespaces. selects: which of those are to be in the sums.
    Threads may share one tally.
    """

    def __init__(self, attachment: Attachment, find_ended: _Mask, selects: _Mask) -> None:
        self._attachment = attachment
        self._find_ended = find_ended
        self._selects = selects
        self._ended = np.zeros(0, COUNT)
        self._sums = np.zeros(0, COUNT)
        self._taken: int | None = None
        """How many rows at the beginning of `_ended` `take` has returned; None: nobody takes any."""
        self.room = COUNTS_ENTRIES
        """Rows that were free in the kernel's table when it was last read."""
        self._crowded = CROWDED
        # Two threads that moved the same row would count it twice. Under this lock only that of a container filter is
        # taken, whose holders ask for no counts; `find_ended` only reads /proc.
        self._lock = threading.Lock()

    def read(self) -> npt.NDArray[np.void]:
        """Return every count so far, summed over CPUs: shape (n,), dtype COUNT."""
        with self._lock:
            living = self._living(self._crowded)
            return np.concatenate([self._sums, self._ended, living])

    def take(self, tidy: bool) -> tuple[npt.NDArray[np.void], npt.NDArray[np.void]]:
        """Return the counts of namespaces that may still live, and of those found ended since the last call.

        The latter come once, and are final. tidy: look for ended ones however much room there is.
        """
        with self._lock:
            self._taken = self._taken or 0
            living = self._living(0 if tidy else self._crowded)
            ended = self._ended[self._taken :]
            self._taken = len(self._ended)
            return living, ended

    def _living(self, crowded: int) -> npt.NDArray[np.void]:
        """Return the rows of the kernel's table; with more than so many, those of ended namespaces are moved out."""
        rows = _read(self._attachment)
        if len(rows) > crowded:
            # Reading and then deleting a row would lose signals counted in between. No more come for a namespace
            # that has ended, so only such rows may be moved, as they are after that is known.
            gone = _namespaces(rows[self._find_ended(rows)])
            rows = _read(self._attachment)
            ended = np.isin(_namespaces(rows), gone)
            for row in rows[ended]:
                syscall.map_delete(self._attachment.maps["counts"], row.tobytes()[: wire.COUNT_KEY.size])
            self._ended = np.concatenate([self._ended, rows[ended]])
            self._add_up()
            rows = rows[~ended]
            # To find the ended ones costs a look at every process: with many namespaces alive, the next one waits
            # until half of the room that is left is used.
            self._crowded = max(CROWDED, (len(rows) + COUNTS_ENTRIES) // 2)
        self.room = COUNTS_ENTRIES - len(rows)
        return rows

    def _add_up(self) -> None:
        """Add the oldest rows of ended namespaces to the sums, except those that `take` has yet to return."""
        many = len(self._ended) - KEPT
        if self._taken is not None:
            many = min(many, self._taken)
            self._taken -= max(many, 0)
        if many > 0:
            old, self._ended = self._ended[:many], self._ended[many:].copy()
            old = old[self._selects(old)]
            old["nsid"] = old["ns_start"] = 0
            self._sums = merged(np.concatenate([self._sums, old]))


def _namespaces(rows: npt.NDArray[np.void]) -> npt.NDArray[np.void]:
    """Return the namespaces of rows as opaque values of 12 bytes, to be compared: inode and start."""
    keys = np.zeros(len(rows), [("nsid", "<u4"), ("ns_start", "<u8")])
    for name in ("nsid", "ns_start"):
        keys[name] = rows[name]
    return keys.view("S12")


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
