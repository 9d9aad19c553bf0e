"""An overview of a scan: the containers, worst first, those of one image with the same outcome as one; and the rest.

Pure functions of the rows. A row is a container's if it has the container's init: a namespace that was made inside a
container is none, nor is the sandbox of a pod beside its containers, as no stop of theirs is for it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from sigtrace.containers.runtimes.oci import SANDBOX
from sigtrace.events.container import Container
from sigtrace.predict.scan_row import ScanRow

_WORST_FIRST = ("waits for KILL", "can't be told", "", "stops at once")
_PID = re.compile(r"\[\d+\]")
_DIGITS = re.compile(r"(\d+)")


@dataclass(frozen=True)
class Group:
    """Rows that one entry of the overview is about; never empty."""

    rows: tuple[ScanRow, ...]

    @property
    def first(self) -> ScanRow:
        """A row that stands for all."""
        return self.rows[0]

    @property
    def why(self) -> str:
        """The reason for the verdict; of several rows without the PIDs, which differ."""
        return self.first.why if len(self.rows) == 1 else _PID.sub("", self.first.why)


@dataclass(frozen=True)
class Overview:
    """The rows of a scan as people look at them."""

    listed: tuple[Group, ...]
    """What is shown one by one, worst first: the containers; and all other namespaces if they were asked for."""
    besides: tuple[ScanRow, ...]
    """The other namespaces, without the initial one."""

    @property
    def rows(self) -> tuple[ScanRow, ...]:
        """The rows that are shown one by one, worst first."""
        return tuple(row for group in self.listed for row in group.rows)


def overview(rows: Sequence[ScanRow], every: bool = False) -> Overview:
    """Return the overview of a scan's rows. every: show those that are no container's too, after the others."""
    inhabited = {
        _pod_of(row) for row in rows if row.container and row.container.name != SANDBOX and row.of_container
    }
    listed = [row for row in rows if every or _is_container(row, inhabited)]
    shown = set(map(id, listed))
    besides = tuple(row for row in rows if id(row) not in shown and not row.initial)
    return Overview(tuple(_grouped(listed)), besides)


def _is_container(row: ScanRow, inhabited: set[tuple[str, str]]) -> bool:
    sandbox = row.container is not None and row.container.name == SANDBOX
    return row.of_container and not (sandbox and _pod_of(row) in inhabited)


def _pod_of(row: ScanRow) -> tuple[str, str]:
    return (row.container.pod_namespace, row.container.pod) if row.container else ("", "")


def _grouped(rows: Iterable[ScanRow]) -> Iterator[Group]:
    groups: dict[tuple[object, ...], list[ScanRow]] = {}
    for row in rows:
        groups.setdefault(_likeness(row), []).append(row)
    found = [Group(tuple(sorted(group, key=lambda row: _natural(_label(row))))) for group in groups.values()]
    yield from sorted(found, key=_rank)


def _likeness(row: ScanRow) -> tuple[object, ...]:
    """Return what the rows of one entry share."""
    container = row.container
    if container is None or not row.of_container:
        return (id(row),)
    alike = (container.runtime, container.image, row.verdict, row.ending, row.comm)
    return (*alike, _PID.sub("", row.why), tuple(row.words.items()))


def _rank(group: Group) -> tuple[object, ...]:
    row = group.first
    worst = _WORST_FIRST.index(row.verdict)
    return not row.of_container, worst, -len(group.rows), _natural(_label(row)), row.namespace.nsid or 0


def _label(row: ScanRow) -> str:
    return (row.container or Container("")).label


def _natural(text: str) -> list[tuple[int, int, str]]:
    """Return a key that puts web-2 before web-10."""
    return [
        (place % 2, place % 2 * len(part.lstrip("0")), part) for place, part in enumerate(_DIGITS.split(text))
    ]
