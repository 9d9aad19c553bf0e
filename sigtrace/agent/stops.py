"""The stops of containers as they happen: those that have ended, and those that are pending.

What a stop is, `stops.attempt` decides, from the same records as in a recording: here they are kept for as long as it
takes, of each namespace the first and the last.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from sigtrace import signals
from sigtrace.containers.resolver import is_init
from sigtrace.events import verdict, wire
from sigtrace.events.batch import Batch, join
from sigtrace.events.column_types import flag
from sigtrace.events.groups import members
from sigtrace.events.nskey import NsKey
from sigtrace.procfs.process import INITIAL_PID_NS
from sigtrace.stops.attempt import Attempt, attempts

_KEPT = 64
"""Records that are kept of a namespace from the beginning, and as many from the end."""
_MOST = 1 << 15
"""Records of all namespaces, 6 MB; beyond that those of namespaces that got signals least lately are forgotten."""


class LiveStops:
    """Finds stops in the batches of a collector. From any thread.

    ended: called with each attempt whose init has exited, from the thread that calls `observe`.
    """

    def __init__(self, ended: Callable[[Attempt], None]) -> None:
        self._ended = ended
        self._lock = threading.Lock()
        self._records: dict[NsKey, Batch] = {}
        self._kept = 0
        self._found: dict[NsKey, tuple[Batch, Attempt | None]] = {}
        """The records in which an attempt was looked for, and the last one in them."""

    def observe(self, batch: Batch) -> None:
        """Take the records of a batch that may belong to a stop."""
        part = batch[_matters(batch)]
        if not len(part):
            return
        keys, which = NsKey.from_records(part.records["nsid"], part.records["ns_start"])
        for key, rows in zip(keys, members(which, len(keys)), strict=True):
            own = part[rows]
            known = self._known(key, own)
            if (own.records["stage"] == wire.STAGE["exit"]).any():
                self._forget(key)
                for attempt in attempts(known):
                    if attempt.exited is not None:
                        self._ended(attempt)

    def _last(self, key: NsKey, batch: Batch) -> tuple[Batch, Attempt | None]:
        """Return the last attempt in the records of a namespace; None without one. Looked for again if they changed."""
        known, last = self._found.get(key, (None, None))
        if known is not batch or (last and last.container is None):
            last = next(reversed(attempts(batch)), None)
        return batch, last

    def _known(self, key: NsKey, new: Batch) -> Batch:
        """Return what is known of a namespace with its new records, and keep it."""
        before = self._forget(key)
        known = new if before is None else join([before, new])
        if len(known) > 2 * _KEPT:
            known = join([known[:_KEPT], known[-_KEPT:]])
        with self._lock:
            self._records[key] = known  # now the last one
            self._kept += len(known)
        while self._kept > _MOST:
            self._forget(next(iter(self._records)))
        return known

    def _forget(self, key: NsKey) -> Batch | None:
        """Forget a namespace. Returns what was known of it."""
        with self._lock:
            known = self._records.pop(key, None)
            self._kept -= 0 if known is None else len(known)
        return known

    def pending(self) -> list[Attempt]:
        """Return the attempts whose init is still there, in the order of their counted requests."""
        with self._lock:
            known = list(self._records.items())
        self._found = {key: self._last(key, batch) for key, batch in known}
        found = []
        for attempt in filter(None, (last for _, last in self._found.values())):
            if is_init(attempt.init_pid, attempt.key):
                found.append(attempt)
            else:  # the record of its exit was lost, or is on its way
                self._forget(attempt.key)
        return sorted(found, key=lambda each: each.asked)


def _matters(batch: Batch) -> npt.NDArray[np.bool_]:
    """Mark the records that may belong to a stop of an init: shape (n,)."""
    r = batch.records
    init = flag(r, "init") & (r["nsid"] != INITIAL_PID_NS)
    asked = (r["stage"] == wire.STAGE["generate"]) & ~np.isin(r["signal"], _HARMLESS)
    late = (r["stage"] == wire.STAGE["deliver"]) & verdict.is_dropped(batch.verdicts)
    matters: npt.NDArray[np.bool_] = init & (asked | late | (r["stage"] == wire.STAGE["exit"]))
    return matters


_HARMLESS = signals.members(signals.DEFAULT_IGNORED)
"""Signals that nobody asks to stop with: SIGCHLD, SIGWINCH and SIGURG, and SIGCONT."""
