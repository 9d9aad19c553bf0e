"""Find out whether a cgroup freezes a process: v1 (`freezer.state`), v2 (`cgroup.events`), or both.

Both files show the effective state, which includes frozen ancestors (`kernel/cgroup/legacy_freezer.c`, `freezer.c`).
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sigtrace.procfs.membership import parse

if TYPE_CHECKING:
    from sigtrace.procfs.signal_target import Frozen


@dataclass(frozen=True)
class Hierarchy:
    """A mounted cgroup hierarchy."""

    version: Frozen
    mount_point: str
    root: str
    """The cgroup at the mount point: `/` unless only a part of the tree is mounted, as inside containers."""

    def directory(self, cgroup: str) -> str | None:
        """Return the directory of a cgroup path of /proc/PID/cgroup; None if it is not mounted here."""
        below = os.path.relpath(cgroup or "/", self.root)
        return None if below.startswith("..") else os.path.normpath(f"{self.mount_point}/{below}")


def hierarchies(mountinfo: bytes, controller: bytes = b"freezer") -> tuple[Hierarchy, ...]:
    """Find the mounts of cgroup v2 and of the v1 hierarchy of this controller in a /proc/PID/mountinfo."""
    found = []
    for line in mountinfo.split(b"\n"):  # a mount point may contain a carriage return
        left, _, right = line.partition(b" - ")
        fields, kind = left.split(b" "), right.split(b" ")
        if len(fields) < 5 or len(kind) < 3:
            continue
        version: Frozen = "v2" if kind[0] == b"cgroup2" else ""
        if kind[0] == b"cgroup" and controller in kind[2].split(b","):
            version = "v1"
        if version:
            found.append(Hierarchy(version, mount_path(fields[4]), mount_path(fields[3])))
    return tuple(found)


def frozen(membership: bytes, mounted: tuple[Hierarchy, ...]) -> Frozen:
    """Return the version of the freezer that freezes the process with this /proc/PID/cgroup.

    v1 wins if both do: only the v2 freezer lets a fatal signal through.
    """
    versions: set[Frozen] = set()
    for controllers, path in parse(membership):
        version = "v2" if controllers == "" else "v1" if "freezer" in controllers.split(",") else None
        for hierarchy in mounted:
            if hierarchy.version == version and _is_frozen(hierarchy, path):
                versions.add(hierarchy.version)
    return "v1" if "v1" in versions else "v2" if versions else ""


def _is_frozen(hierarchy: Hierarchy, cgroup: str) -> bool:
    directory = hierarchy.directory(cgroup)
    if directory is None:
        return False
    try:
        if hierarchy.version == "v2":
            with open(f"{directory}/cgroup.events") as events:
                return "frozen 1" in events.read(4096).splitlines()
        with open(f"{directory}/freezer.state") as state:
            return state.read(64).strip() in ("FREEZING", "FROZEN")
    except OSError:  # the root cgroup has no such file; a cgroup may be gone or unreadable
        return False


def mount_path(field: bytes) -> str:
    """Decode a path of mountinfo, in which blanks and backslashes are octal escapes (`mangle()`, fs/seq_file.c)."""
    return os.fsdecode(re.sub(rb"\\([0-3][0-7]{2})", lambda match: bytes([int(match[1], 8)]), field))
