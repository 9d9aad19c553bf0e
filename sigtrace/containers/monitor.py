"""What the parent of a container's init says on its command line: a runtime's monitor names its container there.

Asked only when the cgroups say nothing. A command line is whatever its process claims, so it is believed only about
containers of its own user.
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
"""More than any monitor has; to look at so many takes too long."""


@dataclass(frozen=True)
class Parent:
    """The parent of a process."""

    words: tuple[str, ...]
    uid: int
    inside: bool = False
    """It lives in a PID namespace below that of /proc: in a container, where monitors of ours do not."""

    @property
    def trusted(self) -> bool:
        """Whether directories it claims may be opened: it is root's outside, or has no fewer rights than we."""
        return self.uid in (0, os.geteuid()) and not self.inside


def read(pid: int, proc: str = "/proc") -> Parent | None:
    """The parent of `pid`; None if there is none here, or its command line could not be read without a wait."""
    try:
        ppid = processes.read_stat(pid, proc).ppid
        if ppid < 2 or _might_hang(ppid, proc):
            return None
        raw = processes.read(f"{proc}/{ppid}/cmdline")
        words = tuple(decode(word) for word in raw.rstrip(b"\0").split(b"\0"))
        return Parent(words, os.stat(f"{proc}/{ppid}").st_uid, _inside(ppid, proc))
    except (OSError, ValueError):
        return None


def says(words: tuple[str, ...]) -> Clue | None:
    """The container that a monitor with this command line watches over."""
    for runtime in RUNTIMES:
        clue = runtime.says(words) if runtime.says else None
        if clue and is_id(clue.id):
            return clue
    return None


def _inside(pid: int, proc: str) -> bool:
    try:
        return len(processes.read_status_field(pid, "NSpid", proc).split()) > 1
    except FileNotFoundError:
        return False


def _might_hang(pid: int, proc: str) -> bool:
    """Whether a thread in uninterruptible sleep may hold the mmap_lock that the command line is read behind."""
    base = f"{proc}/{pid}/task"
    threads = os.listdir(base)
    if len(threads) > _MAX_THREADS:
        return True
    if not any(processes.read_stat(int(tid), base).state == "D" for tid in threads):
        return False
    mounted = processes.freezing_mounts(proc)
    return frozen(processes.read(f"{proc}/{pid}/cgroup"), mounted) != "v1"
