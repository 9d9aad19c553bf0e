"""The lines of `sigtrace top`: a sample laid out for a screen of any size. No terminal here."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import click

from sigtrace.cli.event_lines import EventLines
from sigtrace.cli.findings import report_lines
from sigtrace.cli.top_cells import count_text, cut, last_drop, rate_text
from sigtrace.cli.top_view import View
from sigtrace.live.rates import RateRow, Sample, state_of
from sigtrace.live.repeats import folded
from sigtrace.text import padded, printable, shorten, shorten_start
from sigtrace.units import SECOND, duration, number

if TYPE_CHECKING:
    from sigtrace.cli.top_background import Examination, Forecast
    from sigtrace.events.batch import Batch
    from sigtrace.events.nskey import NsKey

_INIT, _STATE, _RATE, _COUNT = 7, 8, 6, 7
_GAPS = 7
_FIXED = _INIT + _STATE + 2 * _RATE + _COUNT + _GAPS
_WIDE, _STOP, _VERDICT, _IMAGE = 125, 7, 14, 18
"""From so many columns on, there are those for the stop signal, what would become of a stop, and the image."""
_WIDEST_TEXT = 100
_NARROWEST = 80
"""Lines are cut off at the right on a narrower screen."""
_KEYS = (
    ("up, down, j, k", "select a namespace; page up, page down, home, end too"),
    ("enter, right", "show its last events; escape, left or q goes back"),
    ("p", "postmortem: why it does not stop, or would not; escape or q goes back"),
    ("d t l g", "sort by drops/s, drops, last drop, signals/s"),
    ("n i c", "sort by namespace, init, command; again: reverse the order"),
    ("s", "sort by the next column"),
    ("/", "filter by name, inode, PID, command or image"),
    ("escape", "show all again"),
    ("space", "pause, resume"),
    ("h, ?", "this help"),
    ("q, Ctrl-C", "quit"),
)
_NOTES = (
    "Dropped: the init has no handler for the signal, so the kernel discards it.",
    "Rates are of the last interval. Numbers are exact if the top line does not say",
    "that they are too low; events may be lost.",
)


@dataclass(frozen=True)
class Screen:
    """Lays out lines in `width` columns and `height` lines, with colours only if `colour` is set."""

    width: int
    height: int
    colour: bool
    interval: float = 1.0
    forecasts: Mapping[NsKey, Forecast] = field(default_factory=dict)
    """What a wide screen shows of a stop of each namespace."""

    @property
    def wide(self) -> bool:
        """Whether there is room for the forecasts and the images."""
        return self.width >= _WIDE

    def lines(
        self,
        view: View,
        sample: Sample,
        events: Batch | None = None,
        examination: Examination | None = None,
    ) -> list[str]:
        """All lines of the screen; `events` are those of the opened namespace, the examination that of `examined`."""
        opened = sample.find(view.opened)
        if view.help:
            body = list(self._help())
        elif view.examined is not None and examination is not None:
            body = self._postmortem(view, examination)
        elif opened is not None:
            body = list(self._events(view, opened, events))
        else:
            view.opened = None
            body = list(self._list(view, sample))
        view.page = max(self.height - 6, 1)
        room = max(self.height - 3, 0)
        head = list(self._head(view, sample))
        lines = [*head, *(body + [""] * room)[:room], self._foot(view, opened is not None)]
        return [line if self.width >= _NARROWEST else cut(line, self.width) for line in lines[: self.height]]

    def table(self, view: View, sample: Sample) -> Iterator[str]:
        """The whole list as plain text."""
        yield self._titles("").rstrip()
        for row in view.rows(sample.rows):
            yield ("".join(self._cells(row)) + self._beside(row)).rstrip()

    def _head(self, view: View, sample: Sample) -> Iterator[str]:
        clock = time.strftime("%H:%M:%S UTC", time.gmtime(sample.time))
        rows, lost = sample.rows, sample.losses.lost
        state = "  PAUSED" if view.paused else f"  every {duration(self.interval * SECOND)}"
        events = f"  {number(lost, 'event')} lost" if lost else ""
        events += "" if sample.losses.counted else "  totals too low"
        title = "sigtrace top"
        gap = " " * max(self.width - len(title) - len(state) - len(events) - len(clock), 1)
        yield f"{self._bold(title)}{self._red(state) if view.paused else state}{events}{gap}{clock}"
        dropping = sum(1 for row in rows if row.drops)
        parts = (
            f"{number(len(rows), 'namespace')}, {dropping:,} with drops",
            f"{rate_text(sum(row.rate for row in rows))} signals/s",
            f"{rate_text(sum(row.drop_rate for row in rows))} drops/s",
            f"{count_text(sum(row.drops for row in rows))} dropped",
        )
        yield shorten("   ".join(parts), self.width)

    def _foot(self, view: View, opened: bool) -> str:
        if view.typing:
            return shorten(f"show only: {view.filter}", self.width - 1) + self._reverse(" ")
        if view.help:
            text = "any key goes back"
        elif view.examined is not None:
            text = "esc back   up/down scroll   h help"
        elif opened:
            text = "esc back   up/down scroll   p postmortem   space pause   h help"
        else:
            text = (
                "up/down select   enter events   p postmortem   d sort: drops/s   / filter   h help   q quit"
            )
            if self.width < len(text):
                text = "enter events   p postmortem   s sort   / filter   h help   q quit"
        return self._reverse(f"{text:<{self.width}}"[: self.width])

    def _list(self, view: View, sample: Sample) -> Iterator[str]:
        rows = view.rows(sample.rows)
        room = max(self.height - 5, 1)
        place = view.place(rows)
        view.scroll = min(max(view.scroll, place - room + 1), place, max(len(rows) - room, 0))
        filtered = f"only {view.filter!r}: {len(rows)} of {len(sample.rows)}   " if view.filter else ""
        order = f"sorted by {view.column}, {'descending' if view.descending else 'ascending'}"
        yield shorten(filtered + order, self.width)
        yield self._bold(self._titles(view.column))
        for which, row in enumerate(rows[view.scroll : view.scroll + room], view.scroll):
            yield self._row(row, which == place)
        if not rows:
            yield (
                f"no PID namespace has {printable(view.filter)!r} in its name" if view.filter else "none yet"
            )

    def _titles(self, sorted_by: str) -> str:
        name, command, last = self._widths()
        titles = (
            *((f"{'NAMESPACE':<{name}} ", "NAMESPACE"), (f"{'INIT':>{_INIT}} ", "INIT")),
            *((f"{'COMMAND':<{command}} ", "COMMAND"), (f"{'STATE':<{_STATE}} ", "STATE")),
            *((f"{'SIG/S':>{_RATE}} ", "SIG/S"), (f"{'DROP/S':>{_RATE}} ", "DROP/S")),
            *((f"{'DROPS':>{_COUNT}} ", "DROPS"), (f"{'LAST DROP':<{last}}", "LAST DROP")),
        )
        line = "".join(
            text.replace(title, self._underlined(title)) if title == sorted_by else text
            for text, title in titles
        )
        return f"{line} {'STOP':<{_STOP}} {'ON A STOP':<{_VERDICT}} IMAGE" if self.wide else line

    def _beside(self, row: RateRow) -> str:
        """The cells of a wide screen: the stop signal, what it would do, the image."""
        if not self.wide:
            return ""
        known = self.forecasts.get(row.key)
        signal, verdict = (known.signal, known.verdict) if known and not row.gone else ("", "")
        image = row.container.image if row.container else ""
        left = padded(shorten_start(image, self._image), self._image)
        return f" {signal:<{_STOP}} {verdict:<{_VERDICT}} {left}"

    @property
    def _image(self) -> int:
        """Columns for the image."""
        return _IMAGE + (self.width - _WIDE) // 3

    @property
    def _room(self) -> int:
        """Columns for all else."""
        return self.width - (_STOP + _VERDICT + self._image + 3 if self.wide else 0)

    def _row(self, row: RateRow, selected: bool) -> str:
        name, rates, drops, last = self._cells(row)
        last += self._beside(row)
        if selected:
            return self._reverse(padded(name + rates + drops + last, self.width))
        if row.gone:
            return self._dim(name + rates + drops + last)
        if row.drop_rate:
            return name + rates + self._red(drops + last)
        return name + rates + drops + last

    def _cells(self, row: RateRow) -> tuple[str, str, str, str]:
        name, command, last = self._widths()
        label = row.container.fitting(name) if row.container else shorten(row.label, name)
        return (
            f"{padded(label, name)} {row.init_pid or '-':>{_INIT}} {padded(shorten(row.comm, command), command)} "
            f"{state_of(row):<{_STATE}} ",
            f"{rate_text(row.rate):>{_RATE}} ",
            f"{rate_text(row.drop_rate):>{_RATE}} {count_text(row.drops):>{_COUNT}} ",
            padded(last_drop(row, last), last),
        )

    def _widths(self) -> tuple[int, int, int]:
        """Columns for the name, the command and the last drop."""
        room = max(self._room, _NARROWEST) - _FIXED
        command = min(max(room // 5, 4), 15)
        last = min(max((room - command) // 2, 8), 32)
        return min(room - command - last, 48), command, last

    def _events(self, view: View, row: RateRow, events: Batch | None) -> Iterator[str]:
        yield from self._about(row)
        table = EventLines(self.width, self.colour)
        yield self._bold(shorten(table.header(), self.width))
        room = max(self.height - 8, 1)
        events = folded(events) if events is not None else None
        count = len(events) if events is not None else 0
        view.scroll = min(view.scroll, max(count - room, 0))
        if events is None or not count:
            yield "no signal to its init since the start"
            return
        end = count - view.scroll
        yield from table.lines(events[max(end - room, 0) : end])

    def _postmortem(self, view: View, examination: Examination) -> list[str]:
        if examination.problem:
            return [shorten(f"the postmortem failed: {examination.problem}", self.width)]
        if examination.report is None:
            return ["reading /proc ..."]
        styled = report_lines(examination.report, min(max(self.width, _NARROWEST), _WIDEST_TEXT) - 1, True)
        found = [line if self.colour else click.unstyle(line) for line in styled]
        view.scroll = max(min(view.scroll, len(found) - max(self.height - 3, 1)), 0)
        return found[view.scroll :]

    def _about(self, row: RateRow) -> Iterator[str]:
        image = f"   image {row.container.image}" if row.container and row.container.image else ""
        named = f"{printable(row.label)}   " if row.label != str(row.key[0]) else ""
        yield self._bold(shorten(f"{named}PID namespace {row.key[0]}{printable(image)}", self.width))
        init = f"init {printable(row.comm)}/{row.init_pid}" if row.init_pid else "init unknown"
        yield shorten(f"{init}, {state_of(row) or 'state unknown'}", self.width)
        dropped = f"{row.drops:,} dropped ({rate_text(row.drop_rate)}/s)"
        last = f"   last: {last_drop(row, self.width)}" if row.last else ""
        yield shorten(
            f"{number(row.signals, 'signal')} ({rate_text(row.rate)}/s)   {dropped}{last}", self.width
        )
        yield ""

    def _help(self) -> Iterator[str]:
        yield ""
        yield from (shorten(f"  {keys:<16}{what}", self.width) for keys, what in _KEYS)
        yield ""
        yield from (shorten(f"  {note}", self.width) for note in _NOTES)

    def _bold(self, text: str) -> str:
        return f"\x1b[1m{text}\x1b[22m"

    def _reverse(self, text: str) -> str:
        return f"\x1b[7m{text}\x1b[27m"

    def _underlined(self, text: str) -> str:
        return f"\x1b[4m{text}\x1b[24m"

    def _dim(self, text: str) -> str:
        return f"\x1b[2m{text}\x1b[22m"

    def _red(self, text: str) -> str:
        return f"\x1b[31m{text}\x1b[39m" if self.colour else text
