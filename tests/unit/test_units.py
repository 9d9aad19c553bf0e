"""Numbers, spans of time and sizes, as people read them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sigtrace.units import DAY, HOUR, MINUTE, SECOND, age, duration, number, plural, size, span

_MS, _US = SECOND // 1000, SECOND // 1_000_000


def test_one_is_singular_and_everything_else_plural() -> None:
    assert [number(count, "signal") for count in (0, 1, 2, 2000)] == [
        "0 signals",
        "1 signal",
        "2 signals",
        "2,000 signals",
    ]
    assert (plural(1, "process", "processes"), plural(2, "process", "processes")) == ("process", "processes")


@pytest.mark.parametrize(
    ("ns", "text"),
    [
        (0, "0.0 ms"),
        (300 * _US, "0.3 ms"),
        (99 * _MS, "99.0 ms"),
        (100 * _MS, "0.10 s"),
        (10_010 * _MS, "10.01 s"),
        (125 * SECOND, "2 min 5 s"),
        (HOUR + 8 * MINUTE + 59 * SECOND, "1 h 8 min"),
        (50 * HOUR, "50 h 0 min"),
    ],
)
def test_a_duration_in_a_sentence(ns: int, text: str) -> None:
    assert duration(ns) == text


@pytest.mark.parametrize(
    ("ns", "text"),
    [
        (0, "0 us"),
        (80 * _US, "80 us"),
        (500 * _US, "500 us"),
        (100 * _MS, "100 ms"),
        (11_500 * _MS, "11.5 s"),
        (10_001 * _MS, "10 s"),
        (5 * MINUTE, "5 min"),
        (150 * MINUTE, "2.5 h"),
        (364 * DAY, "364 d"),
        (999_960 * _US, "1 s"),  # not 1e+03 ms
        (59_970 * _MS, "1 min"),  # not 60 s
        (12_345 * DAY, "12300 d"),
    ],
)
def test_a_span_has_three_digits_and_one_unit(ns: int, text: str) -> None:
    assert span(ns) == text


@given(st.integers(min_value=_US, max_value=999 * DAY))
def test_a_span_says_what_it_was_given_to_half_a_percent(ns: int) -> None:
    digits, unit = span(ns).split()
    scale = {"us": _US, "ms": _MS, "s": SECOND, "min": MINUTE, "h": HOUR, "d": DAY}[unit]
    assert float(digits) * scale == pytest.approx(ns, rel=0.0051)
    assert "e" not in digits


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (99.9, "99s"),
        (100, "1m"),
        (5999, "99m"),
        (6000, "1h"),
        (47 * 3600, "47h"),
        (48 * 3600, "2d"),
        (999 * 86_400, "999d"),
        (1000 * 86_400, "2y"),
    ],
)
def test_an_age_in_a_column(seconds: float, text: str) -> None:
    assert age(seconds) == text


@given(st.floats(min_value=0, max_value=9e9))
def test_an_age_has_four_columns_at_most(seconds: float) -> None:
    assert len(age(seconds)) <= 4


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (512, "512 B"),
        (1023, "0.999 KiB"),
        (64 << 10, "64 KiB"),
        (8 << 20, "8 MiB"),
        (3 << 19, "1.5 MiB"),
        (16 << 30, "16 GiB"),
    ],
)
def test_a_size_in_powers_of_1024(count: int, text: str) -> None:
    assert size(count) == text
