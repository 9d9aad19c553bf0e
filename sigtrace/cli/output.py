"""Printing: JSON Lines, and rich consoles that are plain when piped and honour NO_COLOR."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.console import Console


_NARROWEST = 60
"""Tables are unreadable in fewer columns: let a narrower terminal wrap them."""


def json_line(row: Mapping[str, Any]) -> str:
    """One object on one line, ASCII only: text from the kernel cannot reach the terminal raw."""
    return json.dumps(row)


def echo_json(row: Mapping[str, Any]) -> None:
    """Print one JSON line."""
    click.echo(json_line(row))


def write_lines(lines: Iterable[str]) -> None:
    """Print many lines at once. With PYTHONUNBUFFERED, sys.stdout loses the rest of a write that a signal cut short."""
    text = "".join(f"{line}\n" for line in lines)
    left = memoryview(text.encode(sys.stdout.encoding, "backslashreplace"))
    sys.stdout.flush()
    while left:
        left = left[os.write(sys.stdout.fileno(), left) :]


def console(stderr: bool = False) -> Console:
    """A rich console for tables: 80 columns unless the terminal says otherwise, no markup from data."""
    import shutil

    from rich.console import Console

    width = max(shutil.get_terminal_size().columns, _NARROWEST)
    return Console(stderr=stderr, width=width, markup=False, highlight=False, emoji=False, soft_wrap=False)
