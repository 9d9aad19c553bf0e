"""Options that several commands share, each defined once."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import click

from sigtrace import signals
from sigtrace.cli.completion import completed
from sigtrace.errors import BadInput
from sigtrace.moments import FORMS, nanoseconds, seconds
from sigtrace.units import bytes_of

_NAMESPACE = re.compile(r"\d{1,10}|[a-z]+:\[\d+\]|/.*", re.ASCII | re.DOTALL)

_Command = TypeVar("_Command", bound=Callable[..., Any])


class Signal(click.ParamType):  # type: ignore[type-arg]
    """A signal by name or number; converts to its number. Unknown names raise BadInput with the closest name."""

    name = "signal"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        return value if isinstance(value, int) else signals.parse(str(value))


class Duration(click.ParamType):  # type: ignore[type-arg]
    """`250ms`, `30s`, `5m`, `1h30m`, `7d` or plain seconds; converts to seconds as a float above 0."""

    name = "duration"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        return seconds(str(value))


class Moment(click.ParamType):  # type: ignore[type-arg]
    """A point in time in one of the forms of `sigtrace.moments`; converts to ns UTC."""

    name = "time"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        return value if isinstance(value, int) else nanoseconds(str(value))


class Size(click.ParamType):  # type: ignore[type-arg]
    """`1GiB`, `500M` or plain bytes, in powers of 1024; converts to bytes, at least `least`."""

    name = "size"

    def __init__(self, least: int = 1) -> None:
        self._least = least

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        return bytes_of(str(value), self._least)


def filter_options(command: _Command) -> _Command:
    """`--ns`, `--descendants`, `--signal`: which events, live or in a recording."""
    signal = click.option(
        *("--signal", "-s", "numbers"),
        type=Signal(),
        multiple=True,
        help="Only this signal (TERM, 15). Repeatable.",
    )
    return namespace_options(signal(command))


def namespace_options(command: _Command) -> _Command:
    """`--ns`, `--descendants`: which PID namespaces."""
    descendants = click.option(
        "--descendants", is_flag=True, help="With --ns: also its descendant namespaces."
    )
    return ns_option(descendants(command))


def period_options(command: _Command) -> _Command:
    """`--since TIME`, `--until TIME`: which part of a recording."""
    since = click.option("--since", type=Moment(), help=f"Only events from this time on: {FORMS}.")
    return since(click.option("--until", type=Moment(), help="Only events before this time.")(command))


def selection_options(*, signal: bool = True) -> Callable[[_Command], _Command]:
    """Which part of a recording: the command receives it as `selection`, a `recording.selection.Selection`.

    signal: whether there is a `--signal` option.
    """

    def decorated(command: _Command) -> _Command:
        @functools.wraps(command)
        def packed(
            *,
            namespaces: tuple[str, ...],
            descendants: bool,
            containers: tuple[str, ...],
            pods: tuple[str, ...],
            since: int | None,
            until: int | None,
            numbers: tuple[int, ...] = (),
            **others: Any,
        ) -> Any:
            from sigtrace.recording.selection import Selection

            selection = Selection(namespaces, containers, pods, descendants, numbers, (), since, until)
            return command(selection=selection, **others)

        options = filter_options if signal else namespace_options
        return options(container_options(period_options(packed)))  # type: ignore[return-value]

    return decorated


def directories_argument(command: _Command) -> _Command:
    """`DIR...`: recordings, of one host or several."""
    return click.argument("directories", metavar="DIR...", nargs=-1, required=True, type=click.Path())(
        command
    )


def container_options(command: _Command) -> _Command:
    """`--container NAME`, `--pod NAMESPACE/NAME`, repeatable; `containers.selector.ContainerSelector` parses them."""
    container = click.option(
        *("--container", "-c", "containers"),
        multiple=True,
        metavar="NAME",
        shell_complete=completed("containers"),
        help="Only this container: its name, the beginning of its ID, or a pattern (web-*). "
        "NAMESPACE/NAME is a pod. Repeatable.",
    )
    pod = click.option(
        "--pod",
        "pods",
        multiple=True,
        metavar="NAMESPACE/NAME",
        shell_complete=completed("pods"),
        help="Only this pod, or a pattern (shop/checkout-*). Repeatable.",
    )
    return container(pod(command))


def wait_option(command: _Command) -> _Command:
    """`--wait`: accept names of containers that do not exist yet."""
    return click.option(
        "--wait",
        is_flag=True,
        help="With --container or --pod: accept names of containers that have not started yet.",
    )(command)


def every_record_option(command: _Command) -> _Command:
    """`--every-record`: no thinning."""
    return click.option(
        "--every-record",
        is_flag=True,
        help="Never thin: a record for each event of a flood too, which may fill the ring and lose others.",
    )(command)


def ns_option(command: _Command) -> _Command:
    """`--ns NS`, repeatable: PID namespaces in any form that `pidns.parse_ns` accepts. `--pid PID` is one of them."""
    return click.option(
        *("--ns", "-n", "--pid", "-p", "namespaces"),
        multiple=True,
        metavar="NS",
        shell_complete=completed("namespaces"),
        help="Only this PID namespace: an inode, pid:[inode], /proc/PID/ns/pid or a PID in it. Repeatable.",
    )(command)


def format_option(command: _Command) -> _Command:
    """`--format table|json`: a table for people, or JSON Lines with stable keys."""
    return _format_option(["table", "json"], "A table, or JSON Lines with stable keys.")(command)


def table_format_option(command: _Command) -> _Command:
    """`--format table|json|csv`: as `format_option`, or comma-separated values with a header."""
    return _format_option(["table", "json", "csv"], "A table, JSON Lines with stable keys, or CSV.")(command)


def github_format_option(command: _Command) -> _Command:
    """`--format table|json|github`: as `format_option`, or annotations of GitHub Actions."""
    words = "A table, JSON Lines with stable keys, or annotations for GitHub Actions."
    return _format_option(["table", "json", "github"], words)(command)


def _format_option(choices: list[str], words: str) -> Callable[[_Command], _Command]:
    """`--format`, and `--json`, which is `--format json`: the command receives `output`."""

    def decorated(command: _Command) -> _Command:
        @functools.wraps(command)
        def packed(*, output: str | None, json: bool, **others: Any) -> Any:
            if json and output not in (None, "json"):
                raise BadInput(f"--json and --format {output} exclude each other: give one.")
            return command(output="json" if json else output or "table", **others)

        by_name = click.option(
            *("--format", "-o", "output"), type=click.Choice(choices), help=f"{words}  [default: table]"
        )
        return by_name(click.option("--json", is_flag=True, help="The same as --format json.")(packed))  # type: ignore[return-value]

    return decorated


def targets_argument(command: _Command) -> _Command:
    """`[TARGET]...`: containers, pods and PIDs as plain words, added to those of `namespaces` and `containers`."""

    @functools.wraps(command)
    def packed(
        *,
        targets: tuple[str, ...],
        namespaces: tuple[str, ...],
        containers: tuple[str, ...],
        **others: Any,
    ) -> Any:
        more, named = sorted_targets(targets)
        return command(namespaces=(*namespaces, *more), containers=(*containers, *named), **others)

    return click.argument("targets", metavar="[TARGET]...", nargs=-1, shell_complete=completed("targets"))(
        packed
    )  # type: ignore[return-value]


def sorted_targets(words: Iterable[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return which of these words name PID namespaces (`is_namespace`), and which containers or pods."""
    words = tuple(words)
    return (
        tuple(word for word in words if is_namespace(word)),
        tuple(word for word in words if not is_namespace(word)),
    )


def is_namespace(word: str) -> bool:
    """Return whether a plain word is a PID, an inode, `pid:[inode]` or a path, and not a container or a pod.

    A number of more digits than an inode has is the beginning of a container's ID.
    """
    return bool(_NAMESPACE.fullmatch(word))
