"""Snapshots as the checks see them: tasks with masks as numbers, in the order of time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from sigtrace import signals
from sigtrace.procfs.process import is_shell
from sigtrace.text import printable, shorten


class Columns:
    """The columns of a snapshot as attributes: `snapshot.COLUMNS` says what each means."""

    time: int
    nsid: int
    ns_start: int
    trigger: str
    again: bool
    pid: int
    tid: int
    ns_pid: int
    task_nsid: int
    is_init: bool
    comm: str
    state: str
    exiting: bool
    start_ticks: int
    threads: int
    ppid: int
    parent_comm: str
    parent_outside: bool
    tracer_pid: int
    tracer_comm: str
    wchan: str
    stack: str
    pending: str
    shared_pending: str
    blocked: str
    ignored: str
    caught: str
    awaited: str
    signalfd: str
    queue_used: int
    queue_limit: int
    core_dumping: bool
    frozen: str
    rss_kib: int
    cgroup: str
    cmdline: str
    tasks: int
    left_out: int
    pids_current: int
    pids_max: int
    oom_kills: int
    under_oom: bool
    problem: str


@dataclass(frozen=True)
class Task(Columns):
    """One row of a snapshot: its columns are its attributes."""

    row: Mapping[str, object]

    if not TYPE_CHECKING:  # else a name that is no column would have a type

        def __getattr__(self, name: str) -> object:
            try:
                return self.row[name]
            except KeyError as err:
                raise AttributeError(name) from err

    def mask(self, column: str) -> int:
        """A mask column as a number; 0 when it could not be read."""
        return int(str(self.row[column]) or "0", 16)

    def in_mask(self, column: str, signal: int) -> bool:
        """Whether a mask column has the signal; False when it could not be read."""
        return signals.has(self.mask(column), signal)

    @property
    def is_shell(self) -> bool:
        """Whether it is a shell, by its name, or a script that one runs."""
        return is_shell(self.comm, str(self.row.get("cmdline", "")).split())

    @property
    def name(self) -> str:
        """`app[4242]`."""
        return f"{shorten(self.comm, 16)}[{self.pid}]"

    def __str__(self) -> str:
        """What matters of it on one line."""
        thread = f" thread {self.tid}" if self.tid != self.pid else ""
        facts = [f"state {self.state}"]
        facts += [f"wchan {printable(self.wchan)}"] if self.wchan not in ("", "0") else []
        facts += [f"parent {shorten(self.parent_comm, 16)}[{self.ppid}]"]
        facts[-1] += " outside" if self.parent_outside else ""
        facts += [f"tracer {shorten(self.tracer_comm, 16)}[{self.tracer_pid}]"] if self.tracer_pid else []
        facts += [f"frozen by cgroup {self.frozen} {printable(self.cgroup)}"] if self.frozen else []
        facts += ["dumping core"] if self.core_dumping else []
        return f"{self.name}{thread}: {', '.join(facts)}"

    def masks(self, *columns: str) -> str:
        """`app[4242]: SigCgt 0000000000000000, ...`, under the names /proc has for them."""
        names = {"caught": "SigCgt", "ignored": "SigIgn", "blocked": "SigBlk", "shared_pending": "ShdPnd"}
        names |= {"pending": "SigPnd", "awaited": "sigtimedwait", "signalfd": "signalfd"}
        shown = (f"{names[column]} {self.row[column] or '?'}" for column in columns)
        return f"{self.name}: {', '.join(shown)}"

    @property
    def identity(self) -> tuple[int, int]:
        """Tells a task from another that got the same number later."""
        return self.tid, self.start_ticks


@dataclass(frozen=True)
class Sight:
    """One snapshot."""

    time: int
    trigger: str
    again: bool
    nsid: int
    space: Task
    """The namespace's own row."""
    tasks: tuple[Task, ...]

    @cached_property
    def init(self) -> Task | None:
        """The leader of the namespace's init; None when there is none."""
        return next(
            (t for t in self.tasks if t.is_init and t.tid == t.pid and t.task_nsid == self.nsid), None
        )

    @property
    def init_threads(self) -> tuple[Task, ...]:
        """All threads of the init."""
        return tuple(t for t in self.tasks if t.is_init and t.task_nsid == self.nsid)

    @property
    def others(self) -> tuple[Task, ...]:
        """All tasks but the init's."""
        mine = {t.pid for t in self.init_threads}
        return tuple(t for t in self.tasks if t.pid not in mine)

    @property
    def processes(self) -> tuple[Task, ...]:
        """The leaders of all processes but the init."""
        return tuple(t for t in self.others if t.tid == t.pid)

    @property
    def init_waits(self) -> bool:
        """The init has exited but for its namespace: it waits in zap_pid_ns_processes() for the rest to go.

        Told by its stack, or where that is hidden by PF_EXITING of a thread that is no zombie.
        """
        return any(
            "zap_pid_ns_processes" in t.stack or (t.exiting and t.state not in "ZX" and not t.stack)
            for t in self.init_threads
        )

    def line(self, what: str) -> str:
        """A line of evidence from this snapshot."""
        return f"{np.datetime_as_string(np.datetime64(self.time, 'ns'), unit='ms')[11:]} snapshot {what}"


def sights(rows: Iterable[Mapping[str, object]], nsid: int) -> tuple[Sight, ...]:
    """The snapshots of one namespace among these rows (of `snapshot.take`, or of a recording), by time."""
    taken: dict[tuple[int, str, bool], list[Task]] = {}
    for task in map(Task, rows):
        if task.nsid == nsid:
            taken.setdefault((task.time, task.trigger, task.again), []).append(task)
    out = []
    for (time, trigger, again), its in sorted(taken.items(), key=lambda item: item[0]):
        space = next((task for task in its if not task.tid), None)
        if space is not None:
            out.append(Sight(time, trigger, again, nsid, space, tuple(task for task in its if task.tid)))
    return tuple(out)
