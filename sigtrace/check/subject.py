"""What a check is about: something that can be run as PID 1 of a fresh PID namespace, as often as needed."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from sigtrace import signals
from sigtrace.check.output import Output
from sigtrace.lab.actor import Actor


@dataclass(frozen=True)
class End:
    """How a process ended, as its parent collected it."""

    code: int = 0
    """Its exit code, if no signal ended it."""
    signal: int = 0

    @property
    def as_code(self) -> int:
        """The exit code that runtimes and shells show: 128 and the signal's number for one that a signal ended."""
        return 128 + self.signal if self.signal else self.code

    def __str__(self) -> str:
        if self.signal:
            return f"ended by {signals.name(self.signal)}, which runtimes show as exit {self.as_code}"
        return f"exit {self.code}"


class Running(Protocol):
    """A subject that runs, as PID 1 of its own PID namespace."""

    @property
    def pid(self) -> int:
        """Its init, in our PID namespace; 0: not visible here."""

    def send(self, number: int) -> None:
        """Send a signal to the init from the parent namespace. Nothing happens if that has ended."""

    def wait(self, seconds: float) -> End | None:
        """Wait for the end of the init, and so of its namespace; None if it has not ended by then."""

    def door(self) -> Actor | None:
        """Return an actor outside that has entered the PID namespace, whose children are born in it.

        None: it may not.
        """


class Subject(Protocol):
    """Something that can be checked; a context manager, in which it can be run."""

    @property
    def name(self) -> str:
        """What people call it: the command, or the image."""

    def __enter__(self) -> Subject: ...

    def __exit__(self, *error: object) -> None: ...

    def run(self, output: Output) -> AbstractContextManager[Running]:
        """Start it; at the end of the block nothing is left of it. Raises BadInput if it cannot be started."""
