"""The state that the keys of `sigtrace top` change: order, filter, selection, opened namespace. No terminal here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sigtrace.events.nskey import NsKey
from sigtrace.live.rates import RateRow

SORTS: dict[str, tuple[str, Callable[[RateRow], Any], bool]] = {
    "n": ("NAMESPACE", lambda row: row.label.lower(), False),
    "i": ("INIT", lambda row: row.init_pid or 0, False),
    "c": ("COMMAND", lambda row: row.comm.lower(), False),
    "g": ("SIG/S", lambda row: row.rate, True),
    "d": ("DROP/S", lambda row: (row.drop_rate, row.drops, row.rate), True),
    "t": ("DROPS", lambda row: row.drops, True),
    "l": ("LAST DROP", lambda row: row.last.time if row.last else 0, True),
}
"""Key -> column to sort by, sort key of a row, and whether the greatest comes first."""


@dataclass
class View:
    """How a sample is shown."""

    sort: str = "d"
    reverse: bool = False
    filter: str = ""
    typing: bool = False
    """The filter is being typed."""
    selected: NsKey | None = None
    """None: the first row."""
    opened: NsKey | None = None
    """The namespace of which events are shown."""
    examined: NsKey | None = None
    """The namespace of which the postmortem is shown."""
    scroll: int = 0
    """First line shown: of the list, or, counted from the last, of the events."""
    paused: bool = False
    help: bool = False
    ended: bool = False
    """The user has quit."""
    page: int = field(default=10, repr=False)
    """How many lines a page has, as of the last screen."""

    @property
    def column(self) -> str:
        """Title of the column that the rows are sorted by."""
        return SORTS[self.sort][0]

    @property
    def descending(self) -> bool:
        """Whether the greatest comes first."""
        return SORTS[self.sort][2] != self.reverse

    def rows(self, rows: Sequence[RateRow]) -> list[RateRow]:
        """The rows that pass the filter, in order."""
        wanted = self.filter.lower()
        passing = [row for row in rows if not wanted or wanted in _searchable_text(row)]
        return sorted(
            sorted(passing, key=lambda row: row.key), key=SORTS[self.sort][1], reverse=self.descending
        )

    def press(self, key: str, rows: Sequence[RateRow]) -> None:
        """Apply a key; `rows` are those that `self.rows` returned."""
        if self.typing:
            self._type(key)
        elif self.help:
            self.help = False
        elif self.examined is not None:
            self._in_postmortem(key)
        elif self.opened is not None:
            self._in_events(key)
        else:
            self._in_list(key, rows)

    def _type(self, key: str) -> None:
        if key in ("enter", "escape"):
            self.typing = False
            self.filter = self.filter if key == "enter" else ""
        elif key == "backspace":
            self.filter = self.filter[:-1]
        elif key == "\x15":  # Ctrl-U
            self.filter = ""
        elif len(key) == 1 and key.isprintable():
            self.filter += key

    def _in_list(self, key: str, rows: Sequence[RateRow]) -> None:
        if key in SORTS:
            self.reverse = not self.reverse if key == self.sort else False
            self.sort = key
        elif key == "s":
            order = list(SORTS)
            self.sort, self.reverse = order[(order.index(self.sort) + 1) % len(order)], False
        elif key == "/":
            self.typing = True
        elif key == "escape":
            self.filter = ""
        elif key in ("enter", "right"):
            self.opened, self.scroll = rows[self.place(rows)].key if rows else None, 0
        elif key == "p":
            self.examined, self.scroll = rows[self.place(rows)].key if rows else None, 0
        elif key == "q":
            self.ended = True
        elif not self._common(key):
            self._move(key, rows)

    def _in_events(self, key: str) -> None:
        if key in ("q", "escape", "left", "backspace"):
            self.opened, self.scroll = None, 0
        elif key == "p":
            self.examined, self.scroll = self.opened, 0
        elif not self._common(key):
            steps = {"up": 1, "k": 1, "down": -1, "j": -1, "page up": self.page, "page down": -self.page}
            ends = {"home": 1 << 20, "end": -(1 << 20)}
            self.scroll = max(self.scroll + steps.get(key, ends.get(key, 0)), 0)

    def _in_postmortem(self, key: str) -> None:
        if key in ("q", "escape", "left", "backspace"):
            self.examined, self.scroll = None, 0
        elif not self._common(key):
            steps = {"up": -1, "k": -1, "down": 1, "j": 1, "page up": -self.page, "page down": self.page}
            ends = {"home": -(1 << 20), "end": 1 << 20}
            self.scroll = max(self.scroll + steps.get(key, ends.get(key, 0)), 0)

    def _common(self, key: str) -> bool:
        if key == " ":
            self.paused = not self.paused
        elif key in ("h", "?"):
            self.help = True
        else:
            return False
        return True

    def _move(self, key: str, rows: Sequence[RateRow]) -> None:
        """Select another row."""
        steps = {"up": -1, "k": -1, "down": 1, "j": 1, "page up": -self.page, "page down": self.page}
        ends = {"home": -len(rows), "end": len(rows)}
        step = steps.get(key, ends.get(key, 0))
        if step and rows:
            place = min(max(self.place(rows) + step, 0), len(rows) - 1)
            self.selected = rows[place].key

    def place(self, rows: Sequence[RateRow]) -> int:
        """Index of the selected row; 0 if it is no longer listed."""
        return next((place for place, row in enumerate(rows) if row.key == self.selected), 0)


def _searchable_text(row: RateRow) -> str:
    parts = (
        row.label,
        str(row.key[0]),
        row.comm,
        str(row.init_pid or ""),
        *(row.container.columns if row.container else ()),
    )
    return "\n".join(parts).lower()
