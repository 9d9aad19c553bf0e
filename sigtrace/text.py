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
_FILLERS = "\u115f\u1160\u3164\uffa0"
"""Letters of Hangul that nothing is drawn of."""
_MARKS, _MOST_MARKS = {"Mn", "Me"}, 3
"""Unicode categories of what is drawn over the character before, and how many of them a script needs at most."""


def decode(raw: bytes) -> str:
    """Decode kernel bytes up to the first NUL; bytes that are not UTF-8 become `\\xNN`."""
    return raw.split(b"\0", 1)[0].decode("utf-8", "backslashreplace")


def printable(text: str) -> str:
    """Replace each control, format and invisible character by an escape (`\\x1b`, `\\u202e`).

    So are the marks after the third on one character: any number of them would cover the lines above and below.
    """
    if text.isascii() and text.isprintable():
        return text
    out, marks = [], 0
    for char in text:
        kind = unicodedata.category(char)
        marks = (
            marks + 1 if kind in _MARKS or "\u1160" <= char <= "\u11ff" else 0
        )  # these vowels of Hangul too
        hidden = kind in _HIDDEN or char in _FILLERS or marks > _MOST_MARKS
        out.append(_escape(char) if hidden else char)
    return "".join(out)


def shorten(text: str, width: int) -> str:
    """Make the text printable and cut it to `width` columns; an ellipsis stands for what was cut."""
    shown = printable(text[: _enough(width)])
    if columns(shown) <= width:
        return shown
    cut = bisect.bisect_left(range(len(shown)), width, key=lambda length: columns(shown[:length]))
    return shown[: max(cut - 1, 0)] + _ELLIPSIS


def shorten_start(text: str, width: int) -> str:
    """Like `shorten`, but keep the end of the text."""
    shown = printable(text[-_enough(width) :])
    if columns(shown) <= width:
        return shown
    cut = bisect.bisect_left(range(len(shown)), 1 - width, key=lambda start: -columns(shown[start:]))
    return _ELLIPSIS + shown[cut:]


def padded(text: str, width: int) -> str:
    """The text with blanks after it up to `width` columns; a wider one as it is."""
    return text + " " * (width - columns(text))


def columns(text: str) -> int:
    """Count the terminal columns of the text: two for East Asian characters and emoji, none for combining marks."""
    if text.replace(_ELLIPSIS, "").isascii():
        return len(text)
    from rich.cells import cell_len  # 20 ms, for those who meet such a name

    return cell_len(text)


def _enough(width: int) -> int:
    """Return the number of characters that fill more than `width` columns, with three marks on each of them."""
    return 4 * (max(width, 0) + 2)


def _escape(char: str) -> str:
    if char in _ALIAS:
        return _ALIAS[char]
    point = ord(char)
    return f"\\x{point:02x}" if point < 0x100 else f"\\u{point:04x}" if point < 0x10000 else f"\\U{point:08x}"
