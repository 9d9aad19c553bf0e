"""Read the command line of an init's parent: a runtime's monitor names its container there.

Used only if the cgroups do not name the container. A process can claim any command line, so it is believed only
about containers of its own user.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from sigtrace.containers.hint import Clue, is_id
from sigtrace.containers.runtimes.registry import RUNTIMES
from sigtrace.procfs import process as processes
from sigtrace.procfs.freezer import frozen
from sigtrace.text import decode

_MAX_THREADS = 512
"""More threads than any monitor has; reading the states of more would take too long."""


@dataclass(frozen=True)
class Parent:
    """The parent of a process."""

    words: tuple[str, ...]
    uid: int
    inside: bool = False
    """It lives in a PID namespace below that of /proc, that is, in a container; monitors live outside."""

    @property
    def trusted(self) -> bool:
        """Whether directories that it names may be opened: it belongs to root or to our user, outside containers."""
        return self.uid in (0, os.geteuid()) and not self.inside


def read(pid: int, proc: str = "/proc") -> Parent | None:
    """Read the parent of `pid`; None if there is none, or if reading its command line might block."""
    try:
        ppid = processes.read_stat(pid, proc).ppid
        if ppid < 2 or might_hang(ppid, proc):
            return None
        raw = processes.read(f"{proc}/{ppid}/cmdline")
        words = tuple(decode(word) for word in raw.rstrip(b"\0").split(b"\0"))
        return Parent(words, os.stat(f"{proc}/{ppid}").st_uid, _inside(ppid, proc))
    except (OSError, ValueError):
        return None


def clue(words: tuple[str, ...]) -> Clue | None:
    """Return the container that a monitor with this command line runs."""
    for runtime in RUNTIMES:
        found = runtime.from_monitor(words) if runtime.from_monitor else None
        if found and is_id(found.id):
            return found
    return None


def _inside(pid: int, proc: str) -> bool:
    try:
        return len(processes.read_status_field(pid, "NSpid", proc).split()) > 1
    except FileNotFoundError:
        return False


def might_hang(pid: int, proc: str) -> bool:
    """Return whether a thread in uninterruptible sleep may hold the mmap_lock, which reading cmdline takes."""
    base = f"{proc}/{pid}/task"
    threads = os.listdir(base)
    if len(threads) > _MAX_THREADS:
        return True
    if not any(processes.read_stat(int(tid), base).state == "D" for tid in threads):
        return False
    mounted = processes.freezing_mounts(proc)
    return frozen(processes.read(f"{proc}/{pid}/cgroup"), mounted) != "v1"
