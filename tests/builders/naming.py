"""A runtime that names containers when it is told to, and the records that make somebody ask it."""

from __future__ import annotations

import threading

import numpy as np
import numpy.typing as npt
import pytest

from sigtrace.clock import TICK_NS
from sigtrace.containers import resolver
from sigtrace.events.batch import Batch
from sigtrace.events.container import Container
from tests.builders.records import record

WEB = Container("aa" * 32, "web-1", "docker", "nginx:1.25")
OTHER = Container("bb" * 32, "db", "docker")
START = 500 * TICK_NS
"""Start of their inits: tick 500."""


class Runtime:
    """Answers for a runtime's files; may be told to answer later."""

    def __init__(self) -> None:
        self.containers: dict[int, Container | None] = {}
        self.asked: list[int] = []
        self.changed = threading.Condition()

    def __call__(self, pid: int) -> Container | None:
        with self.changed:
            self.asked.append(pid)
            self.changed.notify_all()
        return self.containers.get(pid)

    def wait_until_asked(self, times: int) -> None:
        """Wait until that many processes were asked about."""
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.asked) >= times, 5)


def runtime_of_pids(monkeypatch: pytest.MonkeyPatch) -> Runtime:
    """A runtime beside a /proc in which every PID below 1000 is an init, below the host's namespace."""
    monkeypatch.setattr(resolver, "is_init", lambda pid, key: pid < 1000)
    monkeypatch.setattr(resolver, "ancestors", lambda path: iter([4026531836]))
    return Runtime()


def born(pid: int, nsid: int = 7, start: int = START, stage: str = "init") -> npt.NDArray[np.void]:
    """The birth of an init, or its exec."""
    return record(stage=stage, signal=0, nsid=nsid, ns_start=start, target_pid=pid, flags=("init",))


def batch(*records: npt.NDArray[np.void]) -> Batch:
    """These records as one batch."""
    return Batch(np.concatenate(records), 0, "h")


def drop(nsid: int, start: int = START) -> npt.NDArray[np.void]:
    """A dropped SIGTERM."""
    return record(nsid=nsid, ns_start=start)
