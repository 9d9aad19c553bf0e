"""A program that passes signals on, with its options: what it makes of each signal. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

Reach = Literal["nobody", "child", "group", "children", "everyone"]
"""To whom it sends a signal: the child that it has started (kill(child)), the process group of that child
(kill(-child)), all its children, or every process of its namespace (kill(-1))."""

Ends = Literal["never", "at once", "with child", "with children", "after grace"]
"""When it ends: not on this signal; without waiting for anybody; when that child has ended; when all its children have;
the same, but by SIGKILL to them after a while of its own."""


@dataclass(frozen=True)
class Act:
    """What a program does with one signal that it takes."""

    to: Reach = "nobody"
    signal: int = 0
    """The signal that it sends; 0 = none."""
    ends: Ends = "never"
    does: str = ""
    """What it does besides or instead, as a verb phrase: `re-executes itself`; empty if nothing."""
    grace: str = ""
    """How long it waits before it sends SIGKILL: `1 s`, with the setting where there is one; empty if it sends none."""
    seconds: int = 0
    """The same if it is fixed and known; else 0."""
    unless: str = ""
    """A setting that /proc does not show, and that would change this; empty without one."""


@dataclass(frozen=True)
class Forwarder:
    """A program that passes signals on, with the options that it was started with."""

    name: str
    acts: Mapping[int, Act]
    """The signals that it treats in a special way."""
    other: Act
    """What it does with all others that it takes."""
    waits: bool = False
    """It blocks signals, and takes them by sigtimedwait(2) between other work, such as a sleep of a second."""

    def act(self, signal: int) -> Act:
        """Return what it does with a signal that it takes."""
        found = self.acts.get(signal, self.other)
        passes_as_is = found.to != "nobody" and not found.signal
        return replace(found, signal=signal) if passes_as_is else found
