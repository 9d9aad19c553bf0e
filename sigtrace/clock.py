"""Kernel time -> wall time: records carry CLOCK_BOOTTIME, which runs through suspend and never steps."""

from __future__ import annotations

import contextlib
import functools
import time
from typing import TYPE_CHECKING, TypeAlias

from sigtrace.errors import BadInput

if TYPE_CHECKING:
    from datetime import datetime

from sigtrace.units import SECOND

TICK_NS = 10_000_000
"""What /proc counts start times in: 1 s / USER_HZ."""
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
    return best[1] + boottime_offset()


@functools.cache
def boottime_offset() -> int:
    """Nanoseconds by which this process's time namespace shifts CLOCK_BOOTTIME: what it reads, less the kernel's own.

    time_namespaces(7). /proc shows start times shifted alike; the kernel's records know nothing of it.
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
    """CLOCK_BOOTTIME now as the kernel's records have it, in ns."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) - boottime_offset()


def kernel_ticks(shown: int) -> int:
    """A start time as /proc shows it in our time namespace, in clock ticks, as the kernel's records have it."""
    return shown - boottime_offset() // TICK_NS


Time: TypeAlias = "int | str | datetime"
"""A moment: ns UTC, a datetime (without a zone: UTC) or ISO 8601."""


def nanoseconds(moment: Time) -> int:
    """A moment as ns UTC. Raises BadInput for text that is not ISO 8601."""
    from datetime import datetime, timezone

    if isinstance(moment, int):
        return moment
    if isinstance(moment, datetime):
        aware = moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)
        return round(aware.timestamp() * 1_000_000) * 1000
    with contextlib.suppress(ValueError):
        return nanoseconds(datetime.fromisoformat(moment.strip().replace("Z", "+00:00")))
    raise BadInput(f"{moment!r} is no time: write it in UTC, as 2026-11-22T07:53:45")


def iso(moment: int) -> str:
    """`2026-11-22T07:53:45.894510Z`: ns UTC, cut to microseconds."""
    whole, rest = divmod(moment, SECOND)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(whole))}.{rest // 1000:06d}Z"
