"""Wrap sentences to the columns of a terminal."""

from __future__ import annotations

import re
import textwrap

from sigtrace.text import columns

_COMMAND = re.compile("`[^`]*`")
_NO_BREAK, _SECOND = "\xa0", "\0"
"""A blank that textwrap does not break at, and the second column of a wide character: textwrap counts characters."""


def wrap(text: str, width: int) -> list[str]:
    """Return printable text in lines of at most `width` columns; nothing is broken at a hyphen, as names have them."""
    return _lines(text, width, long_words=True)


def wrapped(sentence: str, width: int = 80) -> str:
    """Return a sentence in lines. A command in it, `like this`, is kept on one line, so that it can be copied."""
    kept = _COMMAND.sub(lambda found: found[0].replace(" ", _NO_BREAK), sentence)
    return "\n".join(_lines(kept, width, long_words=False)).replace(_NO_BREAK, " ")


def _lines(text: str, width: int, long_words: bool) -> list[str]:
    if columns(text) > len(text):
        text, width = "".join(char + _SECOND * (columns(char) - 1) for char in text), width - 1
    lines = textwrap.wrap(text, width, break_long_words=long_words, break_on_hyphens=False)
    return [line.replace(_SECOND, "") for line in lines]
