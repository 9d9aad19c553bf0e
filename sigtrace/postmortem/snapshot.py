"""Snapshots in the form that checks take: tasks with their columns as attributes and masks as numbers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from sigtrace import signals
from sigtrace.procfs.process import shell_name
from sigtrace.procfs.signal_target import Relative
from sigtrace.text import printable, shorten
from sigtrace.units import number


class Columns:
    """The columns of a snapshot as attributes; `sigtrace.snapshot.COLUMNS` documents them."""

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
    pgrp: int
    session: int
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

    if not TYPE_CHECKING:  # to a type checker, only the names in `Columns` exist

        def __getattr__(self, name: str) -> object:
            try:
                return self.row[name]
            except KeyError as err:
                raise AttributeError(name) from err

    def mask(self, column: str) -> int:
        """Return a mask column as a number; 0 if it could not be read."""
        return int(str(self.row[column]) or "0", 16)

    def in_mask(self, column: str, signal: int) -> bool:
        """Whether a mask column has the signal; False if it could not be read."""
        return signals.has(self.mask(column), signal)

    @property
    def is_shell(self) -> bool:
        """Whether it is a shell, by its name, or a script that a shell runs."""
        return self.shell != ""

    @property
    def shell(self) -> str:
        """The name of the shell that it is; empty if it is none."""
        return shell_name(self.comm, str(self.row.get("cmdline", "")).split())

    @property
    def relative(self) -> Relative:
        """Its process, as the rules of `sigtrace.predict` take the children of another."""
        return Relative(
            pid=self.pid,
            comm=self.comm,
            state=self.state,
            ppid=self.ppid,
            pgrp=self.pgrp,
            session=self.session,
            start_ticks=self.start_ticks,
            ignored=self.mask("ignored"),
            caught=self.mask("caught"),
        )

    @property
    def name(self) -> str:
        """`app[4242]`."""
        return f"{shorten(self.comm, 16)}[{self.pid}]"

    @property
    def tracer_name(self) -> str:
        """`strace[77]`; empty if it has no tracer."""
        return f"{shorten(self.tracer_comm, 16)}[{self.tracer_pid}]" if self.tracer_pid else ""

    def __str__(self) -> str:
        """Return the facts that explain a hang, on one line."""
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
        """Return `app[4242]: SigCgt 0000000000000000, ...`, with the names of /proc/PID/status."""
        names = {"caught": "SigCgt", "ignored": "SigIgn", "blocked": "SigBlk", "shared_pending": "ShdPnd"}
        names |= {"pending": "SigPnd", "awaited": "sigtimedwait", "signalfd": "signalfd"}
        shown = (f"{names[column]} {self.row[column] or '?'}" for column in columns)
        return f"{self.name}: {', '.join(shown)}"

    @property
    def identity(self) -> tuple[int, int]:
        """What distinguishes the task from a later one with the same TID: (tid, start_ticks)."""
        return self.tid, self.start_ticks


@dataclass(frozen=True)
class Snapshot:
    """One snapshot of one namespace."""

    time: int
    """ns UTC."""
    trigger: str
    again: bool
    nsid: int
    space: Task
    """The row of the namespace itself (tid 0)."""
    tasks: tuple[Task, ...]
    subject_pid: int | None = None
    """The process that checks judge; None: the init. See `sigtrace.postmortem.subject`."""

    @cached_property
    def subject(self) -> Task | None:
        """The thread group leader of the process that is judged; None if it is not there."""
        if self.subject_pid is None:
            return self.init
        return next((t for t in self.tasks if t.tid == t.pid == self.subject_pid), None)

    @property
    def subject_threads(self) -> tuple[Task, ...]:
        """All threads of the process that is judged."""
        if self.subject_pid is None:
            return self.init_threads
        return tuple(t for t in self.tasks if t.pid == self.subject_pid)

    @cached_property
    def init(self) -> Task | None:
        """The thread group leader of the namespace's init; None if there is none."""
        return next(
            (t for t in self.tasks if t.is_init and t.tid == t.pid and t.task_nsid == self.nsid), None
        )

    @property
    def init_threads(self) -> tuple[Task, ...]:
        """All threads of the init."""
        return tuple(t for t in self.tasks if t.is_init and t.task_nsid == self.nsid)

    @property
    def others(self) -> tuple[Task, ...]:
        """All tasks except the init's threads."""
        init_pids = {t.pid for t in self.init_threads}
        return tuple(t for t in self.tasks if t.pid not in init_pids)

    @property
    def processes(self) -> tuple[Task, ...]:
        """The thread group leaders of all processes except the init."""
        return tuple(t for t in self.others if t.tid == t.pid)

    @property
    def init_waits(self) -> bool:
        """Whether the init has exited and waits in zap_pid_ns_processes() until all other processes are gone.

        Its kernel stack shows that. Reading the stack takes CAP_SYS_ADMIN: without it, PF_EXITING of a thread that is
        not a zombie is taken for the same.
        """
        return any(
            "zap_pid_ns_processes" in t.stack or (t.exiting and t.state not in "ZX" and not t.stack)
            for t in self.init_threads
        )

    @property
    def summary(self) -> str:
        """What it shows of the namespace and its init, in a few words."""
        init, count = self.init, number(len(self.tasks), "task")
        if init is None:
            return f"{count}, no init" if self.tasks else "nobody is left"
        facts = [f"{count}; init in state {init.state}"]
        if self.init_waits:
            facts.append("exiting, waiting for the others")
        elif init.wchan not in ("", "0"):
            facts.append(f"at {printable(init.wchan)}")
        facts += [f"frozen by cgroup {init.frozen}"] if init.frozen else []
        facts += [f"traced by {printable(init.tracer_comm)}[{init.tracer_pid}]"] if init.tracer_pid else []
        facts += ["dumping core"] if init.core_dumping else []
        pending = self._pending()
        facts += [f"{', '.join(map(signals.name, pending))} pending"] if pending else []
        dead = sum(task.state == "Z" for task in self.processes)
        facts += [number(dead, "zombie")] if dead else []
        return ", ".join(facts)

    def _pending(self) -> list[int]:
        """The signals that are pending for the init and stay so, because they are blocked or it cannot act."""
        found = set()
        for task in self.init_threads:
            held = task.state in "TtDZ" or task.frozen
            for each in signals.members(task.mask("pending") | task.mask("shared_pending")):
                if held or signals.has(task.mask("blocked"), each):
                    found.add(each)
        return sorted(found)

    def line(self, what: str) -> str:
        """Return a line of evidence: the time, `snapshot`, and the text."""
        return f"{np.datetime_as_string(np.datetime64(self.time, 'ns'), unit='ms')[11:]} snapshot {what}"


def snapshots_of(rows: Iterable[Mapping[str, object]], nsid: int) -> tuple[Snapshot, ...]:
    """Return the snapshots of one namespace in the order of time.

    rows: those of `sigtrace.snapshot`, or of a recording's snapshots table, of any namespaces.
    """
    taken: dict[tuple[int, str, bool], list[Task]] = {}
    for task in map(Task, rows):
        if task.nsid == nsid:
            taken.setdefault((task.time, task.trigger, task.again), []).append(task)
    out = []
    for (time, trigger, again), tasks in sorted(taken.items(), key=lambda item: item[0]):
        space = next((task for task in tasks if not task.tid), None)
        if space is not None:
            out.append(Snapshot(time, trigger, again, nsid, space, tuple(task for task in tasks if task.tid)))
    return tuple(out)
