"""Renders the report as one HTML file, in which text from the kernel or a runtime can only be text.

Each value that a template prints passes `_harmless` (no control, invisible or reordering characters, bounded length)
and is then escaped by Jinja. No value is put into the script or the style sheet. The page's Content-Security-Policy
has the hashes of these two and allows nothing else: no request, no other script, no inline handler. The facts as JSON
(data.py) are in a script element that is not run.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from sigtrace.events.outcome import KINDS, fate
from sigtrace.report import data, moment
from sigtrace.report.facts import Band, Chart, EventMark, Page
from sigtrace.text import printable
from sigtrace.units import duration

MOST_BYTES = 2_000_000
"""The most bytes of a report; sections are left out until it fits."""
_MOST_CHARACTERS = 600
"""The most characters of one text: a command line may be far longer."""
_MARK = b'<!doctype html>\n<html lang="en" data-made-by="sigtrace report">'
_LANE, _TOP = 36, 32
"""Pixels between lanes, and above the first, where the names of spans are."""
_DROPS, _STRIP = 100, 20
"""Pixels of the highest bar of drops, and above it for the marks of requests."""
_HERE = Path(__file__).with_name("templates")


def html(page: Page) -> bytes:
    """Return the content of the file, at most MOST_BYTES."""
    text = _render(page)
    while len(text) > MOST_BYTES and page.sections:
        fitting = int(len(page.sections) * 0.8 * MOST_BYTES / len(text))
        page = replace(page, sections=page.sections[:fitting])
        text = _render(page)
    return text


def is_report(path: Path) -> bool:
    """Whether a file was made by `html`."""
    try:
        if not path.is_file():  # a pipe would wait to be opened
            return False
        with path.open("rb") as file:
            return file.read(len(_MARK)) == _MARK
    except OSError:
        return False


def _render(page: Page) -> bytes:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_harmless,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        **{name: getattr(moment, name) for name in ("clock", "stamp", "day", "iso")},
        "span": duration,
        "comma": lambda number: f"{number:,}",
        "label": lambda line: fate(line.verdict, line.signal, line.origin),
    }
    style, script = ((_HERE / name).read_text() for name in ("style.css", "script.js"))
    style += "".join(f".{name} {{ --kind: {kind.colour}; }}\n" for name, kind in KINDS.items())
    text = environment.get_template("page.html").render(
        page=page,
        detailed=page.detailed,
        kinds=KINDS,
        frame=_Frame,
        drops_height=_DROPS,
        strip=_STRIP,
        data=Markup(data.script(page)),
        style=Markup(style),
        script=Markup(script),
        policy=_policy(style, script),
    )
    return text.encode()


class _Frame:
    """The coordinates of a chart: x in percent of its width, y in pixels."""

    def __init__(self, chart: Chart, height: int = 0) -> None:
        self.chart = chart
        self.begin, self.end = chart.focus
        self.height = height or _TOP + _LANE * len(chart.lanes)

    @property
    def ticks(self) -> list[tuple[str, str, str]]:
        """The ticks: x, the side on which the label stands if not below ("left" or "right"), and the label."""
        found = moment.ticks(self.begin, self.end)
        return [(self.x(time), self._side(self._share(time), 5, 95), label) for time, label in found]

    def _share(self, time: int) -> float:
        return 100 * (time - self.begin) / max(self.end - self.begin, 1)

    def x(self, time: int) -> str:
        """`12.34%`."""
        return f"{self._share(time):.2f}%"

    def side(self, begin: int) -> str:
        """Return the side of a band's beginning on which its name stands."""
        return self._side(self._share(begin), 60, 60)

    @staticmethod
    def _side(x: float, left: float, right: float) -> str:
        return "left" if x < left else "right" if x >= right else ""

    def width(self, begin: int, end: int) -> str:
        """Return the width of the visible part between two times."""
        shares = [min(max(self._share(time), 0), 100) for time in (begin, end)]
        return f"{shares[1] - shares[0]:.2f}%"

    def left(self, begin: int) -> str:
        """Return the x at which a span becomes visible."""
        return f"{min(max(self._share(begin), 0), 100):.2f}%"

    def hidden(self, begin: int, end: int) -> bool:
        """Whether a span is outside of the visible part."""
        return end < self.begin or begin > self.end

    def at(self, time: int) -> str:
        """Return a time for the script, in milliseconds after the chart's beginning: `12.345`."""
        return f"{(time - self.chart.begin) / 1e6:.3f}".rstrip("0").rstrip(".")

    def y(self, lane: int) -> int:
        """Return the y of the middle of a lane."""
        return _TOP + _LANE * lane + _LANE // 2

    def named_bands(self) -> list[Band]:
        """Return the bands whose names are shown: the longest."""
        return sorted(self.chart.bands, key=lambda band: band.end - band.begin)[-1:]

    def drawn(self) -> list[EventMark]:
        """Return the marks in drawing order: the most important last, and so on top."""
        order = list(KINDS)
        return sorted(self.chart.marks, key=lambda mark: (mark.asks, -order.index(mark.kind)))


def _harmless(value: Any) -> Any:
    """Return what a template prints: text of bounded length without characters that hide or reorder text."""
    if isinstance(value, str) and not isinstance(value, Markup):
        return printable(value if len(value) <= _MOST_CHARACTERS else f"{value[:_MOST_CHARACTERS]}…")
    return value


def _policy(*inline: str) -> str:
    style, script = (_hash(text) for text in inline)
    return "; ".join(
        [
            "default-src 'none'",
            f"style-src '{style}'",
            f"script-src '{script}'",
            "base-uri 'none'",
            "form-action 'none'",
            "require-trusted-types-for 'script'",
        ]
    )


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
