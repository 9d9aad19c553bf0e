"""A file or directory that is being written leaves nothing, wherever a signal interrupts it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from sigtrace.export import new_path


class Interruption:
    """Raises KeyboardInterrupt at a line of new_path.py: at the one with this number, counted from the first run."""

    def __init__(self, at: int) -> None:
        self.left = at

    def __call__(self, frame: FrameType, event: str, argument: Any) -> Interruption | None:
        if frame.f_code.co_filename != new_path.__file__:
            return None
        if event == "line":
            self.left -= 1
            if self.left == 0:
                raise KeyboardInterrupt
        return self


@pytest.mark.parametrize(
    "begun",
    [
        lambda path: new_path.new_file(path, force=False),
        lambda path: new_path.new_directory(path, False, frozenset()),
    ],
    ids=["file", "directory"],
)
def test_an_interrupt_at_any_line_before_the_contents_leaves_nothing(
    begun: Callable[[Path], AbstractContextManager[object]], tmp_path: Path
) -> None:
    for line in range(1, 100):
        traced = sys.gettrace()
        sys.settrace(Interruption(line))
        try:
            with begun(tmp_path / "out"):
                sys.settrace(traced)
                break
        except KeyboardInterrupt:
            pass
        finally:
            sys.settrace(traced)
        assert list(tmp_path.iterdir()) == [], f"interrupted at line {line}"
    assert 10 < line < 100
    assert (tmp_path / "out").exists()
