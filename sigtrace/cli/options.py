"""Options that several commands share, each written once."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeVar

import click

from sigtrace import signals
from sigtrace.errors import BadInput

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|)")
_SECONDS = {"ms": 0.001, "s": 1, "": 1, "m": 60, "h": 3600}
_LONGEST = 366 * 24 * 3600

_Command = TypeVar("_Command", bound=Callable[..., Any])


class Signal(click.ParamType):  # type: ignore[type-arg]
    """A signal by name or number; converts to its number. Unknown names raise BadInput with the near one."""

    name = "signal"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        return value if isinstance(value, int) else signals.parse(str(value))


class Duration(click.ParamType):  # type: ignore[type-arg]
    """`250ms`, `30s`, `5m`, `2h` or plain seconds; converts to seconds as a float above 0."""

    name = "duration"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        found = _DURATION.fullmatch(str(value).strip())
        seconds = float(found[1]) * _SECONDS[found[2]] if found else 0
        if not 0 < seconds <= _LONGEST:
            raise BadInput(f"{value!r} is no duration: write it as 250ms, 30s, 5m or 2h.")
        return seconds


def ns_option(command: _Command) -> _Command:
    """`--ns NS`, repeatable: PID namespaces in any of the ways `pidns.parse_ns` reads."""
    return click.option(
        "--ns",
        "namespaces",
        multiple=True,
        metavar="NS",
        help="Only this PID namespace: an inode, pid:[inode], /proc/PID/ns/pid or a PID. Repeatable.",
    )(command)


def format_option(command: _Command) -> _Command:
    """`--format table|json`: a table for people, or JSON Lines with stable keys."""
    return click.option(
        "--format",
        "output",
        type=click.Choice(["table", "json"]),
        default="table",
        show_default=True,
        help="A table, or JSON Lines with stable keys.",
    )(command)
