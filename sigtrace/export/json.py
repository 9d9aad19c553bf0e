"""Export the events as JSON Lines, exactly as `sigtrace watch --format json` prints them."""

from __future__ import annotations

from typing import BinaryIO

from sigtrace.events.column_types import json_lines
from sigtrace.export.source import Source


def write(source: Source, out: BinaryIO) -> None:
    """Write the events. Raises OSError."""
    for columns in source.columns():
        out.write("".join(f"{line}\n" for line in json_lines(columns)).encode("ascii"))
