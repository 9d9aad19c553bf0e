"""Text that whoever runs a process has chosen: faithful, and harmless on a terminal."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wcwidth import wcswidth

from sigtrace.text import columns, decode, padded, printable, shorten, shorten_start
from tests.builders.steps import counting


def test_bytes_that_are_not_utf8_stay_readable() -> None:
    assert decode(b"caf\xc3\xa9 \xff") == "café \\xff"


def test_text_ends_at_the_first_nul() -> None:
    assert decode(b"sh\0garbage") == "sh"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred", "\\x1b[31mred"),
        ("two\nlines\t\r", "two\\nlines\\t\\r"),
        ("\x9b2J", "\\x9b2J"),
        ("evil\u202egnp.exe", "evil\\u202egnp.exe"),
        ("a\u200bb", "a\\u200bb"),
        ("\U000e0001", "\\U000e0001"),
        ("naïve 日本", "naïve 日本"),
        ("ที่", "ที่"),
        ("e" + "\u0301" * 5, "e" + "\u0301" * 3 + "\\u0301\\u0301"),
        ("e\u20dd\u0301\u20dd\u20dda", "e\u20dd\u0301\u20dd\\u20dda"),
        ("a\u3164b", "a\\u3164b"),
        ("plain", "plain"),
    ],
)
def test_nothing_that_moves_hides_or_reorders_reaches_the_terminal(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_long_text_is_cut_with_an_ellipsis_after_it_was_escaped() -> None:
    assert shorten("abcdef", 6) == "abcdef"
    assert shorten("abcdefg", 6) == "abcde…"
    assert shorten("\x1b\x1b", 5) == "\\x1b…"


def test_the_end_is_kept_of_what_is_told_apart_by_it() -> None:
    assert shorten_start("abcdef", 6) == "abcdef"
    assert shorten_start("abcdefg", 6) == "…cdefg"
    assert shorten_start("名前の付いた", 5) == "…いた"
    assert shorten_start("x" * 100 + "\x1b", 5) == "…\\x1b"


@pytest.mark.parametrize("cut", [shorten, shorten_start])
@pytest.mark.parametrize("text", ["a", "日", "e\u0301", "e" + "\u0301" * 9, "\x1b", "\u1112\u1161\u11ab"])
def test_a_long_text_costs_no_more_than_its_part_that_is_shown(
    cut: Callable[[str, int], str], text: str
) -> None:
    with counting() as steps:
        shown = cut(text * 1_000_000, 20)
    assert 18 <= columns(shown) <= 20
    assert "…" in shown
    assert steps.count < 100_000


NAMES = {
    "ascii": "web-1",
    "our own ellipsis": "web…",
    "East Asian": "日本語",
    "half width": "ｱｲｳ",
    "emoji": "👍-1",
    "a skin tone": "👍🏽",
    "a heart made an emoji": "❤\ufe0f",
    "a flag": "🇩🇪",
    "joined emoji, escaped": printable("👨\u200d👩\u200d👧"),
    "a combining accent": "cafe\u0301",
    "Thai vowels": "ที่",
    "Hangul": "한글",
    "Hangul by its letters": "\u1112\u1161\u11ab",
    "a keycap": "1\ufe0f\u20e3",
}


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_text_takes_the_columns_that_a_terminal_gives_it(name: str) -> None:
    assert columns(name) == wcswidth(name)
    assert wcswidth(padded(name, 20)) == 20


@given(st.text(max_size=40), st.integers(min_value=1, max_value=30))
def test_what_is_shortened_fits_whatever_it_was(text: str, width: int) -> None:
    short = shorten(text, width)
    assert columns(short) <= width
    assert short == printable(text) or short.endswith("…")


def test_a_long_name_is_cut_where_it_has_to_be() -> None:
    assert shorten("日本語日本", 6) == "日本…"
    assert shorten("e\u0301" * 8, 4) == "e\u0301" * 3 + "…"


def test_plain_names_load_nothing_to_be_measured() -> None:
    script = "import sys; from sigtrace.text import *; padded(shorten('a' * 99, 9), 20); print('rich' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", script], text=True) == "False\n"
