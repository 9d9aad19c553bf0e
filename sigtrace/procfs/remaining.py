"""Find the processes that an exiting init still waits for, and what would let each of them end.

An init that exits kills all other processes of its namespace and of those below, and waits until the last
one is reaped (`zap_pid_ns_processes()`, kernel/pid_namespace.c). It handles no signal any more. It reaps its own
children, so it waits for zombies whose parent lives outside, and for processes that cannot die yet.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sigtrace.procfs import freezer, process
from sigtrace.procfs.namespaces import Survey
from sigtrace.procfs.signal_target import Frozen

_MOST = 3
THAW = "thaw its cgroup (docker unpause, or freezer.state / cgroup.freeze)"


@dataclass(frozen=True)
class Remaining:
    """A process that an exited init still waits for."""

    pid: int
    comm: str
    state: str
    """As in /proc/PID/stat."""
    parent_pid: int = 0
    """Its parent if the parent lives outside the namespace, else 0."""
    parent_comm: str = ""
    tracer_pid: int = 0
    frozen: Frozen = ""

    def __str__(self) -> str:
        who = f"PID {self.pid} ({self.comm})"
        if self.state in "ZX" and self.tracer_pid:
            return f"PID {self.pid}, a zombie that its tracer, PID {self.tracer_pid}, has not waited for"
        if self.state in "ZX" and self.parent_pid:
            return f"PID {self.pid}, a zombie of {self.parent_comm}[{self.parent_pid}] outside the namespace"
        if self.state in "ZX":
            return f"PID {self.pid}, a zombie"
        if self.frozen:
            return f"{who}, frozen by cgroup {self.frozen}"
        return f"{who}, in uninterruptible sleep" if self.state == "D" else f"{who}, in state {self.state}"

    @property
    def advice(self) -> str:
        """What would let it end; empty if nothing but time would."""
        if self.state in "ZX" and self.tracer_pid:
            return f"have the tracer PID {self.tracer_pid} wait for it, or end the tracer"
        if self.state in "ZX":
            parent = f"PID {self.parent_pid} ({self.parent_comm})"
            return f"have its parent {parent} reap it, or end that parent" if self.parent_pid else ""
        if self.frozen:
            return f"PID {self.pid}: {THAW}"
        if self.state == "D":
            return f"PID {self.pid} cannot end before its sleep does: /proc/{self.pid}/stack shows where it sleeps"
        return ""


def remaining(seen: Survey, nsid: int | None, root: str = "/proc") -> tuple[Remaining, ...]:
    """Return the processes that the exited init of this namespace waits for, by PID; empty if not known.

    `seen` is a survey made just before.
    """
    if nsid is None:
        return ()
    below = {nsid}
    for namespace in seen.namespaces:  # parents come first
        if namespace.nsid is not None and namespace.parent_nsid in below:
            below.add(namespace.nsid)
    init = next((each.init_pid for each in seen.namespaces if each.nsid == nsid), None)
    pids = {pid for each in below for pid in seen.members.get(each, ())}
    mounted = process.freezing_mounts(root)
    found = []
    for pid in sorted(pids - {init}):
        try:
            found.append(_look(pid, pids, root, mounted))
        except (OSError, ValueError):  # it is gone by now
            continue
    return tuple(found)


def waits_for(left: Sequence[Remaining]) -> str:
    """Format the processes that the init waits for, for the end of a sentence."""
    if not left:
        return "all other processes of the namespace to be reaped"
    more = f"; and for {len(left) - _MOST} more" if len(left) > _MOST else ""
    return "; ".join(map(str, left[:_MOST])) + more


def advice(left: Sequence[Remaining]) -> list[str]:
    """Return what would let them end, without duplicates."""
    return list(dict.fromkeys(each.advice for each in left[:_MOST] if each.advice))


def _look(pid: int, inside: set[int], root: str, mounted: tuple[freezer.Hierarchy, ...]) -> Remaining:
    info = process.read_stat(pid, root)
    parent = 0 if info.ppid in inside else info.ppid
    comm = process.read_stat(parent, root).comm if parent else ""
    tracer = int(process.read_status_field(pid, "TracerPid", root) or 0)
    frozen: Frozen = (
        "" if info.state in "ZX" else freezer.frozen(process.read(f"{root}/{pid}/cgroup"), mounted)
    )
    return Remaining(pid, info.comm, info.state, parent, comm, tracer, frozen)
