"""Bytes the kernel hands out (comm, command lines, cgroup names) are chosen by whoever runs a process.

`decode` keeps them faithful as text; `printable` makes any text harmless on a terminal.
"""

from __future__ import annotations

import unicodedata

_ALIAS = {"\n": "\\n", "\t": "\\t", "\r": "\\r"}
_HIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
"""Unicode categories that move the cursor, reorder or hide text."""


def decode(raw: bytes) -> str:
    """Kernel bytes up to the first NUL as text; bytes that are not UTF-8 become `\\xNN`."""
    return raw.split(b"\0", 1)[0].decode("utf-8", "backslashreplace")


def printable(text: str) -> str:
    """The text with every control, format or invisible character written as an escape (`\\x1b`, `\\u202e`)."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_show(char) for char in text)


def shorten(text: str, width: int) -> str:
    """The printable text, cut to `width` columns with an ellipsis in place of what is left out."""
    text = printable(text)
    if columns(text) <= width:
        return text
    while text and columns(text) >= width:
        text = text[:-1]
    return text + "…"


def columns(text: str) -> int:
    """How many columns a terminal gives the text: two for East Asian wide characters, none for combining ones."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1
        for char in text
    )


def _show(char: str) -> str:
    if unicodedata.category(char) not in _HIDDEN:
        return char
    if char in _ALIAS:
        return _ALIAS[char]
    point = ord(char)
    return f"\\x{point:02x}" if point < 0x100 else f"\\u{point:04x}" if point < 0x10000 else f"\\U{point:08x}"
