"""Read the children of a process, and theirs: the processes to which it may pass a signal."""

from __future__ import annotations

import os
from collections.abc import Iterator

from sigtrace.procfs import process
from sigtrace.procfs.signal_target import Relative

_MOST = 1000
"""Bounds a family that forks for ever."""


def children(pid: int, root: str = "/proc") -> tuple[Relative, ...] | None:
    """Read the children of all threads of a process, zombies included, in the order of /proc.

    None = not known: the kernel does not show them (CONFIG_PROC_CHILDREN), or the process is gone.
    """
    try:
        pids = [
            int(child)
            for tid in os.listdir(f"{root}/{pid}/task")
            for child in process.read(f"{root}/{pid}/task/{tid}/children").split()
        ]
    except OSError:
        return None
    return tuple(_relatives(pids[:_MOST], root))


def descendants(pid: int, root: str = "/proc") -> tuple[Relative, ...] | None:
    """Read the children, their children, and so on: the process's own first. None as for `children`."""
    own = children(pid, root)
    if own is None:
        return None
    found = {each.pid: each for each in own}
    for parent in (queue := list(own)):
        for child in children(parent.pid, root) or ():
            if child.pid not in found and len(found) < _MOST:
                found[child.pid] = child
                queue.append(child)
    return tuple(found.values())


def _relatives(pids: list[int], root: str) -> Iterator[Relative]:
    for pid in pids:
        try:
            stat, status = process.read_stat(pid, root), process.read_status(pid, root)
        except (OSError, ValueError):
            continue  # it is gone by now
        yield Relative(
            pid=pid,
            comm=stat.comm,
            state=stat.state,
            ppid=stat.ppid,
            pgrp=stat.pgrp,
            session=stat.session,
            start_ticks=stat.start_ticks,
            ignored=process.mask(status, "SigIgn"),
            caught=process.mask(status, "SigCgt"),
        )
