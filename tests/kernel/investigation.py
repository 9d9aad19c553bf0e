"""What the postmortem's kernel tests need: events and snapshots of one namespace, and the causes found in them."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from sigtrace import clock, signals
from sigtrace.events.batch import Batch
from sigtrace.lab.actor import Actor, Fate, Namespace
from sigtrace.lab.stage import Stage
from sigtrace.live.collector import Collector
from sigtrace.postmortem import Case, Finding, Report, Window, diagnose
from sigtrace.postmortem.case import SETTLED
from sigtrace.procfs.process import read_stat
from sigtrace.snapshot import Helper, SnapshotRow
from sigtrace.units import SECOND
from tests.processes import children


class Investigation:
    """Watches one namespace at a time, from `watch` on."""

    def __init__(self, live: Collector, helper: Helper) -> None:
        self._live = live
        self._helper = helper
        self._nsid, self._start, self._since = 0, 0, 0
        self._parts: list[Batch] = []
        self._rows: list[SnapshotRow] = []

    def watch(self, namespace: Namespace) -> Namespace:
        """Forget everything, and record what concerns this namespace and those below it."""
        self.watch_init(namespace.init.pid)
        return namespace

    def watch_init(self, pid: int) -> None:
        """The same for the namespace of an init that is no actor."""
        self._live.drain()
        self._nsid, self._start = os.stat(f"/proc/{pid}/ns/pid").st_ino, read_stat(pid).start_ticks
        self._live.set_filter(ns={self._nsid: self._start}, descendants=True, scope="all")
        self._live.drain()
        self._parts, self._rows, self._since = [], [], time.time_ns()

    def snapshot(self, trigger: str = "asked") -> list[SnapshotRow]:
        """Take a snapshot."""
        rows = self._helper.take(self._nsid, trigger, ns_start=self._start)
        assert rows[-1]["problem"] == ""
        self._rows += rows
        return rows

    def look_twice(self, trigger: str = "asked") -> None:
        """Take two snapshots, as far apart as two looks must be that are to agree."""
        self.snapshot(trigger)
        signal.sigtimedwait([], 1.25 * SETTLED / SECOND)
        self.snapshot(trigger)

    def case(self, live: bool = False) -> Case:
        """What was seen so far."""
        self._parts.append(self._live.drain())
        records = np.concatenate([part.records for part in self._parts])
        records = records[np.argsort(records["time"], kind="stable")]
        batch = Batch(records, clock.boot_to_utc())
        window = Window(self._since, time.time_ns(), live=live, has_members=True)
        return Case.from_batch(batch, self._rows, ns=self._nsid, window=window)

    def report(self, live: bool = False) -> Report:
        """The diagnosis; fails if a check broke."""
        report = diagnose(self.case(live))
        assert report.failed == ()
        return report

    def causes(self, live: bool = False) -> list[str]:
        """The slugs of all findings."""
        return [finding.cause for finding in self.report(live).findings]

    def finding(self, cause: str) -> Finding:
        """The only finding; fails if there is another, or it has another cause."""
        (found,) = self.report().findings
        assert found.cause == cause
        return found

    def live_only(self) -> list[str]:
        """The slugs found when one comes too late for the events, with the snapshots alone."""
        return [finding.cause for finding in self.live_report().findings]

    def live_report(self) -> Report:
        """The diagnosis with the snapshots alone; fails if a check broke."""
        empty = Batch(np.zeros(0, self.case().batch.records.dtype), 0)
        report = diagnose(Case.from_batch(empty, self._rows, ns=self._nsid, window=Window(live=True)))
        assert report.failed == ()
        return report


@contextmanager
def investigation() -> Iterator[Investigation]:
    """A collector and a snapshot helper; fails if a single record was lost."""
    with Collector(ns=[0], scope="all") as live, Helper() as helper:
        helper.start()
        yield Investigation(live, helper)
        losses = live.losses()
        assert losses.lost == 0, f"the ring lost records, so the test proves nothing: {losses}"


def has_child(pid: int, comm: str) -> bool:
    """Whether a child of that name is there, by /proc alone."""
    return comm in children(pid).values()


def kill(stage: Stage, init: Actor) -> None:
    """What every runtime does in the end."""
    stage.outside.kill(init, signals.KILL)
    assert init.fate() == Fate("killed", signals.KILL)
