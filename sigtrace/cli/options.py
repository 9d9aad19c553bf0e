"""Options that several commands share, each written once."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any, TypeVar

import click

from sigtrace import signals
from sigtrace.errors import BadInput

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d|)")
_SECONDS = {"ms": 0.001, "s": 1, "": 1, "m": 60, "h": 3600, "d": 86400}
_SIZE = re.compile(r"(\d+(?:\.\d+)?) ?(?:([KMGT])i?B?|B|)", re.I)
_LONGEST = 366 * 24 * 3600

_Command = TypeVar("_Command", bound=Callable[..., Any])


class Signal(click.ParamType):  # type: ignore[type-arg]
    """A signal by name or number; converts to its number. Unknown names raise BadInput with the near one."""

    name = "signal"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        return value if isinstance(value, int) else signals.parse(str(value))


class Duration(click.ParamType):  # type: ignore[type-arg]
    """`250ms`, `30s`, `5m`, `2h`, `7d` or plain seconds; converts to seconds as a float above 0."""

    name = "duration"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        found = _DURATION.fullmatch(str(value).strip())
        seconds = float(found[1]) * _SECONDS[found[2]] if found else 0
        if not 0 < seconds <= _LONGEST:
            raise BadInput(f"{value!r} is no duration: write it as 250ms, 30s, 5m, 2h or 7d.")
        return seconds


class Moment(click.ParamType):  # type: ignore[type-arg]
    """`2026-11-22T07:53:45` (UTC unless it says otherwise), or `10m` for that long ago; converts to ns UTC."""

    name = "time"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        if _DURATION.fullmatch(str(value).strip()):
            return time.time_ns() - int(Duration().convert(value, param, ctx) * 1e9)
        from sigtrace.recording.reader import nanoseconds

        return nanoseconds(str(value))


class Size(click.ParamType):  # type: ignore[type-arg]
    """`1GiB`, `500M` or plain bytes, in powers of 1024; converts to bytes, at least `least`."""

    name = "size"

    def __init__(self, least: int = 1) -> None:
        self._least = least

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        found = _SIZE.fullmatch(str(value).strip())
        if not found:
            raise BadInput(f"{value!r} is no size: write it as 500MiB or 1GiB.")
        size = int(float(found[1]) * 1024 ** " KMGT".index((found[2] or " ").upper()))
        if size < self._least:
            raise BadInput(f"{value!r} is too small: give at least {self._least >> 20}MiB.")
        return size


def filter_options(command: _Command) -> _Command:
    """`--ns`, `--descendants`, `--signal`: which events, where they happen or where they were recorded."""
    descendants = click.option("--descendants", is_flag=True, help="With --ns: also the namespaces below it.")
    signal = click.option(
        "--signal", "numbers", type=Signal(), multiple=True, help="Only this signal (TERM, 15). Repeatable."
    )
    return ns_option(descendants(signal(command)))


def period_options(command: _Command) -> _Command:
    """`--since TIME`, `--until TIME`: which part of a recording."""
    shape = "2026-11-22T07:53:45 in UTC, or 10m for that long ago."
    since = click.option("--since", type=Moment(), help=f"Only events from this time on: {shape}")
    return since(click.option("--until", type=Moment(), help="Only events before this time.")(command))


def directories_argument(command: _Command) -> _Command:
    """`DIR...`: recordings, of one host or several."""
    return click.argument("directories", metavar="DIR...", nargs=-1, required=True, type=click.Path())(
        command
    )


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
    return _format_option(["table", "json"], "A table, or JSON Lines with stable keys.")(command)


def table_format_option(command: _Command) -> _Command:
    """`--format table|json|csv`: the same, or comma-separated values with a header."""
    return _format_option(["table", "json", "csv"], "A table, JSON Lines with stable keys, or CSV.")(command)


def _format_option(choices: list[str], words: str) -> Callable[[_Command], _Command]:
    return click.option(
        "--format", "output", type=click.Choice(choices), default="table", show_default=True, help=words
    )
