"""Decide when a snapshot is due, and take it in a thread of its own: reader and writer never wait for /proc."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from sigtrace import clock, signals
from sigtrace.due import DueQueue
from sigtrace.events import verdict, wire
from sigtrace.events.batch import Batch
from sigtrace.events.nskey import NsKey
from sigtrace.snapshot import Helper, SnapshotRow
from sigtrace.stops.own_signal import own_stop_signals
from sigtrace.units import SECOND

AGAIN_SECONDS = 1.0
"""Delay of the second snapshot, and how long a namespace must outlive its init to be one that hangs."""
_OUTLIVED_SECONDS = (1.0, 8.0)
"""Delays of further snapshots of one that does: whether it hangs for good, or was only slow to end."""

_REST_SECONDS = 10.0
"""Least time between two snapshots of one namespace for the same reason, so that a storm of drops takes only one."""
_END_SECONDS = 1.0
"""How long the last snapshots may take together: a helper that hangs must not delay the end."""
_WAITING = 64
"""Snapshots that may be due at once; further ones are skipped and counted."""
_WAITING_OF_YOUNG = 32
_YOUNG_SECONDS = 10
"""A namespace of this age is young: a flood of short-lived ones must leave room for the others."""
_KEPT = 4096
"""Namespaces and reasons to remember; beyond that all are forgotten, at the cost of a few more snapshots."""


def due(batch: Batch) -> Iterator[tuple[str, NsKey]]:
    """Yield (trigger, namespace) for the events of inits in a batch, each pair once.

    Leaves out the initial namespace: a snapshot of it would contain every process of the host.
    """
    r = batch.records
    init = ((r["flags"] & wire.FLAG["init"]) != 0) & (r["ns_level"] > 0)
    generated = init & (r["stage"] == wire.STAGE["generate"])
    taken = generated & (r["result"] != 1)
    asked = taken & np.isin(r["signal"], signals.members(signals.STOP_REQUESTS))
    others = np.flatnonzero(taken & ~asked & (r["relation"] == wire.RELATION["ancestor"]))
    if len(others):  # some may be the configured stop signal of their container
        part = batch[others]
        asked[others] = part.records["signal"] == own_stop_signals(part)
    conditions = {
        "dropped": init & verdict.is_dropped(batch.verdicts),
        "signalled": asked,
        "killed": taken & (r["signal"] == signals.KILL),
        "exited": init & (r["stage"] == wire.STAGE["exit"]),
    }
    for trigger, holds in conditions.items():
        if holds.any():
            for key in NsKey.from_records(r["nsid"][holds], r["ns_start"][holds])[0]:
                yield trigger, key


class _SnapshotOrder(NamedTuple):
    """A snapshot to take."""

    trigger: str
    namespace: NsKey
    again: int = 0
    """How many were taken for this reason before it."""


class SnapshotTaker(threading.Thread):
    """A thread that takes the snapshots that are due, and passes their rows to `deliver`."""

    def __init__(self, deliver: Callable[[list[SnapshotRow]], None], helper: Helper | None = None) -> None:
        super().__init__(name="snapshots", daemon=True)
        self.skipped = 0
        """Snapshots not taken because too many were due."""
        self._deliver = deliver
        self._queue: DueQueue[_SnapshotOrder] = DueQueue()
        self._taken: dict[tuple[str, NsKey], float] = {}
        self._ended = False
        self._helper = helper or Helper()

    def observe(self, batch: Batch) -> None:
        """Schedule the snapshots that these events trigger."""
        for trigger, namespace in due(batch):
            self._schedule(trigger, namespace)

    def end(self) -> None:
        """Take the snapshots that are due now, except second ones, then end the thread; waits for _END_SECONDS."""
        self._ended = True
        self._queue.close()
        self._helper.limit(_END_SECONDS)
        self.join()

    def run(self) -> None:
        with self._helper as helper:
            helper.start()
            while (order := self._queue.take()) is not None:
                if self._ended and order.again:
                    continue
                if helper.is_late:
                    self.skipped += 1
                    continue
                key = order.namespace
                rows = helper.take(key.inode, order.trigger, ns_start=key.start, again=order.again > 0)
                # The namespace's own row always exists. Without a task or a problem it contains nothing of use, unless
                # there were tasks before: then it shows that what kept the namespace is over.
                kept = len(rows) > 1 or any(row["problem"] for row in rows)
                outlived = order.trigger == "outlived"
                if kept or (outlived and order.again):
                    self._deliver(rows)
                if kept and outlived and order.again < len(_OUTLIVED_SECONDS):
                    further = order._replace(again=order.again + 1)
                    self._queue.put(further, _OUTLIVED_SECONDS[order.again])

    def _schedule(self, trigger: str, namespace: NsKey) -> None:
        now = time.monotonic()
        key = (trigger, namespace)
        if now - self._taken.get(key, -_REST_SECONDS) < _REST_SECONDS:
            return
        young = clock.kernel_ns() - namespace.start_ns < _YOUNG_SECONDS * SECOND
        if self._queue.overdue() >= (_WAITING_OF_YOUNG if young else _WAITING):
            self.skipped += 1
            return
        if len(self._taken) >= _KEPT:
            self._taken.clear()
        self._taken[key] = now
        self._queue.put(_SnapshotOrder(trigger, namespace))
        # The second snapshot shows what has changed: a task that is still in the same state is stuck.
        later = ("outlived", 0) if trigger == "exited" else (trigger, 1)
        self._queue.put(_SnapshotOrder(later[0], namespace, later[1]), AGAIN_SECONDS)
