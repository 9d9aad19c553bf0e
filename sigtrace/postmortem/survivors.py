"""What keeps a namespace whose init was killed, or has exited: each survivor and what holds it.

An init that exits sends SIGKILL to every member and waits, in zap_pid_ns_processes() (kernel/pid_namespace.c),
until all are dead and reaped. What is still there a moment later holds it up.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sigtrace.postmortem.case import SETTLED, Case
from sigtrace.postmortem.event import Event
from sigtrace.postmortem.snapshot import Sight, Task
from sigtrace.signals import KILL

Held = Literal["frozen", "zombie", "uninterruptible", "traced", "core", "exiting"]

_UNMAPPING = ("exit_mm", "exit_mmap", "mmput", "exit_files", "exit_sem")
"""Functions of do_exit() that can take long."""


@dataclass(frozen=True)
class Survivor:
    """One process that should be gone."""

    task: Task
    """The thread of it that tells why."""
    held: Held


@dataclass(frozen=True)
class Ending:
    """A namespace that is on its way out, or should be, as the last snapshot shows it."""

    sight: Sight
    since: int
    """When its init exited or was sent SIGKILL, ns UTC; or when it was first seen to be exiting."""
    cause: Event | None
    """That exit, or that SIGKILL."""
    waits: bool
    """The init is waiting for the others in zap_pid_ns_processes()."""
    survivors: tuple[Survivor, ...]


def ending(case: Case) -> Ending | None:
    """The last snapshot of a namespace that is ending and does not get there; None when there is none such."""
    last = case.last
    if last is None:
        return None
    began, cause = _began(case, last)
    if not began or last.time - began < SETTLED:
        return None
    earlier = {t.identity for s in case.sights if s.time < last.time for t in s.tasks}
    waits = last.init_waits
    found = []
    gone = waits or last.init is None or last.init.state in "ZX"
    for pid in dict.fromkeys(t.pid for t in last.tasks):
        threads = [t for t in last.tasks if t.pid == pid]
        own = last.init is not None and pid == last.init.pid
        if own == gone:  # the others, once the init has exited; before that, the init itself
            continue
        if cause is None and threads[0].identity not in earlier:
            continue
        survivor = _judge(threads)
        if survivor is not None:
            found.append(survivor)
    return Ending(last, began, cause, waits, tuple(found))


def held(case: Case, how: Held) -> list[Survivor]:
    """The survivors that this holds."""
    end = ending(case)
    return [s for s in end.survivors if s.held == how] if end else []


def why_gone(end: Ending) -> tuple[str, ...]:
    """Evidence that the namespace is ending."""
    said: tuple[str, ...] = (str(end.cause),) if end.cause else ()
    if end.waits and end.sight.init:
        stack = " < ".join(end.sight.init.stack.split()[:4])
        threads = (t for t in end.sight.init_threads if "zap_pid_ns_processes" in t.stack)
        stack = next((" < ".join(t.stack.split()[:4]) for t in threads), stack)
        said += (end.sight.line(f"{end.sight.init.name} exiting, in {stack or 'an unreadable place'}"),)
    return said


def _began(case: Case, last: Sight) -> tuple[int, Event | None]:
    """When the end began, and the event that shows it."""
    if case.exit:
        return case.exit.time, case.exit
    kills = [e for e in case.to_init if e.signal == KILL and e.stage == "generate" and e.verdict == "queued"]
    if kills:
        return kills[0].time, kills[0]
    if last.init is None and not last.tasks:
        return 0, None
    going = [s for s in case.sights if s.init is None or s.init_waits or s.init.state in "ZX" or _killed(s)]
    return (going[0].time if going else 0), None


def _killed(sight: Sight) -> bool:
    return any(t.in_mask("pending", KILL) or t.in_mask("shared_pending", KILL) for t in sight.init_threads)


def _judge(threads: list[Task]) -> Survivor | None:
    """What holds a process; None when it is not itself held: it waits for another of the survivors."""
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
        return None  # the init of a namespace below: it waits for its own
    return Survivor(leader, "exiting")


def _holds(task: Task) -> Held | None:
    """What holds a single living thread, if it can be told."""
    if task.core_dumping:
        return "core"
    if task.state == "t":
        return "traced"
    if any(step in task.stack.split() for step in _UNMAPPING):
        return "exiting"
    return "uninterruptible" if task.state == "D" else None
