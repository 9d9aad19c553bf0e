"""What several kernel tests need: the rows of a collector, by process and stage; a process without privileges."""

from __future__ import annotations

import ctypes
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt

from sigtrace.events.batch import Batch
from sigtrace.lab.actor import Actor, Namespace
from sigtrace.live.collector import Collector

Row = dict[str, Any]


class EventLog:
    """The rows of one collector, for the namespaces it watches and the processes that are asked about."""

    def __init__(self, live: Collector) -> None:
        self.live = live
        self._watched: dict[int, int] = {}
        self._batches: list[Batch] = []

    def reset(self) -> None:
        """Forget all rows, and watch nothing."""
        self.live.drain()
        self._batches.clear()
        self._watched.clear()
        self.live.set_filter(ns=[0], scope="all")

    def watch(self, namespace: Namespace) -> Namespace:
        """Record, from now on, what concerns this namespace and those below it."""
        self._watched[namespace.inode] = namespace.init.start_ticks()
        self.live.set_filter(ns=self._watched, descendants=True, scope="all")
        return namespace

    def rows(self, *targets: Actor, stage: str = "", signal: int = 0) -> list[Row]:
        """The rows with one of these processes as target, in the order of time."""
        self._batches.append(self.live.drain())
        pids = [target.pid for target in targets]
        picked: list[Row] = []
        for batch in self._batches:
            picked += batch[np.isin(batch.records["target_pid"], pids)].rows()
        return [
            row
            for row in sorted(picked, key=lambda row: row["time"])
            if (not stage or row["stage"] == stage) and (not signal or row["signal"] == signal)
        ]

    def records(self, target: Actor, signal: int) -> npt.NDArray[np.void]:
        """The wire records of one signal to one process."""
        self._batches.append(self.live.drain())
        records = np.concatenate([batch.records for batch in self._batches])
        return records[(records["target_pid"] == target.pid) & (records["signal"] == signal)]

    def verdicts(self, target: Actor, signal: int) -> list[tuple[str, str]]:
        """(stage, verdict) of one signal to one process."""
        return [(row["stage"], row["verdict"]) for row in self.rows(target, signal=signal)]

    def one(self, target: Actor, stage: str, signal: int) -> Row:
        """The only row of that stage and signal."""
        rows = self.rows(target, stage=stage, signal=signal)
        assert len(rows) == 1, f"{len(rows)} records of {stage} of signal {signal} to {target.pid}"
        return rows[0]


@contextmanager
def event_log() -> Iterator[EventLog]:
    """The rows of a collector, of nothing until `watch`; fails if a single record was lost."""
    with Collector(ns=[0], scope="all") as live:
        yield EventLog(live)
        losses = live.losses()
        assert losses.lost == 0, f"the ring lost records, so the test proves nothing: {losses}"


def by_target(rows: Iterable[Row]) -> dict[int, list[Row]]:
    """Rows grouped by the process they are about."""
    groups: dict[int, list[Row]] = {}
    for row in rows:
        groups.setdefault(row["target_pid"], []).append(row)
    return groups


def give_up_privileges() -> None:
    """No capability survives the next exec: root's name, but none of its powers (PR_CAPBSET_DROP)."""
    libc = ctypes.CDLL(None)
    for capability in range(64):
        libc.prctl(24, capability, 0, 0, 0)
