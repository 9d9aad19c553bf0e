"""A process that gives the cgroup that it is in, inside its container's, the name of another container's.

Containers that may write to their cgroup can do that themselves. Here the test does it for them, from outside, in every
hierarchy: what the kernel shows of it is the same.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def impostor(pid: int, other: int, root: Path) -> Iterator[None]:
    """Have `pid` live below its cgroups, in ones called like those of the process `other`; `root` is the host's."""
    names, moved = cgroups(other), []
    for mount, controllers in _mounts(root):
        home = mount / cgroups(pid).get(controllers, "/")[1:]
        name = next((part for part in reversed(names.get(controllers, "").split("/")) if len(part) > 8), "")
        # a new cgroup of cpuset takes no process until it has processors
        if name and "cpuset" not in controllers and cgroups(pid).get(controllers, "/") != "/":
            (home / name).mkdir(exist_ok=True)
            moved.append((home, home / name))
            (home / name / "cgroup.procs").write_text(str(pid))
    try:
        yield
    finally:
        for home, made in reversed(moved):
            (home / "cgroup.procs").write_text(str(pid))
            _remove(made)


def cgroups(pid: int) -> dict[str, str]:
    """The controllers of each hierarchy and the path of the process in it."""
    lines = Path(f"/proc/{pid}/cgroup").read_text().splitlines()
    return {controllers: path for _, controllers, path in (line.split(":", 2) for line in lines)}


def _mounts(root: Path) -> Iterator[tuple[Path, str]]:
    """Where the host has mounted each hierarchy, and the controllers of it as /proc/PID/cgroup writes them."""
    written = {frozenset(key.split(",")): key for key in cgroups(1)}
    for line in (root.parent / "mountinfo").read_text().splitlines():
        left, _, right = line.partition(" - ")
        (kind, _, options), point = right.split(" ", 2), root / left.split()[4][1:]
        if kind == "cgroup2":
            yield point, ""
        elif kind == "cgroup":
            for key, text in written.items():
                if key and key <= frozenset(options.split(",")):
                    yield point, text


def _remove(directory: Path) -> None:
    """Remove a cgroup that the process has left; the kernel may need a moment for that."""
    for _ in range(100):
        with contextlib.suppress(OSError):
            directory.rmdir()
            return
        time.sleep(0.01)
