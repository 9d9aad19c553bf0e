"""What is asked of a check: the signal, the grace period, when the command counts as ready, and what passes."""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass
from typing import Literal

from sigtrace.errors import BadInput
from sigtrace.moments import span
from sigtrace.signals import TERM
from sigtrace.units import SECOND, duration

_LAST_PORT = 65_535


@dataclass(frozen=True)
class Ready:
    """When a command counts as ready to be stopped."""

    kind: Literal["settled", "time", "output", "port"] = "settled"
    """settled: nothing about its processes has changed for a while. time: after so many seconds. output: once it has
    printed something. port: once a TCP port listens."""
    seconds: float = 0
    pattern: re.Pattern[str] | None = None
    port: int = 0

    def __str__(self) -> str:
        return {
            "settled": "settled by itself",
            "time": f"waited for {duration(self.seconds * SECOND)}",
            "output": f"printed {self.pattern.pattern if self.pattern else ''}",
            "port": f"listens on port {self.port}",
        }[self.kind]


@dataclass(frozen=True)
class Plan:
    """How to check. Times in seconds."""

    signal: int = TERM
    grace: float = 10.0
    """From the signal to SIGKILL."""
    most: float = 0.0
    """The longest stop that passes; 0: as long as the grace period."""
    ready: Ready = Ready()
    ready_within: float = 60.0
    quick: bool = False
    """Stop it once, and no more."""
    uncovered: tuple[str, ...] = ()
    """What of it is not checked, in sentences."""


def parse_ready(text: str) -> Ready:
    """Parse `2s`, `8080` (a port) or a regular expression. Raises BadInput."""
    if (ns := span(text)) is not None:
        return Ready("time", seconds=ns / SECOND)
    if text.isascii() and text.isdigit():
        if not 0 < int(text[:6]) <= _LAST_PORT:
            raise BadInput(
                f"{text} is not a TCP port: use 1 to {_LAST_PORT}, or write a duration with its unit (2s)."
            )
        return Ready("port", port=int(text))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what a later Python may read in another way
            return Ready("output", pattern=re.compile(text))
    except (re.error, OverflowError, RecursionError, ValueError) as err:
        raise BadInput(
            f"{text!r} is neither a duration (2s), nor a port, nor a regular expression: {err}."
        ) from err
