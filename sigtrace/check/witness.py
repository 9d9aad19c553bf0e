"""Why a command did not stop, in the words of a postmortem: from the kernel's records where this host can trace.

Otherwise from snapshots of /proc alone. It never decides whether the command stopped.
"""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from typing import Literal

import numpy as np

from sigtrace import clock
from sigtrace.errors import SigtraceError
from sigtrace.events import wire
from sigtrace.events.batch import Batch
from sigtrace.live.collector import Collector
from sigtrace.postmortem import Case, Finding, Window, diagnose
from sigtrace.procfs.process import namespace_of, read_stat
from sigtrace.snapshot import Helper, SnapshotRow

Source = Literal["kernel", "proc"]


@dataclass(frozen=True)
class Explanation:
    """The first finding of a postmortem."""

    source: Source
    """kernel: the records of its signals. proc: only snapshots of /proc."""
    cause: str
    """Slug of the cause: docs/postmortem.md."""
    summary: str
    advice: str
    evidence: tuple[str, ...]


class Witness:
    """Watches one namespace at a time, from `watch` on; a context manager."""

    def __init__(self) -> None:
        self._stack = contextlib.ExitStack()
        self._helper = Helper()
        self._live: Collector | None = None
        self.why_not = ""
        """Why the kernel's records are missing; empty: they are there."""
        self._nsid, self._start, self._since = 0, 0, 0
        self._parts: list[Batch] = []
        self._rows: list[SnapshotRow] = []

    def __enter__(self) -> Witness:
        self._stack.enter_context(self._helper)
        try:
            self._live = self._stack.enter_context(Collector(ns=[0], scope="all"))
        except SigtraceError as err:
            self.why_not = str(err)
        return self

    def __exit__(self, *error: object) -> None:
        self._live = None
        self._stack.close()

    @property
    def source(self) -> Source:
        """What it testifies from."""
        return "kernel" if self._live else "proc"

    def watch(self, pid: int) -> None:
        """Forget everything, and record what concerns the PID namespace of this init and those below it."""
        self._parts, self._rows = [], []
        try:
            self._nsid, self._start = namespace_of(pid) or 0, read_stat(pid).start_ticks
        except OSError:
            self._nsid = 0
        self._since = time.time_ns()
        if self._live and self._nsid:
            self._live.set_filter(ns={self._nsid: self._start}, descendants=True, scope="all")
            self._live.drain()

    def keep_up(self) -> None:
        """Take what the kernel has recorded meanwhile, so that its ring does not fill up."""
        if self._live:
            self._parts.append(self._live.drain())

    def look(self) -> None:
        """Take a snapshot."""
        if self._nsid:
            self._rows += self._helper.take(self._nsid, "asked", ns_start=self._start)

    def explanation(self) -> Explanation | None:
        """Return what explains the attempt to stop it best; None if nothing was found."""
        if not self._nsid:
            return None
        findings = diagnose(self._case()).findings
        first = next((each for each in findings if each.severity != "notice"), None)
        return _explained(first, self.source) if first else None

    def _case(self) -> Case:
        window, records = Window(live=True), np.zeros(0, wire.EVENT.dtype())
        if self._live:
            self.keep_up()
            records = np.concatenate([part.records for part in self._parts])
            records = records[np.argsort(records["time"], kind="stable")]
            window = Window(self._since, time.time_ns(), has_members=True)
        return Case.from_batch(Batch(records, clock.boot_to_utc()), self._rows, ns=self._nsid, window=window)


def _explained(finding: Finding, source: Source) -> Explanation:
    return Explanation(source, finding.cause, finding.summary, finding.advice, finding.evidence)
