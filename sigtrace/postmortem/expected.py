"""To whom a request would be passed on, from a snapshot alone: for a live namespace whose signals nobody recorded.

`sigtrace.predict.forwarders` knows the programs that pass signals on, and which of the receivers they wait for.
"""

from __future__ import annotations

from collections.abc import Iterator

from sigtrace.postmortem.passing import MOST, Passed
from sigtrace.postmortem.snapshot import Snapshot, Task
from sigtrace.predict import forwarders

_DEEP = 8
"""Steps that are followed."""


def expected(snapshot: Snapshot, signal: int) -> list[Passed]:
    """Return the processes that the init would pass a signal on to and wait for, without those that pass it on again.

    Empty if the init is no known forwarder, or does not take the signal.
    """
    return [] if snapshot.init is None else list(_from(snapshot, snapshot.init, signal, None))[:MOST]


def _from(snapshot: Snapshot, task: Task, signal: int, by: Passed | None) -> Iterator[Passed]:
    path = (*by.path, by.name) if by else (task.name,)
    known = forwarders.known(task.comm, task.cmdline.split())
    if known is None or len(path) > _DEEP or not _takes(snapshot, task, signal):
        return
    act = known.act(signal)
    if act.ends not in ("with child", "with children", "after grace") or act.to == "everyone":
        return
    alive = {each.pid: each for each in snapshot.processes if each.task_nsid == task.task_nsid}
    pids = forwarders.receivers(act, task.pid, alive.values())
    for pid in pids[:1] if act.ends == "with child" else pids:
        receiver = alive[pid]
        step = Passed(pid, 0, receiver.name, -1, path, by, act.signal, (), None, None, ())
        further = list(_from(snapshot, receiver, act.signal, step))
        yield from further or [step]


def _takes(snapshot: Snapshot, task: Task, signal: int) -> bool:
    """Whether a process that can act has a handler for a signal, or waits for it."""
    threads = [t for t in snapshot.tasks if t.pid == task.pid]
    if any(t.state in "TtD" or t.frozen for t in threads):
        return False
    return any(t.in_mask(column, signal) for t in threads for column in ("caught", "awaited", "signalfd"))
