"""Bytes the kernel hands out (comm, command lines, cgroup names) are chosen by whoever runs a process.

`decode` keeps them faithful as text; `printable` makes any text harmless on a terminal.
"""

from __future__ import annotations

import bisect
import unicodedata

_ELLIPSIS = "…"
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
    cut = bisect.bisect_left(range(len(text)), width, key=lambda length: columns(text[:length]))
    return text[: max(cut - 1, 0)] + _ELLIPSIS


def padded(text: str, width: int) -> str:
    """The text with blanks after it up to `width` columns; a wider one as it is."""
    return text + " " * (width - columns(text))


def columns(text: str) -> int:
    """How many columns a terminal gives the text: two for an East Asian or an emoji, none for a combining mark."""
    if text.replace(_ELLIPSIS, "").isascii():
        return len(text)
    from rich.cells import cell_len  # 20 ms, for those who meet such a name

    return cell_len(text)


def _show(char: str) -> str:
    if unicodedata.category(char) not in _HIDDEN:
        return char
    if char in _ALIAS:
        return _ALIAS[char]
    point = ord(char)
    return f"\\x{point:02x}" if point < 0x100 else f"\\u{point:04x}" if point < 0x10000 else f"\\U{point:08x}"
