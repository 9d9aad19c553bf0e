"""Formats times for people, and chooses the ticks of a time axis. Everything is UTC."""

from __future__ import annotations

from datetime import datetime, timezone

from sigtrace.clock import iso
from sigtrace.units import DAY, HOUR, MINUTE, SECOND

__all__ = ["clock", "day", "iso", "stamp", "step", "ticks"]

_STEPS: tuple[int, ...] = (
    *(digit * 10**power for power in range(3, 9) for digit in (1, 2, 5)),
    *(SECOND * count for count in (1, 2, 5, 10, 15, 30)),
    *(MINUTE * count for count in (1, 2, 5, 10, 15, 30)),
    *(HOUR * count for count in (1, 2, 3, 6, 12)),
    *(DAY * count for count in (1, 2, 7, 14, 28, 91, 182, 364)),
)
"""Spans between ticks, from a microsecond to a year, in ns; templates/script.js has the same."""


def clock(time: int, digits: int = 3) -> str:
    """Return the time of day of ns UTC, with so many digits of a second (0 to 9): `07:53:45.894`."""
    whole, rest = divmod(time, SECOND)
    text = _at(whole).strftime("%H:%M:%S")
    return f"{text}.{rest:09d}"[: len(text) + 1 + digits] if digits else text


def stamp(time: int) -> str:
    """`2026-11-22 07:53:45`."""
    return _at(time // SECOND).strftime("%Y-%m-%d %H:%M:%S")


def day(time: int) -> str:
    """`2026-11-22`."""
    return stamp(time)[:10]


def step(begin: int, end: int, most: int) -> int:
    """Return the shortest round span, in ns, that divides this time into at most `most` parts."""
    return next((each for each in _STEPS if end - begin <= each * most), _STEPS[-1])


def ticks(begin: int, end: int, most: int = 3) -> list[tuple[int, str]]:
    """Return the round times between two, at most `most` + 1, each with its label."""
    width = step(begin, end, most)
    first = -(-begin // width) * width
    return [(time, _label(time, width)) for time in range(first, end + 1, width)]


def _label(time: int, width: int) -> str:
    if width >= DAY:
        return stamp(time)[5:10]
    if width >= MINUTE:
        return stamp(time)[11:16]
    digits = 0 if width >= SECOND else 3 if width >= 10**6 else 6
    return clock(time, digits)


def _at(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, timezone.utc)
