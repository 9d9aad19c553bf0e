"""Formats numbers, spans of time and sizes, in the same way for all commands, charts and reports."""

from __future__ import annotations

SECOND = 1_000_000_000
"""ns."""
MINUTE, HOUR, DAY = 60 * SECOND, 3600 * SECOND, 86_400 * SECOND
_SPANS = (("us", 1000), ("ms", 1_000_000), ("s", SECOND), ("min", MINUTE), ("h", HOUR), ("d", DAY))
_AGES = (("s", 1, 100), ("m", 60, 100), ("h", 3600, 48), ("d", 86_400, 1000))
"""Unit, seconds, and the number of units from which on the next one is used."""


def plural(count: int, noun: str, nouns: str = "") -> str:
    """Return `signal` for one, else `signals`, or `nouns` for an irregular plural."""
    return noun if count == 1 else nouns or f"{noun}s"


def number(count: int, noun: str, nouns: str = "") -> str:
    """Return a number with its noun: `1 signal`, `2,000 signals`, `0 signals`."""
    return f"{count:,} {plural(count, noun, nouns)}"


def duration(ns: int) -> str:
    """Return a duration for sentences: `0.3 ms`, `10.01 s`, `2 min 5 s`, `1 h 8 min`."""
    if ns < SECOND // 10:
        return f"{ns / 1_000_000:.1f} ms"
    if ns < 100 * SECOND:
        return f"{ns / SECOND:.2f} s"
    minutes, rest = divmod(ns // SECOND, 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def span(ns: float) -> str:
    """Return a span in three digits and one unit, for axes and sums: `80 us`, `100 ms`, `11.5 s`, `2.5 h`."""
    place = next(place for place in range(len(_SPANS)) if place + 1 == len(_SPANS) or _fits(ns, place))
    unit, scale = _SPANS[place]
    return f"{_three_digits(ns / scale):.15g} {unit}"


def _fits(ns: float, place: int) -> bool:
    """Whether it is less than one of the next unit after rounding."""
    scale = _SPANS[place][1]
    return _three_digits(ns / scale) * scale < _SPANS[place + 1][1]


def _three_digits(value: float) -> float:
    return float(f"{value:.3g}")


def age(seconds: float) -> str:
    """Return an age in four columns at most: `45s`, `12m`, `47h`, `999d`, `3y`."""
    for unit, size, most in _AGES:
        if seconds < size * most:
            return f"{int(seconds // size)}{unit}"
    return f"{int(seconds // (365 * 86_400))}y"


def size(count: int) -> str:
    """Return a number of bytes in three digits and powers of 1024: `512 B`, `64 KiB`, `1.5 MiB`, `16 GiB`."""
    scaled, units = float(count), iter(("B", "KiB", "MiB", "GiB", "TiB"))
    unit = next(units)
    for larger in units:
        if round(scaled, 1) < 1000:
            break
        scaled, unit = scaled / 1024, larger
    return f"{_three_digits(scaled):.15g} {unit}"
