"""The report as one HTML file, in which whatever came from the kernel or a runtime is text and nothing else.

Every value that a template prints passes `_harmless` (no control, invisible or reordering characters, bounded length)
and is then escaped by Jinja. No value gets into the script or the style sheet, which the page's Content-Security-Policy
knows by their hashes; it allows nothing else: no request, no other script, no inline handler.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from sigtrace.events.outcome import KINDS, label
from sigtrace.report import moment
from sigtrace.report.facts import Band, Chart, EventMark, Page
from sigtrace.text import printable
from sigtrace.units import duration

MOST_BYTES = 2_000_000
"""No report is larger: namespaces are left out of it until it is not."""
_MOST_CHARACTERS = 600
"""Of one text; command lines can be as long as their authors please."""
_MARK = b'<!doctype html>\n<html lang="en" data-made-by="sigtrace report">'
_LANE, _TOP = 36, 18
"""Pixels from lane to lane, and above the first."""
_HERE = Path(__file__).with_name("templates")


def html(page: Page) -> bytes:
    """The file's content, at most MOST_BYTES."""
    text = _render(page)
    while len(text) > MOST_BYTES and page.sections:
        fitting = int(len(page.sections) * 0.8 * MOST_BYTES / len(text))
        page = replace(page, sections=page.sections[:fitting])
        text = _render(page)
    return text


def is_report(path: Path) -> bool:
    """Whether a file is one that `html` made."""
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
        "label": lambda line: label(line.verdict, line.signal),
    }
    style, script = ((_HERE / name).read_text() for name in ("style.css", "script.js"))
    text = environment.get_template("page.html").render(
        page=page,
        detailed=page.detailed,
        kinds=KINDS,
        frame=_Frame,
        style=Markup(style),
        script=Markup(script),
        policy=_policy(style, script),
    )
    return text.encode()


class _Frame:
    """Where a chart's things are: x in percent of its width, y in pixels."""

    def __init__(self, chart: Chart, height: int = 0) -> None:
        self.chart = chart
        self.begin, self.end = chart.focus
        self.height = height or _TOP + _LANE * len(chart.lanes)

    @property
    def ticks(self) -> list[tuple[str, str, str]]:
        """Where the ticks are, on which side of it the label stands if not below, and the label."""
        found = moment.ticks(self.begin, self.end)
        return [(self.x(time), self._side(self._share(time), 5, 95), label) for time, label in found]

    def _share(self, time: int) -> float:
        return 100 * (time - self.begin) / max(self.end - self.begin, 1)

    def x(self, time: int) -> str:
        """`12.34%`."""
        return f"{self._share(time):.2f}%"

    def side(self, begin: int) -> str:
        """On which side of its beginning the name of a band stands."""
        return self._side(self._share(begin), 60, 60)

    @staticmethod
    def _side(x: float, left: float, right: float) -> str:
        return "left" if x < left else "right" if x >= right else ""

    def width(self, begin: int, end: int) -> str:
        """Of what is between two moments and in view."""
        shares = [min(max(self._share(time), 0), 100) for time in (begin, end)]
        return f"{shares[1] - shares[0]:.2f}%"

    def left(self, begin: int) -> str:
        """Where a stretch begins to be in view."""
        return f"{min(max(self._share(begin), 0), 100):.2f}%"

    def hidden(self, begin: int, end: int) -> bool:
        """Whether a stretch, or a moment, is out of view."""
        return end < self.begin or begin > self.end

    def at(self, time: int) -> str:
        """Milliseconds after the chart's beginning, for the script: `12.345`."""
        return f"{(time - self.chart.begin) / 1e6:.3f}".rstrip("0").rstrip(".")

    def y(self, lane: int) -> int:
        """The middle of a lane."""
        return _TOP + _LANE * lane + _LANE * 2 // 3

    def lane_label(self, lane: int) -> int:
        """Where a lane's name stands."""
        return _TOP + _LANE * lane + 11

    def named_bands(self) -> list[Band]:
        """The longest band, whose name is shown."""
        return sorted(self.chart.bands, key=lambda band: band.end - band.begin)[-1:]

    def drawn(self) -> list[EventMark]:
        """The marks, the most telling last, and so on top."""
        order = list(KINDS)
        return sorted(self.chart.marks, key=lambda mark: -order.index(mark.kind))


def _harmless(value: Any) -> Any:
    """What a template prints: text without characters that hide or reorder, and bounded; numbers as they are."""
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
