"""Formats numbers, durations and sizes, in the same way for all commands, charts and reports; and reads sizes."""

from __future__ import annotations

import re

from sigtrace.errors import BadInput

SECOND = 1_000_000_000
"""ns."""
MINUTE, HOUR, DAY = 60 * SECOND, 3600 * SECOND, 86_400 * SECOND
_SHORT = (("us", 1000), ("ms", 1_000_000))
"""Unit, ns."""
_SIZE = re.compile(r"(\d{1,18}(?:\.\d+)?) ?(?:([KMGT])i?B?|B|)", re.I)
_LONG = (("d", 86_400, "h", 3600), ("h", 3600, "min", 60), ("min", 60, "s", 1))
"""Unit and its seconds, the next smaller unit and its seconds."""
_AGES = (("s", 1, 100), ("m", 60, 100), ("h", 3600, 48), ("d", 86_400, 1000))
"""Unit, seconds, and the number of units from which on the next one is used."""


def plural(count: int, noun: str, nouns: str = "") -> str:
    """Return `signal` for one, else `signals`, or `nouns` for an irregular plural."""
    return noun if count == 1 else nouns or f"{noun}s"


def number(count: int, noun: str, nouns: str = "") -> str:
    """Return a number with its noun: `1 signal`, `2,000 signals`, `0 signals`."""
    return f"{count:,} {plural(count, noun, nouns)}"


def duration(ns: float) -> str:
    """Return a duration, wherever it is written: `17 us`, `4.7 ms`, `310 ms`, `10.01 s`, `2 min 5 s`, `1 h 8 min`.

    Below a second it has three digits, below a minute it is exact to 10 ms; above, it has two units, rounded down.
    """
    for unit, scale in _SHORT:
        if ns and (value := _three_digits(ns / scale)) < 1000:
            return f"{value:.15g} {unit}"
    if (seconds := round(ns / SECOND, 2)) < 60:
        return f"{seconds:.15g} s"
    whole = round(ns / SECOND)
    unit, length, smaller, part = next(each for each in _LONG if whole >= each[1])
    rest = whole % length // part
    return f"{whole // length:,} {unit}" + (f" {rest} {smaller}" if rest else "")


def _three_digits(value: float) -> float:
    return float(f"{value:.3g}")


def age(seconds: float) -> str:
    """Return an age for a column of a table, of four characters at most: `45s`, `12m`, `47h`, `999d`, `3y`."""
    for unit, size, most in _AGES:
        if seconds < size * most:
            return f"{int(seconds // size)}{unit}"
    return f"{int(seconds // (365 * 86_400))}y"


def bytes_of(text: str, least: int = 1) -> int:
    """Return the bytes of `500M`, `1GiB` or a number, in powers of 1024. Raises BadInput, also below `least`."""
    found = _SIZE.fullmatch(text.strip())
    if not found:
        raise BadInput(f"{text!r} is not a size: write it as 500MiB or 1GiB.")
    count = int(float(found[1]) * 1024 ** " KMGT".index((found[2] or " ").upper()))
    if count < least:
        raise BadInput(f"{text!r} is too small: give at least {least >> 20}MiB.")
    return count


def size(count: int) -> str:
    """Return a number of bytes in three digits and powers of 1024: `512 B`, `64 KiB`, `1.5 MiB`, `16 GiB`."""
    scaled, units = float(count), iter(("B", "KiB", "MiB", "GiB", "TiB"))
    unit = next(units)
    for larger in units:
        if round(scaled, 1) < 1000:
            break
        scaled, unit = scaled / 1024, larger
    return f"{_three_digits(scaled):.15g} {unit}"
