"""Snapshots as the checks see them: tasks with masks as numbers, in the order of time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from sigtrace import signals
from sigtrace.procfs.process import is_shell
from sigtrace.text import printable, shorten


@dataclass(frozen=True)
class Task:
    """One row of a snapshot; the names are those of `snapshot.COLUMNS`."""

    row: Mapping[str, Any]

    def __getattr__(self, name: str) -> Any:
        try:
            return self.row[name]
        except KeyError as err:
            raise AttributeError(name) from err

    def in_mask(self, column: str, signal: int) -> bool:
        """Whether a mask column has the signal; False when it could not be read."""
        return signals.has(int(self.row[column] or "0", 16), signal)

    @property
    def is_shell(self) -> bool:
        """Whether it is a shell, by its name, or a script that one runs."""
        return is_shell(self.row["comm"], self.row.get("cmdline", "").split())

    @property
    def name(self) -> str:
        """`app[4242]`."""
        return f"{shorten(self.row['comm'], 16)}[{self.row['pid']}]"

    def __str__(self) -> str:
        """What matters of it on one line."""
        r = self.row
        thread = f" thread {r['tid']}" if r["tid"] != r["pid"] else ""
        facts = [f"state {r['state']}"]
        facts += [f"wchan {printable(r['wchan'])}"] if r["wchan"] not in ("", "0") else []
        facts += [f"parent {shorten(r['parent_comm'], 16)}[{r['ppid']}]"]
        facts[-1] += " outside" if r["parent_outside"] else ""
        facts += [f"tracer {shorten(r['tracer_comm'], 16)}[{r['tracer_pid']}]"] if r["tracer_pid"] else []
        facts += [f"frozen by cgroup {r['frozen']} {printable(r['cgroup'])}"] if r["frozen"] else []
        facts += ["dumping core"] if r["core_dumping"] else []
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
        return self.row["tid"], self.row["start_ticks"]


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


def sights(rows: Iterable[Mapping[str, Any]], nsid: int) -> tuple[Sight, ...]:
    """The snapshots of one namespace among these rows (of `snapshot.take`, or of a recording), by time."""
    taken: dict[tuple[int, str, bool], list[Mapping[str, Any]]] = {}
    for row in rows:
        if row["nsid"] == nsid:
            taken.setdefault((row["time"], row["trigger"], row["again"]), []).append(row)
    out = []
    for (time, trigger, again), its in sorted(taken.items(), key=lambda item: item[0]):
        space = next((Task(row) for row in its if not row["tid"]), None)
        if space is not None:
            out.append(Sight(time, trigger, again, nsid, space, tuple(Task(r) for r in its if r["tid"])))
    return tuple(out)
