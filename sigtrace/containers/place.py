"""Descriptions of the directories in which runtimes keep their files. No I/O."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Root:
    """A directory of a runtime, as in the runtime's own configuration. The user may give others by `name`."""

    name: str
    """Its name in $SIGTRACE_ROOTS: `docker-run`."""
    defaults: tuple[str, ...]
    """Root's, as paths on the host, in the order in which they are tried."""
    at_home: str = ""
    """A rootless user's, relative to the user's home; empty if there is none."""
    running: str = ""
    """A rootless user's, relative to /run/user/UID; empty if there is none."""


@dataclass(frozen=True)
class Place:
    """A directory to read from: `below`, inside `directory`."""

    directory: str
    below: str = ""
    confined: bool = False
    """It belongs to a user: links and mounts that lead out of `directory` are refused."""


@dataclass(frozen=True)
class User:
    """The owner of rootless containers."""

    uid: int
    home: str = ""
    """Empty if not known, or not safe to read from."""
