"""The table of `sigtrace scan --all`: a tree of namespaces, 80 columns.

Each namespace has a line of facts and its verdict below; above them is the name of its container, if it has one.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.text import Text

from sigtrace import signals
from sigtrace.cli.scan_list import VERDICT_STYLES
from sigtrace.events.container import Container
from sigtrace.predict.scan_row import ScanRow
from sigtrace.procfs.namespaces import PidNamespace
from sigtrace.text import printable, shorten
from sigtrace.units import age

_STYLES = {
    **VERDICT_STYLES,
    "drop": "red",
    "handle": "green",
    "take": "green",
    "die": "green",
}
_NARROW, _ROOMY = 4, 7
"""The least columns for a command, and the columns of each signal where there is room."""

_ASCII = str.maketrans("│├└─", "||`-")


@dataclass(frozen=True)
class _Line:
    """A row with its tree guides: before its first line, before its second line, and before its reason."""

    row: ScanRow
    guide: str
    beside: str
    below: str

    def ascii(self) -> _Line:
        """The same for a terminal without Unicode."""
        guides = (guide.translate(_ASCII) for guide in (self.guide, self.beside, self.below))
        return _Line(self.row, *guides)


def print_tree(console: Console, rows: Sequence[ScanRow], asked: Sequence[int]) -> None:
    """Print the namespaces as a tree: the container, then facts and words, then verdict and reason."""
    lines = list(_guided(rows))
    if not console.encoding.startswith("utf"):
        lines = [line.ascii() for line in lines]
    left = max([len("PID NAMESPACE"), *(len(line.guide + _label(line.row)) for line in lines)])
    init = max([len("INIT"), *(len(_number(line.row.namespace.init_pid)) for line in lines)])
    width = min(console.width, 100)
    room = width - left - init - 15  # for the command and the words
    words = _columns(rows, asked, room - _ROOMY)
    comm = min(max(room - sum(words.values()) + 1, _NARROW), 16)
    titles = "".join(f"{_title(number):<{words[number]}}" for number in asked)
    command = "COMMAND" if comm >= len("COMMAND") else "COMM"
    head = f"{'PID NAMESPACE':<{left}} {'INIT':>{init}} {command:<{comm}} {'AGE':>4} {'TASKS':>5}  {titles}"
    console.print(Text(head.rstrip(), "bold"), soft_wrap=True)
    for line in lines:
        known, row = line.row.namespace, line.row
        container = None if row.request.nested else row.request.container
        if container:
            console.print(_heading(line, container, width), soft_wrap=True)
        facts = f"{(line.beside if container else line.guide) + _label(row):<{left}} {_number(known.init_pid):>{init}} "
        facts += set_cell_size(printable(row.comm), comm)
        text = Text(f"{facts} {_age(row.age):>4} {known.tasks:>5}  ")
        for number in asked:
            word = row.words.get(number, "")
            text.append(f"{word:<{words[number]}}", "yellow" if word.endswith("?") else _STYLES.get(word, ""))
        text.rstrip()
        console.print(text, soft_wrap=True)
        for part in _reason(line, width):
            console.print(part, soft_wrap=True)


def _heading(line: _Line, container: Container, width: int) -> Text:
    """The container's name, and its image and runtime if there is room; a long image keeps its end."""
    room = width - cell_len(line.guide)
    name = shorten(container.label, room)
    text = Text(line.guide).append(name, "bold cyan")
    room -= cell_len(name) + len(" (, )") + len(container.runtime)
    image = printable(container.image)
    if cell_len(image) > room:
        image = "…" + set_cell_size(image[::-1], max(room - 1, 0)).rstrip()[::-1] if room >= _NARROW else ""
    known = ", ".join(part for part in (image, printable(container.runtime)) if part)
    return text.append(f" ({known})" if known and room >= 0 else "")


def _columns(rows: Sequence[ScanRow], asked: Sequence[int], room: int) -> dict[int, int]:
    """Width of each signal's column, with a trailing blank; wider if there is room."""
    needed = {
        number: 1 + max(len(_title(number)), *(len(row.words.get(number, "")) for row in rows), 0)
        for number in asked
    }
    roomy = {number: max(columns, _ROOMY) for number, columns in needed.items()}
    return roomy if sum(roomy.values()) - 1 <= room else needed


def _title(number: int) -> str:
    return signals.name(number).removeprefix("SIG")


def _reason(line: _Line, width: int) -> Iterator[Text]:
    row, verdict = line.row, line.row.verdict
    reason = f"{verdict}: {printable(row.why)}" if verdict else printable(row.why)
    marked = len(verdict) or (len(reason.partition(":")[0]) if row.ending else 0)
    nested = row.request.container if row.request.nested else None
    claims = f", claims to be {shorten(nested.claims, 40)}" if nested and nested.claims else ""
    inside = f"inside {shorten(nested.label, 40)}{claims}: " if nested else ""
    room = width - cell_len(line.below) - (cell_len(inside) - len(inside))
    for number, part in enumerate(textwrap.wrap(inside + reason, max(room, 30))):
        text = Text(line.below + part)
        if number == 0 and marked:
            start = len(line.below + inside)
            text.stylize(_STYLES[verdict or "ending"], start, start + marked)
        yield text


def _guided(rows: Sequence[ScanRow]) -> Iterator[_Line]:
    """The rows with their tree guides; a row without its parent in `rows` is a root."""
    children: dict[int | None, list[ScanRow]] = {}
    for place, row in enumerate(rows):
        children.setdefault(_parent(rows[:place], row.namespace), []).append(row)

    def walk(row: ScanRow, guide: str, rest: str) -> Iterator[_Line]:
        below = children.get(id(row), [])
        yield _Line(row, guide, rest, rest + ("│ " if below else "  "))
        for child in below:
            last = child is below[-1]
            yield from walk(child, rest + ("└─" if last else "├─"), rest + ("  " if last else "│ "))

    for row in children.get(None, []):
        yield from walk(row, "", "")


def _parent(before: Sequence[ScanRow], namespace: PidNamespace) -> int | None:
    """The id() of the preceding row that is the namespace's parent; with hidden inodes, by level."""
    for row in reversed(before):
        above = row.namespace
        if namespace.nsid is None:
            found = above.level == namespace.level - 1
        else:
            found = above.nsid is not None and above.nsid == namespace.parent_nsid
        if found:
            return id(row)
    return None


def _label(row: ScanRow) -> str:
    return "(hidden)" if row.namespace.nsid is None else str(row.namespace.nsid)


def _number(pid: int | None) -> str:
    return "-" if pid is None else str(pid)


def _age(seconds: float | None) -> str:
    return "-" if seconds is None else age(seconds)
