"""How long tests wait before they count something as hung: on a slow machine, SIGTRACE_PATIENCE times longer."""

from __future__ import annotations

import time
from collections.abc import Callable

from sigtrace.lab.channel import PATIENCE


def patient(seconds: float) -> float:
    """Return the seconds to wait on this machine for what takes an idle one at most `seconds`."""
    return seconds * PATIENCE


def until(condition: Callable[[], object], seconds: float = 20) -> None:
    """Wait until it holds; fails if that takes longer than it takes an idle machine at most."""
    deadline = time.monotonic() + patient(seconds)
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)
