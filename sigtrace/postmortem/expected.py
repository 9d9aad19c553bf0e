"""To whom a request would be passed on, from a snapshot alone: for a live namespace whose signals nobody recorded.

`sigtrace.predict.forwarders` knows the programs that pass signals on, and which of the receivers they wait for. A shell
with a trap that waits for a child in the background may pass the signal on to that.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from sigtrace.postmortem.passing import MOST, Passed
from sigtrace.postmortem.snapshot import Snapshot, Task
from sigtrace.predict import forwarders
from sigtrace.predict.forwarder import Act
from sigtrace.predict.shell import waits_for

_DEEP = 8
"""Steps that are followed."""


def expected(snapshot: Snapshot, signal: int) -> list[Passed]:
    """Return the processes that the init would pass a signal on to and wait for, without those that pass it on again.

    Empty if the init is neither a known forwarder nor a shell, or does not take the signal.
    """
    return [] if snapshot.init is None else list(_from(snapshot, snapshot.init, signal, None))[:MOST]


def _from(snapshot: Snapshot, task: Task, signal: int, by: Passed | None) -> Iterator[Passed]:
    path = (*by.path, by.name) if by else (task.name,)
    if len(path) > _DEEP or not _takes(snapshot, task, signal):
        return
    alive = {each.pid: each for each in snapshot.processes if each.task_nsid == task.task_nsid}
    pids, sent = _receivers(task, signal, alive)
    sure = not task.is_shell and (by is None or by.sure)
    for pid in pids:
        receiver = alive[pid]
        step = Passed(pid, 0, receiver.name, -1, path, by, sent, (), None, None, (), sure)
        yield from list(_from(snapshot, receiver, sent, step)) or [step]


def _receivers(task: Task, signal: int, alive: Mapping[int, Task]) -> tuple[list[int], int]:
    """Return the PIDs to which a process passes a signal on, of those whose end it waits for, and which signal."""
    if task.is_shell:
        own = (each.relative for each in alive.values() if each.ppid == task.pid)
        found = waits_for(task.wchan, task.relative, own, task.shell)
        return [each.pid for each in found.children] if found.mode == "background" else [], signal
    known = forwarders.known(task.comm, task.cmdline.split())
    act = known.act(signal) if known else Act()
    if act.ends not in ("with child", "with children", "after grace") or act.to == "everyone":
        return [], signal
    pids = forwarders.receivers(act, task.pid, (each.relative for each in alive.values()))
    return pids[:1] if act.ends == "with child" else pids, act.signal


def _takes(snapshot: Snapshot, task: Task, signal: int) -> bool:
    """Whether a process that can act has a handler for a signal, or waits for it."""
    threads = [t for t in snapshot.tasks if t.pid == task.pid]
    if any(t.state in "TtD" or t.frozen for t in threads):
        return False
    return any(t.in_mask(column, signal) for t in threads for column in ("caught", "awaited", "signalfd"))
