"""Clues about a container from cgroup paths and command lines, before any file of a runtime is read."""

from __future__ import annotations

import re
from dataclasses import dataclass

from sigtrace.containers.place import User

HEX = "[0-9a-f]{64}"
"""Regular expression of the IDs that most runtimes generate."""
NAME = "[0-9a-zA-Z_.-]+"
"""Regular expression of IDs that people choose."""
_WORD = re.compile(r"[0-9a-zA-Z_.-]{1,255}")


@dataclass(frozen=True)
class Clue:
    """A container that a cgroup or a command line names. IDs are safe as one component of a path."""

    id: str
    runtime: str = ""
    """As in `Container`; empty if not known."""
    name: str = ""
    pod_id: str = ""
    """Podman's."""
    namespace: str = ""
    """containerd's."""
    bundle: str = ""
    """The directory with its config.json, if a process of root names it."""
    path: str = ""
    """The cgroup path down to the component that names the container; empty if none does."""
    user: User | None = None
    """The owner of the container; None = root."""
    pid: int = 0
    """Its init, or a process in it; 0 = not known."""
    proc: str = "/proc"
    words: tuple[str, ...] = ()
    """The command line of the process's parent, if that is a runtime's monitor."""

    def may_be(self, *runtimes: str) -> bool:
        """Return whether it may be a container of one of these runtimes."""
        return self.runtime in ("", *runtimes)


@dataclass(frozen=True)
class Init:
    """The init of a container, as its runtime's files record it."""

    pid: int
    start: int | None = None
    """Its start in clock ticks since boot; None if only the PID is recorded, which may have been reused."""


@dataclass(frozen=True)
class Candidate:
    """A component of a cgroup path that may name a container: a runtime's files have to confirm it."""

    name: str
    parent: str
    """The component above it; may be empty."""
    path: str
    """The path down to it."""


def is_id(text: str) -> bool:
    """Return whether a text from outside is safe as one component of a path."""
    return _WORD.fullmatch(text) is not None and text not in (".", "..")
