"""Tables for notebooks: plain HTML in the notebook's own colours, with escaped text and short numbers."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from sigtrace.text import shorten

if TYPE_CHECKING:
    import pandas as pd

_CELL = "text-align:left;vertical-align:top;padding:2px 14px 2px 0"
_WIDTH, _ONE_LINE = 60, 40
"""The most characters of a cell, and of a cell that is not wrapped."""


def text(words: object, width: int = _WIDTH) -> str:
    """Return untrusted text as HTML: escaped, of bounded length, without control characters."""
    return html.escape(shorten(str(words), width))


def in_seconds(frame: pd.DataFrame, digits: int = 3) -> pd.DataFrame:
    """Return the table with spans of time as seconds, rounded: `10.035` for `0 days 00:00:10.034670`."""
    spans = frame.select_dtypes("timedelta")
    return frame.assign(**{str(name): spans[name].dt.total_seconds().round(digits) for name in spans})


def table(
    heads: Sequence[str], rows: Iterable[Sequence[object]], bold: Iterable[bool] = (), width: int = _WIDTH
) -> str:
    """Return a table of text; `bold`: whether each row is bold; `width`: the most characters of a cell."""
    strong = list(bold)
    lines = [
        _row("td", row, "font-weight:bold" if number < len(strong) and strong[number] else "", width)
        for number, row in enumerate(rows)
    ]
    return f'<table style="border-collapse:collapse">{_row("th", heads, "", width)}{"".join(lines)}</table>'


def _row(tag: str, cells: Sequence[object], style: str, width: int) -> str:
    return f"<tr>{''.join(_cell(tag, cell, style, width) for cell in cells)}</tr>"


def _cell(tag: str, cell: object, style: str, width: int) -> str:
    words = text(cell, width)
    space = "nowrap" if len(words) <= _ONE_LINE else "normal"
    return f'<{tag} style="{_CELL};white-space:{space};{style}">{words}</{tag}>'
