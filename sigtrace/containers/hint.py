"""What cgroup paths and command lines say of a container, before any file is read: what runtimes are asked about."""

from __future__ import annotations

import re
from dataclasses import dataclass

from sigtrace.containers.place import User

HEX = "[0-9a-f]{64}"
"""A regular expression: an ID as most runtimes make them."""
NAME = "[0-9a-zA-Z_.-]+"
"""A regular expression: an ID that people choose."""
_WORD = re.compile(r"[0-9a-zA-Z_.-]{1,255}")


@dataclass(frozen=True)
class Clue:
    """A container somebody mentioned. IDs are safe as one component of a path."""

    id: str
    runtime: str = ""
    """As in `Container`; empty if it is not said."""
    name: str = ""
    pod_id: str = ""
    """Of podman."""
    namespace: str = ""
    """Of containerd."""
    bundle: str = ""
    """The directory with its config.json, where a process of root names it."""
    path: str = ""
    """The cgroup path as far as it names the container; empty if no cgroup does."""
    user: User | None = None
    """Whose container it is; None = root's."""
    pid: int = 0
    """Its init, or a process in it; 0 = not known."""
    proc: str = "/proc"
    words: tuple[str, ...] = ()
    """The command line of the process's parent, where that is a runtime's monitor."""

    def may_be(self, *runtimes: str) -> bool:
        """Whether nothing speaks against one of these runtimes."""
        return self.runtime in ("", *runtimes)


@dataclass(frozen=True)
class Candidate:
    """A component of a cgroup path that would name a container if some runtime's files agree."""

    name: str
    parent: str
    """The component above it; may be empty."""
    path: str
    """The path down to it."""


def is_id(text: str) -> bool:
    """Whether a text that others chose can stand in a path, as one component."""
    return _WORD.fullmatch(text) is not None and text not in (".", "..")
