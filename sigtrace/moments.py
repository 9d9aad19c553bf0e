"""Reads points in time and durations as people write them: the same forms in every command and in the library.

UTC, as in everything that sigtrace shows, unless the text has a zone. The host's own zone has no influence: a recording
is often read on another host.
"""

from __future__ import annotations

import contextlib
import re
import time
from numbers import Integral
from typing import TYPE_CHECKING, TypeAlias

from sigtrace.errors import BadInput
from sigtrace.units import DAY, HOUR, MINUTE, SECOND

if TYPE_CHECKING:
    from datetime import datetime

Time: TypeAlias = "int | str | datetime"
"""A point in time: ns UTC, a datetime (UTC if it has no zone) or text in one of the `FORMS`."""

FORMS = (
    "now, today, yesterday, 10m or '2 hours ago', 07:53:45 for its most recent occurrence, 2026-11-22 or "
    "2026-11-22T07:53:45; in UTC unless a zone follows (Z, +02:00)"
)
"""The forms of a point in time, for help texts and errors."""

_UNITS = {
    "ms": SECOND // 1000,
    **dict.fromkeys(("s", "sec", "second"), SECOND),
    **dict.fromkeys(("m", "min", "minute"), MINUTE),
    **dict.fromkeys(("h", "hr", "hour"), HOUR),
    **dict.fromkeys(("d", "day"), DAY),
    **dict.fromkeys(("w", "week"), 7 * DAY),
}
_PART = re.compile(r"(\d{1,15}(?:\.\d{1,9})?) ?(ms|[a-z]+?)s?(?: |(?=\d)|$)", re.ASCII)
_CLOCK = r"(\d{1,2}):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?(?: ?(z|utc|([+-])(\d\d)(?::?(\d\d))?))?"
_TIME_OF_DAY = re.compile(_CLOCK, re.ASCII)
_DATED = re.compile(rf"(?:(\d{{4}})-(\d\d)-(\d\d)|(today|yesterday))(?:[t ]{_CLOCK})?", re.ASCII)
_NUMBER = re.compile(r"\d{1,15}(?:\.\d+)?", re.ASCII)
_LONGEST = 366 * 24 * 3600
"""Seconds."""
_END = 1 << 63
"""ns: a column of times holds less than that, which is in the year 2262."""


def nanoseconds(moment: Time) -> int:
    """Convert a point in time to ns UTC. Raises BadInput for text in none of the `FORMS`, and outside 1970 to 2262."""
    if isinstance(moment, (int, Integral)):  # the latter: a value of a numpy column
        return int(moment)
    found = _of_text(moment) if isinstance(moment, str) else _of_datetime(moment)
    if found is None:
        raise BadInput(f"{moment!r} is not a time: write {FORMS}.")
    if not 0 <= found < _END:
        raise BadInput(f"{str(moment)!r} is not between 1970 and 2262.")
    return found


def seconds(text: str) -> float:
    """Return the seconds of a duration, or of a plain number of them; above 0. Raises BadInput for any other text."""
    word = text.strip()
    found = float(word) if _NUMBER.fullmatch(word) else (span(word) or 0) / SECOND
    if not 0 < found <= _LONGEST:
        raise BadInput(f"{text!r} is not a duration: write it as 250ms, 30s, 5m, 2h or 7d.")
    return found


def span(text: str) -> int | None:
    """Return the ns of `250ms`, `10m`, `1h30m`, `2 hours` or `1.5 days`; None for any other text."""
    total, place = 0, 0
    while found := _PART.match(text, place):
        if found[2] not in _UNITS:
            return None
        whole, _, fraction = found[1].partition(".")
        unit = _UNITS[found[2]]
        total += int(whole) * unit + (int(fraction) * unit // 10 ** len(fraction) if fraction else 0)
        place = found.end()
    return total if 0 < place == len(text) else None


def _of_datetime(moment: datetime) -> int:
    from datetime import datetime, timedelta, timezone

    aware = moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)
    since = (aware - datetime(1970, 1, 1, tzinfo=timezone.utc)) // timedelta(microseconds=1)
    return since * 1000 + getattr(moment, "nanosecond", 0)  # pandas' timestamps have them


def _of_text(text: str) -> int | None:
    words, now = " ".join(text.lower().split()), time.time_ns()
    if words == "now":
        return now
    if (before := span(words.removesuffix(" ago"))) is not None:
        return now - before
    with contextlib.suppress(ValueError):  # the 31st of June, 25:00
        if found := _TIME_OF_DAY.fullmatch(words):
            return now - (now - _time_of_day(found.groups())) % DAY
        if found := _DATED.fullmatch(words):
            year, month, day, word, *clock = found.groups()
            midnight = (
                now - now % DAY - (DAY if word == "yesterday" else 0) if word else _date(year, month, day)
            )
            return midnight + (_time_of_day(tuple(clock)) if clock[0] else 0)
    return None


def _date(year: str, month: str, day: str) -> int:
    """Return midnight of a day in ns UTC. Raises ValueError for a day that no calendar has."""
    from datetime import date

    return (date(int(year), int(month), int(day)) - date(1970, 1, 1)).days * DAY


def _time_of_day(clock: tuple[str | None, ...]) -> int:
    """Return the ns since midnight UTC of the groups of `_CLOCK`; raises ValueError for an hour that no day has."""
    hour, minute, second, fraction, _zone, sign, east, east_minutes = clock
    parts = (int(hour or 0), int(minute or 0), int(second or 0), int(east or 0), int(east_minutes or 0))
    if any(part >= most for part, most in zip(parts, (24, 60, 60, 24, 60), strict=True)):
        raise ValueError(clock)
    since = parts[0] * HOUR + parts[1] * MINUTE + parts[2] * SECOND + int((fraction or "").ljust(9, "0"))
    ahead = parts[3] * HOUR + parts[4] * MINUTE
    return since + ahead if sign == "-" else since - ahead
