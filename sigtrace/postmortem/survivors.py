"""Survivors: the processes that keep a namespace whose init was killed or has exited, and what holds each of them.

An init that exits sends SIGKILL to every member and waits, in zap_pid_ns_processes() (kernel/pid_namespace.c), until
all are dead and reaped. A process that is still there a moment later keeps the namespace from ending.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Literal

from sigtrace.postmortem.case import SETTLED, Case
from sigtrace.postmortem.event import Event
from sigtrace.postmortem.period import Period, all_exit, seen
from sigtrace.postmortem.snapshot import Snapshot, Task
from sigtrace.signals import KILL

Held = Literal["frozen", "zombie", "uninterruptible", "traced", "core", "exiting"]

_UNMAPPING = ("exit_mm", "exit_mmap", "mmput", "exit_files", "exit_sem")
"""Functions that do_exit() calls and that can take long; a task in one of them is exiting, even in state D."""

_SHOWN = 5
"""Survivors that are quoted as evidence."""


@dataclass(frozen=True)
class Survivor:
    """One process that should be gone."""

    task: Task
    """Its thread that shows what holds it."""
    held: Held


@dataclass(frozen=True)
class Holding:
    """What keeps a namespace from ending, or did: the processes that one thing holds, as a snapshot shows them."""

    survivors: tuple[Survivor, ...]
    """At least one."""
    snapshot: Snapshot
    """The last snapshot that shows any."""
    since: int
    """When the init exited or was sent SIGKILL, or the first snapshot in which it is exiting: ns UTC."""
    cause: Event | None
    """That exit or SIGKILL; None if no event shows it."""
    period: Period

    @property
    def first(self) -> Task:
        """The survivor that a sentence is about."""
        return self.survivors[0].task

    @property
    def more(self) -> int:
        """How many others there are."""
        return len(self.survivors) - 1

    @property
    def evidence(self) -> tuple[str, ...]:
        """Why all should be gone, and the first few that are not; and, if so, what shows that this is over."""
        shown = tuple(self.snapshot.line(str(each.task)) for each in self.survivors[:_SHOWN])
        return self._why_gone() + shown + self.period.evidence

    def _why_gone(self) -> tuple[str, ...]:
        evidence: tuple[str, ...] = (str(self.cause),) if self.cause else ()
        init = self.snapshot.init
        if self.snapshot.init_waits and init:
            stack = " < ".join(init.stack.split()[:4])
            threads = (t for t in self.snapshot.init_threads if "zap_pid_ns_processes" in t.stack)
            stack = next((" < ".join(t.stack.split()[:4]) for t in threads), stack)
            evidence += (self.snapshot.line(f"{init.name} exiting, in {stack or 'an unreadable place'}"),)
        return evidence


def held(case: Case, how: Held) -> Holding | None:
    """Return the survivors that are held in this way, as the last snapshot with any shows them; None without any."""
    for last in reversed(case.snapshots):
        since, cause = _began(case, last)
        if not since or last.time - since < SETTLED:
            return None
        survivors = tuple(each for each in _survivors(case, last, cause) if each.held == how)
        if survivors:
            period = _period(case, {each.task.pid for each in survivors}, how)
            return Holding(survivors, last, since, cause, period) if period else None
    return None


def _period(case: Case, pids: set[int], how: Held) -> Period | None:
    def shows(snapshot: Snapshot) -> bool | None:
        if not _began(case, snapshot)[0]:
            return False
        found = (_judge(threads) for threads in _by_process(snapshot, pids))
        return any(each and each.held == how for each in found) or (
            None if snapshot.space.left_out else False
        )

    # A zombie has exited: only a snapshot shows that it is reaped.
    return seen(case, shows) if how == "zombie" else seen(case, shows, all_exit(pids))


def _by_process(snapshot: Snapshot, pids: Collection[int]) -> list[list[Task]]:
    return [threads for pid in pids if (threads := [t for t in snapshot.tasks if t.pid == pid])]


def _survivors(case: Case, snapshot: Snapshot, cause: Event | None) -> Iterator[Survivor]:
    """Yield the processes that should be gone, each with what holds it. cause: the event that shows the end."""
    earlier = {t.identity for s in case.snapshots if s.time < snapshot.time for t in s.tasks}
    init = snapshot.init
    gone = snapshot.init_waits or init is None or init.state in "ZX"
    for threads in _by_process(snapshot, dict.fromkeys(t.pid for t in snapshot.tasks)):
        own = init is not None and threads[0].pid == init.pid
        # The survivors are the other processes once the init has exited, and the init itself before that.
        if own == gone:
            continue
        # Without an event, it takes two snapshots to tell a survivor from a process that is just dying.
        if cause is None and threads[0].identity not in earlier:
            continue
        survivor = _judge(threads)
        if survivor is not None:
            yield survivor


def _began(case: Case, at: Snapshot) -> tuple[int, Event | None]:
    """Return when the end began (ns UTC; 0: it has not, by the time of a snapshot), and the event that shows it."""
    if case.exit and case.exit.time <= at.time:
        return case.exit.time, case.exit
    kills = (e for e in case.to_init if e.signal == KILL and e.stage == "generate" and e.verdict == "queued")
    kill = next((e for e in kills if e.time <= at.time), None)
    if kill:
        return kill.time, kill
    if at.init is None and not at.tasks:
        return 0, None
    until = (s for s in case.snapshots if s.time <= at.time)
    going = (s for s in until if s.init is None or s.init_waits or s.init.state in "ZX" or _killed(s))
    return next((s.time for s in going), 0), None


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
