"""The export formats, and what writes each."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from sigtrace.export.source import Source

FORMATS = ("parquet", "csv", "json", "perfetto")
"""Their names; the module of that name in this package has `write`. Parquet is a directory, the others are one file."""


def writer(kind: str) -> Callable[[Source, BinaryIO], None]:
    """Return what writes a format of one file; its module is imported now, as formats need heavy libraries."""
    write: Callable[[Source, BinaryIO], None] = importlib.import_module(f"sigtrace.export.{kind}").write
    return write
