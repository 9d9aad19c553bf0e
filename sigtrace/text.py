"""Text from the kernel (comm, command lines, cgroup names), which any process can choose freely.

`decode` converts bytes to text without loss; `printable` makes any text safe for a terminal.
"""

from __future__ import annotations

import bisect
import unicodedata

_ELLIPSIS = "…"
_ALIAS = {"\n": "\\n", "\t": "\\t", "\r": "\\r"}
_HIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
"""Unicode categories that move the cursor, reorder or hide text."""


def decode(raw: bytes) -> str:
    """Decode kernel bytes up to the first NUL; bytes that are not UTF-8 become `\\xNN`."""
    return raw.split(b"\0", 1)[0].decode("utf-8", "backslashreplace")


def printable(text: str) -> str:
    """Replace each control, format and invisible character by an escape (`\\x1b`, `\\u202e`)."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_show(char) for char in text)


def shorten(text: str, width: int) -> str:
    """Make the text printable and cut it to `width` columns; an ellipsis stands for what was cut."""
    text = printable(text)
    if columns(text) <= width:
        return text
    cut = bisect.bisect_left(range(len(text)), width, key=lambda length: columns(text[:length]))
    return text[: max(cut - 1, 0)] + _ELLIPSIS


def padded(text: str, width: int) -> str:
    """The text with blanks after it up to `width` columns; a wider one as it is."""
    return text + " " * (width - columns(text))


def columns(text: str) -> int:
    """Count the terminal columns of the text: two for East Asian characters and emoji, none for combining marks."""
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
