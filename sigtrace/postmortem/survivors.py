"""Survivors: the processes that keep a namespace whose init was killed or has exited, and what holds each of them.

An init that exits sends SIGKILL to every member and waits, in zap_pid_ns_processes() (kernel/pid_namespace.c), until
all are dead and reaped. A process that is still there a moment later keeps the namespace from ending.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sigtrace.postmortem.case import SETTLED, Case
from sigtrace.postmortem.event import Event
from sigtrace.postmortem.snapshot import Snapshot, Task
from sigtrace.signals import KILL

Held = Literal["frozen", "zombie", "uninterruptible", "traced", "core", "exiting"]

_UNMAPPING = ("exit_mm", "exit_mmap", "mmput", "exit_files", "exit_sem")
"""Functions that do_exit() calls and that can take long; a task in one of them is exiting, even in state D."""


@dataclass(frozen=True)
class Survivor:
    """One process that should be gone."""

    task: Task
    """Its thread that shows what holds it."""
    held: Held


@dataclass(frozen=True)
class Ending:
    """A namespace that is ending, as its last snapshot shows it."""

    snapshot: Snapshot
    since: int
    """When its init exited or was sent SIGKILL, or the first snapshot in which it is exiting: ns UTC."""
    cause: Event | None
    """That exit or SIGKILL; None if no event shows it."""
    waits: bool
    """The init waits for the other processes in zap_pid_ns_processes()."""
    survivors: tuple[Survivor, ...]


def ending(case: Case) -> Ending | None:
    """Return the ending of a namespace that has been ending for SETTLED or longer; None for any other namespace."""
    last = case.last
    if last is None:
        return None
    began, cause = _began(case, last)
    if not began or last.time - began < SETTLED:
        return None
    earlier = {t.identity for s in case.snapshots if s.time < last.time for t in s.tasks}
    waits = last.init_waits
    found = []
    gone = waits or last.init is None or last.init.state in "ZX"
    for pid in dict.fromkeys(t.pid for t in last.tasks):
        threads = [t for t in last.tasks if t.pid == pid]
        own = last.init is not None and pid == last.init.pid
        # The survivors are the other processes once the init has exited, and the init itself before that.
        if own == gone:
            continue
        # Without an event, it takes two snapshots to tell a survivor from a process that is just dying.
        if cause is None and threads[0].identity not in earlier:
            continue
        survivor = _judge(threads)
        if survivor is not None:
            found.append(survivor)
    return Ending(last, began, cause, waits, tuple(found))


def held(case: Case, how: Held) -> list[Survivor]:
    """Return the survivors that are held in this way."""
    end = ending(case)
    return [s for s in end.survivors if s.held == how] if end else []


def why_gone(end: Ending) -> tuple[str, ...]:
    """Return the evidence that the namespace is ending."""
    evidence: tuple[str, ...] = (str(end.cause),) if end.cause else ()
    if end.waits and end.snapshot.init:
        stack = " < ".join(end.snapshot.init.stack.split()[:4])
        threads = (t for t in end.snapshot.init_threads if "zap_pid_ns_processes" in t.stack)
        stack = next((" < ".join(t.stack.split()[:4]) for t in threads), stack)
        evidence += (
            end.snapshot.line(f"{end.snapshot.init.name} exiting, in {stack or 'an unreadable place'}"),
        )
    return evidence


def _began(case: Case, last: Snapshot) -> tuple[int, Event | None]:
    """Return when the end began (ns UTC; 0: it has not), and the event that shows it."""
    if case.exit:
        return case.exit.time, case.exit
    kills = [e for e in case.to_init if e.signal == KILL and e.stage == "generate" and e.verdict == "queued"]
    if kills:
        return kills[0].time, kills[0]
    if last.init is None and not last.tasks:
        return 0, None
    going = [
        s for s in case.snapshots if s.init is None or s.init_waits or s.init.state in "ZX" or _killed(s)
    ]
    return (going[0].time if going else 0), None


def _killed(snapshot: Snapshot) -> bool:
    return any(t.in_mask("pending", KILL) or t.in_mask("shared_pending", KILL) for t in snapshot.init_threads)


def _judge(threads: list[Task]) -> Survivor | None:
    """Return what holds a process; None for one that only waits for other survivors, or for its reaper inside.

    The freezer comes first: under cgroup v1 a frozen task shows state D, like an uninterruptible sleep.
    """
    leader = threads[0]
    if leader.state not in "ZX":
        for task in threads:
            if task.frozen == "v1" or (task.frozen and task.state not in "ZXR"):
                return Survivor(task, "frozen")
    if all(t.state in "ZX" for t in threads):
        return Survivor(leader, "zombie") if leader.tracer_pid or leader.parent_outside else None
    for task in threads:
        how = _holds(task)
        if how:
            return Survivor(task, how)
    if any("zap_pid_ns_processes" in t.stack for t in threads):
        return None  # the init of a namespace below: it waits for processes that are survivors themselves
    return Survivor(leader, "exiting")


def _holds(task: Task) -> Held | None:
    """Return what holds a thread that is not a zombie; None if that is not known."""
    if task.core_dumping:
        return "core"
    if task.state == "t":
        return "traced"
    if any(step in task.stack.split() for step in _UNMAPPING):
        return "exiting"
    return "uninterruptible" if task.state == "D" else None
