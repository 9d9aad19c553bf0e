"""Write CSV, and export the event table as such (RFC 4180, UTF-8, with a header), for spreadsheets and for reading.

Its texts are not trusted: a process may have the name `=cmd()`. Control and format characters are written as escapes
(`\\x1b`), and a text that a spreadsheet would take for a formula is preceded by an apostrophe. The other formats
contain texts unchanged.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from typing import Any, BinaryIO

import numpy as np

from sigtrace.events.column_types import Column, Labels
from sigtrace.export.source import PUBLIC, Source
from sigtrace.text import printable

_FORMULA = ("=", "+", "-", "@")
"""First characters of a formula in some spreadsheet; tabs and line breaks, which also count, are escaped anyway."""


def write(source: Source, out: BinaryIO) -> None:
    """Write the events. Raises OSError."""
    out.write(_lines([PUBLIC]))
    for columns in source.columns():
        out.write(_lines(zip(*map(_cells, columns.values()), strict=True)))


def cell(text: str) -> str:
    """Return the text as a cell that no spreadsheet runs as a formula."""
    shown = printable(text)
    return f"'{shown}" if shown.startswith(_FORMULA) else shown


def cells(values: Iterable[object]) -> list[object]:
    """Return the values of a row with each text as a `cell`; None becomes an empty cell."""
    return [cell(value) if isinstance(value, str) else value for value in values]


def _cells(column: Column) -> list[Any]:
    """Return the cells of a column; None becomes an empty cell."""
    if isinstance(column, Labels):
        return Labels(column.codes, [cell(name) for name in column.names]).tolist()
    if isinstance(column, np.ndarray) and column.dtype == bool:
        return Labels(column.view("u1"), ["false", "true"]).tolist()
    if isinstance(column, np.ndarray) and column.dtype.kind == "M":
        stamps = np.datetime_as_string(column.astype("M8[ns]", copy=False), unit="ns")
        return [f"{stamp}Z" for stamp in stamps.tolist()]
    return column.tolist()


def _lines(rows: Iterable[Iterable[Any]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)  # its lines end with CR LF
    return text.getvalue().encode()
