"""When a snapshot is due, and the thread that takes it: the reader and the writer never wait for /proc."""

from __future__ import annotations

import heapq
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

from sigtrace import signals
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


@dataclass(order=True)
class _Order:
    """A snapshot to take at a moment (of the monotonic clock)."""

    at: float
    trigger: str = field(compare=False)
    namespace: NsKey = field(compare=False)
    again: bool = field(compare=False)


class Taker(threading.Thread):
    """Takes the snapshots that are due and hands their rows to `deliver`, from its own thread."""

    def __init__(self, deliver: Callable[[list[Row]], None], helper: Helper | None = None) -> None:
        super().__init__(name="snapshots", daemon=True)
        self.skipped = 0
        """Snapshots not taken, because too many were due."""
        self._deliver = deliver
        self._orders: list[_Order] = []
        self._taken: dict[tuple[str, NsKey], float] = {}
        self._change = threading.Condition()
        self._ended = False
        self._helper = helper or Helper()

    def look(self, batch: Batch) -> None:
        """Order the snapshots that these events call for."""
        for trigger, namespace in due(batch):
            self._order(trigger, namespace)

    def end(self) -> None:
        """Take those that are due now, but for second looks, and no more; returns when that is done, or too slow."""
        with self._change:
            self._ended = True
            self._change.notify()
        self._helper.hurry(_END_SECONDS)
        self.join()

    def run(self) -> None:
        with self._helper as helper:
            helper.start()
            while (order := self._next()) is not None:
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
        with self._change:
            if now - self._taken.get(key, -_REST_SECONDS) < _REST_SECONDS:
                return
            if len(self._orders) >= _WAITING:
                self.skipped += 1
                return
            if len(self._taken) >= _KEPT:
                self._taken.clear()
            self._taken[key] = now
            heapq.heappush(self._orders, _Order(now, trigger, namespace, False))
            later = "outlived" if trigger == "exited" else trigger
            heapq.heappush(self._orders, _Order(now + AGAIN_SECONDS, later, namespace, later == trigger))
            if later != trigger:
                heapq.heappush(self._orders, _Order(now + 2 * AGAIN_SECONDS, later, namespace, True))
            self._change.notify()

    def _next(self) -> _Order | None:
        """The next that is due, when it is due; None when there shall be no more."""
        with self._change:
            while True:
                wait = self._orders[0].at - time.monotonic() if self._orders else None
                if wait is not None and wait <= 0:
                    order = heapq.heappop(self._orders)
                    if not (self._ended and order.again):
                        return order
                elif self._ended:
                    return None
                else:
                    self._change.wait(wait)
