"""The containers that run, by name; those that were named a moment ago are not looked up again.

A lookup reads a few files and costs a third of a millisecond, so that a host with hundreds of containers would keep a
shell waiting. Names are kept, for ten minutes, in a file that only this user can write: /run/sigtrace.completion for
root, else in $XDG_RUNTIME_DIR. Without one of these nothing is kept.
"""

from __future__ import annotations

import contextlib
import json
import os
import stat
import time
from typing import NamedTuple

_KEPT, _NAMELESS = 600, 20
"""Seconds that a name is kept, and that there is none: the container may be just starting."""


class Named(NamedTuple):
    """A container that has a name; as `sigtrace.events.container.Container`, which takes longer to import."""

    name: str
    id: str
    label: str
    image: str
    runtime: str
    pod: str
    pod_namespace: str


def containers(until: float) -> dict[int, Named]:
    """Return the containers by the PID of a process in each; at `until` (time.monotonic) no more is looked up."""
    kept = _Kept()
    found: dict[int, Named] = {}
    for nsid, pid in _first_processes().items():
        key = f"{nsid}/{pid}"
        named = kept.known.get(key)
        if named is None and key not in kept.nameless and time.monotonic() < until:
            named = _look_up(pid)
            kept.add(key, named)
        if named:
            found[pid] = named
    kept.save()
    return found


def _first_processes() -> dict[int, int]:
    """Return the first process in each PID namespace but this one's, by the namespace's inode."""
    first: dict[str, int] = {}
    for entry in os.listdir("/proc"):
        if entry.isdecimal():
            with contextlib.suppress(OSError):
                first.setdefault(os.readlink(f"/proc/{entry}/ns/pid"), int(entry))
    with contextlib.suppress(OSError):
        first.pop(os.readlink("/proc/self/ns/pid"), None)
    return {int(link[len("pid:[") : -1]): pid for link, pid in first.items()}


def _look_up(pid: int) -> Named | None:
    from sigtrace.containers.of_namespace import by_files

    found = by_files()(pid)
    if found is None:
        return None
    return Named(
        found.name, found.id, found.label, found.image, found.runtime, found.pod, found.pod_namespace
    )


class _Kept:
    """The names that were found before, with the same $SIGTRACE_ROOTS."""

    def __init__(self) -> None:
        self.known: dict[str, Named] = {}
        self.nameless: dict[str, float] = {}
        """When they were looked up in vain."""
        self._changed = False
        self._roots = os.environ.get("SIGTRACE_ROOTS", "")
        directory = _directory()
        self._path = f"{directory}/sigtrace.completion" if directory and _own(directory) else ""
        if self._path:
            with contextlib.suppress(
                OSError, ValueError, TypeError, AttributeError, LookupError, RecursionError
            ):
                self._read()

    def _read(self) -> None:
        with open(os.open(self._path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)) as file:
            info = os.fstat(file.fileno())
            age = time.time() - info.st_mtime
            if info.st_uid == os.geteuid() and stat.S_ISREG(info.st_mode) and 0 <= age < _KEPT:
                found = json.load(file)
                if found["roots"] == self._roots:
                    since = time.time() - _NAMELESS
                    self.nameless = {key: float(at) for key, at in found["nameless"].items() if at > since}
                    self.known = {key: Named(*map(str, words)) for key, words in found["known"].items()}

    def add(self, key: str, named: Named | None) -> None:
        """Keep a name, if the runtime's files have confirmed it, or that there is none."""
        self._changed = True
        if named is None:
            self.nameless[key] = time.time()
        elif named.name:
            self.known[key] = named

    def save(self) -> None:
        """Write the file for the next time, if there is anything new."""
        if not (self._path and self._changed):
            return
        aside = f"{self._path}.{os.getpid()}"
        with contextlib.suppress(OSError):
            fd = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            with open(fd, "w") as file:
                json.dump({"roots": self._roots, "known": self.known, "nameless": self.nameless}, file)
            os.replace(aside, self._path)


def _directory() -> str:
    return "/run" if os.geteuid() == 0 else os.environ.get("XDG_RUNTIME_DIR", "")


def _own(directory: str) -> bool:
    """Whether nobody else can put a file there."""
    try:
        info = os.stat(directory)
    except OSError:
        return False
    return info.st_uid == os.geteuid() and not info.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
