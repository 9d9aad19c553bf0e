"""Numbers, durations and sizes, as people read them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import sigtrace
from sigtrace.units import DAY, HOUR, MINUTE, SECOND, age, duration, number, plural, size

_MS, _US = SECOND // 1000, SECOND // 1_000_000
_ARGUMENTS = {"host.py", "wire.py"}
"""They write `5s` for a command's option, and for struct.pack."""


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
        (0, "0 s"),
        (1, "0.001 us"),
        (17 * _US, "17 us"),
        (99_500, "99.5 us"),
        (4_680 * _US, "4.68 ms"),
        (310 * _MS, "310 ms"),
        (999_960 * _US, "1 s"),  # not 1e+03 ms
        (10_001 * _MS, "10 s"),
        (10_010 * _MS, "10.01 s"),
        (11_500 * _MS, "11.5 s"),
        (59_990 * _MS, "59.99 s"),
        (59_997 * _MS, "1 min"),  # not 60 s
        (125 * SECOND, "2 min 5 s"),
        (HOUR + 8 * MINUTE + 59 * SECOND, "1 h 8 min"),
        (150 * MINUTE, "2 h 30 min"),
        (50 * HOUR, "2 d 2 h"),
        (12_345 * DAY, "12,345 d"),
    ],
)
def test_a_duration(ns: int, text: str) -> None:
    assert duration(ns) == text


@given(st.integers(min_value=0, max_value=999 * DAY))
def test_a_duration_says_what_it_was_given_to_one_of_its_last_unit(ns: int) -> None:
    scale = {"us": _US, "ms": _MS, "s": SECOND, "min": MINUTE, "h": HOUR, "d": DAY}
    words = duration(ns).split()
    said = sum(float(digits) * scale[unit] for digits, unit in zip(words[::2], words[1::2], strict=True))
    assert said == pytest.approx(ns, rel=0.042, abs=1)  # `1 d` may be 59 min more
    assert said == pytest.approx(ns, rel=0.0051, abs=1) or ns > MINUTE
    assert "e" not in "".join(words[::2])


def test_no_other_module_writes_durations_of_its_own() -> None:
    own = re.compile(r"\{[^{}]+\} ?(seconds|minutes|us|ms|s|min|h)\b")
    code = [path for path in Path(sigtrace.__file__).parent.rglob("*.py") if path.name != "units.py"]
    lines = [(path.name, line) for path in code for line in path.read_text().splitlines()]
    assert [line for name, line in lines if own.search(line) and name not in _ARGUMENTS] == []


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
