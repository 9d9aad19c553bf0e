"""Directories: where a runtime keeps its files, and which of them one looks into. No I/O."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Root:
    """A directory of a runtime's, as its own configuration has it. People may give others by `name`."""

    name: str
    """What people call it in $SIGTRACE_ROOTS: `docker-run`."""
    defaults: tuple[str, ...]
    """Where root's is, as the host sees it, in the order they are tried."""
    at_home: str = ""
    """A user's own, below the user's home; empty if it is not there."""
    running: str = ""
    """A user's own, below /run/user/UID; empty if it is not there."""


@dataclass(frozen=True)
class Place:
    """A directory to look into: `below`, inside `directory`."""

    directory: str
    below: str = ""
    confined: bool = False
    """It is a user's own: no link and no mount leads out of `directory`."""


@dataclass(frozen=True)
class User:
    """Whose containers they are when they are not root's (rootless)."""

    uid: int
    home: str = ""
    """Empty if it is not known, or not safe to look into."""
