"""Text that whoever runs a process has chosen: faithful, and harmless on a terminal."""

from __future__ import annotations

import pytest

from sigtrace.text import decode, printable, shorten


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
        ("plain", "plain"),
    ],
)
def test_nothing_that_moves_hides_or_reorders_reaches_the_terminal(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_long_text_is_cut_with_an_ellipsis_after_it_was_escaped() -> None:
    assert shorten("abcdef", 6) == "abcdef"
    assert shorten("abcdefg", 6) == "abcde…"
    assert shorten("\x1b\x1b", 5) == "\\x1b…"
