"""Convert kernel time to wall time. Records carry CLOCK_BOOTTIME, which includes suspend and never steps."""

from __future__ import annotations

import functools
import time

from sigtrace.units import SECOND

TICK_NS = 10_000_000
"""The unit of start times in /proc: 1 s / USER_HZ."""
_TRIES = 5
"""Readings of the clocks. A preempted one is much wider than the others and is not chosen."""


def boot_to_utc() -> int:
    """Return the nanoseconds to add to CLOCK_BOOTTIME to get UTC, right now.

    Wall time can be stepped, so call it for each batch. Takes the narrowest of a few readings: accurate to well
    under a microsecond on an idle CPU.
    """
    best: tuple[int, int] | None = None
    for _ in range(_TRIES):
        before = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        wall = time.clock_gettime_ns(time.CLOCK_REALTIME)
        after = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        reading = (after - before, wall - (before + after) // 2)
        best = min(best, reading) if best else reading
    assert best is not None
    return best[1] + boottime_offset()


@functools.cache
def boottime_offset() -> int:
    """Return the offset of CLOCK_BOOTTIME in this process's time namespace, in ns (time_namespaces(7)).

    /proc shifts start times by the same offset; the kernel's records are not shifted.
    """
    try:
        with open("/proc/self/timens_offsets") as file:
            for line in file:
                name, seconds, nanoseconds = line.split()
                if name in ("boottime", "7"):
                    return int(seconds) * SECOND + int(nanoseconds)
    except OSError:  # a kernel without time namespaces
        pass
    return 0


def kernel_ns() -> int:
    """Return the current CLOCK_BOOTTIME without the time namespace's offset, as in the kernel's records, in ns."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) - boottime_offset()


def kernel_ticks(start_ticks: int) -> int:
    """Remove the time namespace's offset from a start time of /proc. Both are in clock ticks."""
    return start_ticks - boottime_offset() // TICK_NS


def iso(moment: int) -> str:
    """Format ns UTC as `2026-11-22T07:53:45.894510Z`, truncated to microseconds."""
    whole, rest = divmod(moment, SECOND)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(whole))}.{rest // 1000:06d}Z"
