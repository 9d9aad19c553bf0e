"""When a snapshot is due, and the thread that takes it: the reader and the writer never wait for /proc."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from sigtrace import signals
from sigtrace.due import DueQueue
from sigtrace.events import verdict, wire
from sigtrace.events.batch import Batch
from sigtrace.events.nskey import NsKey
from sigtrace.snapshot import Helper, Row

AGAIN_SECONDS = 1.0
"""How much later one looks again, and how long a namespace must outlive its init."""

_REST_SECONDS = 10.0
"""One namespace gives no second snapshot for the same reason within this time."""
_END_SECONDS = 1.0
"""How long the last snapshots may take together: a helper that hangs shall not hold up the end."""
_WAITING = 64
_KEPT = 4096


def due(batch: Batch) -> Iterator[tuple[str, NsKey]]:
    """(trigger, namespace) for what happens to inits in a batch; each once.

    Not for that of the initial namespace, which is the whole host.
    """
    r = batch.records
    init = ((r["flags"] & wire.FLAG["init"]) != 0) & (r["ns_level"] > 0)
    generated = init & (r["stage"] == wire.STAGE["generate"])
    taken = generated & (r["result"] != 1)
    conditions = {
        "dropped": init & verdict.is_dropped(batch.verdicts),
        "signalled": taken & np.isin(r["signal"], signals.members(signals.STOP_REQUESTS)),
        "killed": taken & (r["signal"] == signals.KILL),
        "exited": init & (r["stage"] == wire.STAGE["exit"]),
    }
    for trigger, holds in conditions.items():
        if holds.any():
            for key in NsKey.from_records(r["nsid"][holds], r["ns_start"][holds])[0]:
                yield trigger, key


class _Order(NamedTuple):
    """A snapshot to take."""

    trigger: str
    namespace: NsKey
    again: bool


class Taker(threading.Thread):
    """Takes the snapshots that are due and hands their rows to `deliver`, from its own thread."""

    def __init__(self, deliver: Callable[[list[Row]], None], helper: Helper | None = None) -> None:
        super().__init__(name="snapshots", daemon=True)
        self.skipped = 0
        """Snapshots not taken, because too many were due."""
        self._deliver = deliver
        self._orders: DueQueue[_Order] = DueQueue()
        self._taken: dict[tuple[str, NsKey], float] = {}
        self._ended = False
        self._helper = helper or Helper()

    def look(self, batch: Batch) -> None:
        """Order the snapshots that these events call for."""
        for trigger, namespace in due(batch):
            self._order(trigger, namespace)

    def end(self) -> None:
        """Take those that are due now, but for second looks, and no more; returns when that is done, or too slow."""
        self._ended = True
        self._orders.close()
        self._helper.hurry(_END_SECONDS)
        self.join()

    def run(self) -> None:
        with self._helper as helper:
            helper.start()
            while (order := self._orders.take()) is not None:
                if self._ended and order.again:
                    continue
                if helper.is_late:
                    self.skipped += 1
                    continue
                key = order.namespace
                rows = helper.take(key.inode, order.trigger, ns_start=key.start, again=order.again)
                # The namespace's own row is always there; without a task or a complaint it says nothing.
                if len(rows) > 1 or any(row["problem"] for row in rows):
                    self._deliver(rows)

    def _order(self, trigger: str, namespace: NsKey) -> None:
        now = time.monotonic()
        key = (trigger, namespace)
        if now - self._taken.get(key, -_REST_SECONDS) < _REST_SECONDS:
            return
        if len(self._orders) >= _WAITING:
            self.skipped += 1
            return
        if len(self._taken) >= _KEPT:
            self._taken.clear()
        self._taken[key] = now
        self._orders.put(_Order(trigger, namespace, False))
        later = "outlived" if trigger == "exited" else trigger
        self._orders.put(_Order(later, namespace, later == trigger), AGAIN_SECONDS)
        if later != trigger:
            self._orders.put(_Order(later, namespace, True), 2 * AGAIN_SECONDS)
