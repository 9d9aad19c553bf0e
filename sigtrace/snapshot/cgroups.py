"""Read the cgroup of a namespace's init: its limit of tasks, and whether it ran out of memory."""

from __future__ import annotations

import os
import re

from sigtrace.procfs import freezer, process
from sigtrace.procfs.membership import parse
from sigtrace.snapshot.columns import SnapshotRow

UNKNOWN: SnapshotRow = {"pids_current": -1, "pids_max": -1, "oom_kills": -1, "under_oom": False}


def path_of(membership: bytes) -> str:
    """Return the cgroup's path from a /proc/PID/cgroup: that of cgroup v2, or of the v1 freezer if v2's is the root."""
    paths: dict[str, str] = {}
    for controllers, path in parse(membership):
        paths |= dict.fromkeys(controllers.split(","), path)
    unified = paths.get("", "/")
    chosen = paths.get("freezer", "/") if unified == "/" else unified
    return os.fsencode(chosen).decode(errors="backslashreplace")


def limits(pid: int, root: str = "/proc") -> SnapshotRow:
    """Read pids.current, pids.max and the out-of-memory kills of the cgroup that the process is in."""
    out: SnapshotRow = dict(UNKNOWN)
    try:
        membership, mounts = process.read(f"{root}/{pid}/cgroup"), process.read(f"{root}/self/mountinfo")
    except OSError:
        return out
    for directory in _directories(membership, mounts, "pids"):
        out["pids_current"] = max(_number(f"{directory}/pids.current"), int(out["pids_current"]))
        out["pids_max"] = max(_number(f"{directory}/pids.max"), int(out["pids_max"]))
    for directory in _directories(membership, mounts, "memory"):
        for name in ("memory.events", "memory.oom_control"):
            found = dict(re.findall(r"^(\w+) (\d+)$", _read(f"{directory}/{name}"), re.M))
            if "oom_kill" in found:
                out["oom_kills"] = max(int(found["oom_kill"]), int(out["oom_kills"]))
            out["under_oom"] = bool(out["under_oom"]) or found.get("under_oom") == "1"
    return out


def _directories(membership: bytes, mounts: bytes, controller: str) -> list[str]:
    """Return the directories that may contain this controller's files of the cgroup: v2 and v1."""
    found = []
    for controllers, path in parse(membership):
        version = "v2" if controllers == "" else "v1" if controller in controllers.split(",") else ""
        for hierarchy in freezer.hierarchies(mounts, controller.encode()):
            directory = hierarchy.directory(path)
            if hierarchy.version == version and directory is not None:
                found.append(directory)
    return found


def _number(path: str) -> int:
    text = _read(path).strip()
    return int(text) if text.isdigit() else -1


def _read(path: str) -> str:
    try:
        with open(path) as file:
            return file.read(4096)
    except OSError:
        return ""
