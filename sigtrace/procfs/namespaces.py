"""List all visible PID namespaces in one pass over /proc.

A namespace is listed if a process lives in it, if it is bind-mounted in our mount namespace, if it is the
`pid_for_children` of a process, or if one of these is below it; not if only an open file keeps it. PIDs and
levels are those of the namespace that /proc belongs to, which has level 0.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from sigtrace.procfs import process
from sigtrace.procfs.freezer import mount_path

_NS_GET_PARENT = 0xB702
"""ioctl of a namespace file, `include/uapi/linux/nsfs.h`."""


@dataclass(frozen=True)
class PidNamespace:
    """One PID namespace (`struct pid_namespace`)."""

    nsid: int | None
    """Its inode; None if its processes are not readable."""
    level: int
    parent_nsid: int | None = None
    """None for the topmost namespace, and if it is not readable."""
    init_pid: int | None = None
    """None if its init is gone or hidden."""
    ns_start: int | None = None
    """Start of its init in clock ticks since boot; with the inode it identifies the namespace."""
    processes: int = 0
    tasks: int = 0
    """Threads of these processes, without those of descendant namespaces."""
    kept_by: tuple[str, ...] = ()
    """What else keeps it alive: mount points, `PID n` whose children will be born in it, namespaces below."""


@dataclass(frozen=True)
class Survey:
    """The result of one pass."""

    namespaces: tuple[PidNamespace, ...]
    """Parents before their children, siblings by the start of their init."""
    processes: int
    unreadable: int
    """Processes below level 0 whose namespace is not readable: its inode is None."""
    hidden: bool
    """/proc is mounted with hidepid: it does not list the processes of other users."""
    members: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    """Inode of a namespace -> the PIDs of its processes, including its init; not for level 0."""

    zombies: Mapping[int, tuple[tuple[int, int], ...]] = field(default_factory=dict)
    """PID of a parent -> the PID and the start of each of its children that is a zombie."""

    def find(self, nsid: int) -> PidNamespace | None:
        """Return the namespace with this inode, or None."""
        return next((each for each in self.namespaces if each.nsid == nsid), None)


def survey(root: str = "/proc") -> Survey:
    """List every visible PID namespace. `root` is where /proc is mounted.

    Costs two readlinks and a stat per process, and a status for those that may be an init.
    Raises BadInput if there is no /proc.
    """
    return _Pass(root).run()


def ancestors(path: str) -> Iterator[int]:
    """Yield the inodes of the parent, grandparent, ... of the namespace of a file such as /proc/PID/ns/pid.

    Ends at our own namespace: NS_GET_PARENT gives EPERM for the ones above it. Raises OSError.
    """
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        while True:
            try:
                parent = fcntl.ioctl(fd, _NS_GET_PARENT)
            except PermissionError:
                return
            os.close(fd)
            fd = parent
            yield os.fstat(fd).st_ino
    finally:
        os.close(fd)


_Key = int | str | None
"""A namespace's inode, or `init PID` if it is not readable; None = its init is not known either."""


@dataclass
class _Found:
    """The facts that the pass has collected about one namespace."""

    nsid: int | None = None
    path: str = ""
    """A namespace file of it, for ioctl(2)."""
    level: int | None = None
    parent: _Key = None
    init: int | None = None
    init_start: int | None = None
    processes: int = 0
    tasks: int = 0
    kept_by: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Member:
    key: _Key
    info: process.Stat
    numbers: tuple[int, ...] = ()
    """Its PIDs from level 0 down to its own namespace (NSpid), if they were needed."""


class _Pass:
    """One pass over /proc: read each process, then find the init and the parent of each namespace.

    The second step needs the first one complete: a process's parent may have a greater PID.
    """

    def __init__(self, root: str) -> None:
        self.root = root
        self.own = process.namespace_of_proc(root)
        self.found: dict[_Key, _Found] = {}
        self.members: dict[int, _Member] = {}
        self.unreadable = 0

    def run(self) -> Survey:
        for pid in process.pids(self.root):
            with contextlib.suppress(OSError, ValueError, IndexError):  # it ended meanwhile, or is half gone
                self._read_process(pid)
        for pid, member in self.members.items():
            with contextlib.suppress(OSError, ValueError, IndexError):
                self._assign(pid, member)
        mountinfo = process.read(f"{self.root}/self/mountinfo")
        for nsid, point in _mounted(mountinfo):
            self._entry(nsid, point).kept_by.append(point)
        for key in list(self.found):
            self._find_parents(key)
        hidden = re.search(rb" /proc [^\n]* - proc [^\n]*hidepid=(?!0|off)", mountinfo) is not None
        found = tuple(self._tree(None, 0))
        members = self._pids_by_namespace()
        return Survey(found, len(self.members), self.unreadable, hidden, members, self._zombies())

    def _pids_by_namespace(self) -> dict[int, tuple[int, ...]]:
        lists: dict[int, list[int]] = {}
        for pid, member in self.members.items():
            if isinstance(member.key, int) and member.key != self.own:
                lists.setdefault(member.key, []).append(pid)
        return {nsid: tuple(pids) for nsid, pids in lists.items()}

    def _zombies(self) -> dict[int, tuple[tuple[int, int], ...]]:
        lists: dict[int, list[tuple[int, int]]] = {}
        for pid, member in self.members.items():
            if member.info.state == "Z":
                lists.setdefault(member.info.ppid, []).append((pid, member.info.start_ticks))
        return {parent: tuple(dead) for parent, dead in lists.items()}

    def _entry(self, key: _Key, path: str = "") -> _Found:
        nsid = key if isinstance(key, int) else None
        return self.found.setdefault(key, _Found(nsid, path))

    def _read_process(self, pid: int) -> None:
        info, nsid = process.read_stat(pid, self.root), process.namespace_link(pid, self.root)
        if nsid is None:
            numbers = self._numbers(pid)
            self.unreadable += len(numbers) > 1
            init = f"init {pid}" if numbers[-1] == 1 else None
            self.members[pid] = _Member(self.own if len(numbers) == 1 else init, info, numbers)
            return
        self.members[pid] = _Member(nsid, info)
        self._entry(nsid, f"{self.root}/{pid}/ns/pid")
        path = f"{self.root}/{pid}/ns/pid_for_children"
        # A zombie has no such link; after unshare(CLONE_NEWPID) it leads nowhere until the first child is born.
        with contextlib.suppress(OSError, ValueError):
            children = int(os.readlink(path)[len("pid:[") : -1])
            if children != nsid:
                self._entry(children, path).kept_by.append(f"PID {pid}")

    def _assign(self, pid: int, member: _Member) -> None:
        """Count a process in its namespace. If its parent lives elsewhere, it may be the init: read its NSpid."""
        key = self._key(member)
        if key is None:
            return
        entry, parent = self._entry(key), self.members.get(member.info.ppid)
        entry.processes += 1
        entry.tasks += member.info.threads
        if parent is not None and parent.key == member.key:
            return
        numbers = member.numbers or self._numbers(pid)
        if not member.numbers or isinstance(key, str) or key == self.own:
            entry.level = len(numbers) - 1
        if numbers[-1] == 1:
            entry.init, entry.init_start = pid, member.info.start_ticks
            if isinstance(key, str) and parent is not None and entry.level:
                entry.parent = self.own if entry.level == 1 else self._key(parent)

    def _key(self, member: _Member) -> _Key:
        """Return the member's namespace; if it is not readable, that of its nearest ancestor at the same level."""
        depth = len(member.numbers)
        while member.key is None:
            parent = self.members.get(member.info.ppid)
            if parent is None or len(parent.numbers) != depth:
                return None
            member = parent
        return member.key

    def _find_parents(self, key: _Key) -> None:
        """Find the ancestors of a readable namespace, and add those that no process or mount showed."""
        entry = self.found[key]
        if not entry.path:
            return
        with contextlib.suppress(OSError):
            for above in ancestors(entry.path):
                entry.parent = above
                known = above in self.found
                entry = self._entry(above)
                if known:
                    return
                entry.kept_by.append(f"pid:[{key}]")

    def _tree(self, parent: _Key, level: int) -> Iterator[PidNamespace]:
        """Yield the namespaces below one, depth first; those with an unknown parent are at the top."""
        below = [key for key, entry in self.found.items() if entry.parent == parent]
        by_start = {key: (key != self.own, self.found[key].init_start or 1 << 62, str(key)) for key in below}
        for key in sorted(below, key=by_start.__getitem__):
            entry = self.found[key]
            depth = level if entry.level is None else entry.level
            above = parent if isinstance(parent, int) else None
            yield PidNamespace(
                entry.nsid,
                depth,
                above,
                entry.init,
                entry.init_start,
                entry.processes,
                entry.tasks,
                tuple(entry.kept_by),
            )
            yield from self._tree(key, depth + 1)

    def _numbers(self, pid: int) -> tuple[int, ...]:
        return tuple(int(number) for number in process.read_status_field(pid, "NSpid", self.root).split())


def _mounted(mountinfo: bytes) -> Iterator[tuple[int, str]]:
    """Yield the inode and the mount point of each bind-mounted PID namespace."""
    for line in mountinfo.split(b"\n"):
        fields = line.split(b" ")
        nsid = re.fullmatch(rb"pid:\[(\d{1,20})\]", fields[3]) if len(fields) > 4 else None
        if nsid:
            yield int(nsid[1]), mount_path(fields[4])
