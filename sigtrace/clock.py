"""Kernel time -> wall time: records carry CLOCK_BOOTTIME, which runs through suspend and never steps."""

from __future__ import annotations

import time

_TRIES = 5


def boot_to_utc() -> int:
    """Nanoseconds to add to CLOCK_BOOTTIME to get UTC, right now.

    Wall time can be stepped, so ask per batch. The narrowest of a few readings is taken: good to well under a
    microsecond on an idle CPU.
    """
    best: tuple[int, int] | None = None
    for _ in range(_TRIES):
        before = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        wall = time.clock_gettime_ns(time.CLOCK_REALTIME)
        after = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        reading = (after - before, wall - (before + after) // 2)
        best = min(best, reading) if best else reading
    assert best is not None
    return best[1]
