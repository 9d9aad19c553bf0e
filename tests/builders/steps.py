"""How much Python something takes, which no busy machine changes: the lines that are run."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any


class Steps:
    """The lines of Python run so far, those of libraries included."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, frame: FrameType, event: str, argument: Any) -> Steps:
        self.count += event == "line"
        return self


@contextmanager
def counting() -> Iterator[Steps]:
    """Count the lines that this thread runs within the block."""
    steps, before = Steps(), sys.gettrace()
    sys.settrace(steps)
    try:
        yield steps
    finally:
        sys.settrace(before)
