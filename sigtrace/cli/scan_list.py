"""The list of `sigtrace scan`: what happens when a container is stopped, worst first, 80 columns.

Each entry has its verdict beside the containers that it is about, then the reason, then what the init does with each
signal; the last is left out where a stop works.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from sigtrace import signals
from sigtrace.cli.wrapping import wrap
from sigtrace.predict.overview import Group
from sigtrace.text import printable, shorten, shorten_start
from sigtrace.units import age

VERDICT_STYLES = {
    "stops at once": "green",
    "waits for KILL": "bold red",
    "can't be told": "yellow",
    "ending": "yellow",
}
"""How a verdict is shown; `ending` is the verdict of what is ending already."""

_LEFT = 16
"""Columns of the verdict."""
_NAMED = 5
"""Containers of one entry that are named."""
_LEAST = 8
"""Columns of an image that are still worth showing."""


def print_list(console: Console, groups: Sequence[Group], details: bool) -> None:
    """Print an entry for each group. details: also what the init does where a stop works."""
    width = min(console.width, 100)
    if groups:
        console.print(Text(f"{'ON A STOP':<{_LEFT}}CONTAINER", "bold"), soft_wrap=True)
    for group in groups:
        row = group.first
        verdict = row.verdict or ("ending" if row.ending else "")
        left = Text(f"{verdict:<{_LEFT}}", VERDICT_STYLES.get(verdict, ""))
        for part in _entry(group, width - _LEFT, details or row.verdict != "stops at once"):
            console.print(left + part, soft_wrap=True)
            left = Text(" " * _LEFT)


def _entry(group: Group, room: int, details: bool) -> Iterator[Text]:
    for place, part in enumerate(_heading(group, room)):
        yield Text(part, "bold" if place == 0 else "")
    yield from map(Text, wrap(printable(group.why), room))
    if details and group.first.words:
        yield from (Text(part, "dim") for part in wrap(_facts(group), room))


def _heading(group: Group, room: int) -> list[str]:
    row, many = group.first, len(group.rows)
    container = row.container
    if container is None or not row.of_container:
        inside = f" inside {shorten(container.label, 40)}" if container and row.request.nested else ""
        claims = f", claims to be {shorten(container.claims, 40)}" if container and container.claims else ""
        return wrap(f"PID namespace {row.namespace.nsid or '(hidden)'}{inside}{claims}", room)
    claims = f" claims to be {shorten(container.claims, 40)}" if container.claims else ""
    runtime = printable(container.runtime)
    if many == 1:
        name = shorten(container.label, room)
        left = room - cell_len(name) - len(" (, )") - len(runtime)
        known = ", ".join(part for part in (_image(container.image, left), runtime) if part)
        return [f"{name} ({known})" if known and left >= 0 else name, *wrap(claims, room)]
    image = _image(container.image, room - len(f"{many} containers of  ():") - len(runtime))
    names = [shorten(each.container.label, 40) for each in group.rows[:_NAMED] if each.container]
    rest = f" and {many - _NAMED} more" if many > _NAMED else ""
    of = f" of {image}" if image else ""
    return wrap(f"{many} containers{of} ({runtime}): {', '.join(names)}{rest}", room)


def _image(image: str, room: int) -> str:
    """The image, a long one cut at its beginning; empty if there is no room."""
    return shorten_start(image, room) if cell_len(printable(image)) <= room or room >= _LEAST else ""


def _facts(group: Group) -> str:
    """The init, its age, and what it does with each signal: `sh[4242], 3h old; TERM QUIT: drop; INT: handle`."""
    row, ages = group.first, [each.age for each in group.rows if each.age is not None]
    comm = shorten(row.comm, 16)
    init = f"{comm}[{row.namespace.init_pid}]" if len(group.rows) == 1 else comm
    span = " to ".join(dict.fromkeys((age(min(ages)), age(max(ages))))) if ages else ""
    does: dict[str, list[str]] = {}
    for signal, word in row.words.items():
        does.setdefault(word, []).append(signals.name(signal).removeprefix("SIG"))
    words = "; ".join(f"{' '.join(names)}: {word}" for word, names in does.items())
    return f"{init}, {span} old; {words}" if span else f"{init}; {words}"
