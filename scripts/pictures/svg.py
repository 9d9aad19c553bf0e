"""A terminal as SVG: one screen, or an animation in which each row is shown for as long as it was on the screen.

The text stays text. Without motion, for those who do not want it, and on paper, the last screen is shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from html import escape
from itertools import groupby

from scripts.pictures.terminal import Cell, Frame, Row

_WIDE, _HIGH, _EDGE = 8.4, 18, 16
"""Pixels of a cell, and around the screen."""
_REST = 9.0
"""Seconds for which the last screen stays."""
_GROUND, _INK = "#16181d", "#dfe3ea"
_COLOURS = {
    **{
        "default": _INK,
        "ink": _INK,
        "ground": _GROUND,
        "black": "#4a505c",
        "red": "#ff7b72",
        "green": "#7ee2a8",
    },
    **{"brown": "#f0c674", "yellow": "#f0c674", "blue": "#82aaff", "magenta": "#d8a0e8", "cyan": "#7fd6e8"},
    **{"white": "#dfe3ea", "brightblack": "#8b93a1", "brightred": "#ff9a91", "brightgreen": "#9df0c0"},
    **{
        "brightbrown": "#ffe08a",
        "brightyellow": "#ffe08a",
        "brightblue": "#a9c7ff",
        "brightmagenta": "#eec0f8",
    },
    **{"brightcyan": "#a8ecf8", "brightwhite": "#ffffff"},
}
_FONT = "ui-monospace, 'Cascadia Mono', 'SF Mono', Menlo, 'DejaVu Sans Mono', Consolas, monospace"


def still(frame: Frame, title: str) -> str:
    """Return one screen as SVG, without the empty rows at its end."""
    return _document(frame.rows, title, "", (_row(row, place, "") for place, row in enumerate(frame.rows)))


def animated(frames: Sequence[Frame], title: str) -> str:
    """Return screens as an SVG that shows them at their times, again and again."""
    whole = frames[-1].time + _REST
    parts, rules = [], []
    for number, (place, row, begin, end) in enumerate(_spans(frames)):
        if not _is_empty(row):
            stays = end is None
            rules.append(_keyframes(number, begin / whole, None if end is None else end / whole))
            name = f"r{number}" if stays else f"r{number} gone"
            parts.append(_row(row, place, name))
            rules.append(f".r{number}{{animation:k{number} {whole:.2f}s step-end infinite}}")
    quiet = "@media (prefers-reduced-motion:reduce),print{g{animation:none!important}.gone{display:none}}"
    return _document(frames[-1].rows, title, "".join(rules) + quiet, parts)


def _spans(frames: Sequence[Frame]) -> Iterator[tuple[int, Row, float, float | None]]:
    """Yield each row's place and content, and from when to when it was there; None: to the end."""
    for place in range(len(frames[0].rows)):
        runs = [
            (row, next(run)[1])
            for row, run in groupby(((f.rows[place], f.time) for f in frames), lambda each: each[0])
        ]
        for (row, begin), after in zip(runs, [*runs[1:], None], strict=True):
            yield place, row, begin, after[1] if after else None


def _keyframes(number: int, begin: float, end: float | None) -> str:
    steps = ["0%{opacity:0}"] if begin > 0 else []
    steps.append(f"{100 * begin:.2f}%{{opacity:1}}")
    steps += [f"{100 * end:.2f}%,100%{{opacity:0}}"] if end is not None else ["100%{opacity:1}"]
    return f"@keyframes k{number}{{{''.join(steps)}}}"


def _is_empty(row: Row) -> bool:
    return all(cell.text in ("", " ") and cell.back == "default" for cell in row)


def _row(row: Row, place: int, name: str) -> str:
    """Return a row; cells of the same look are one text."""
    y = _EDGE + place * _HIGH
    grounds, texts, column = [], [], 0
    for look, run in groupby(row, lambda cell: (cell.front, cell.back, cell.bold)):
        cells = list(run)
        words = "".join(cell.text for cell in cells)
        x = _EDGE + column * _WIDE
        if look[1] != "default":
            wide, fill = len(cells) * _WIDE, _colour(look[1])
            grounds.append(f'<rect x="{x:.1f}" y="{y}" width="{wide:.1f}" height="{_HIGH}" fill="{fill}"/>')
        if words.strip():
            shift = len(words) - len(words.lstrip())
            texts.append(_text(words.strip(), x + shift * _WIDE, y, Cell("", *look)))
        column += len(cells)
    inside = "".join(grounds + texts)
    return f'<g class="{name}">{inside}</g>' if name else inside


def _text(words: str, x: float, y: int, look: Cell) -> str:
    fill = "" if look.front == "default" else f' fill="{_colour(look.front)}"'
    bold = ' font-weight="700"' if look.bold else ""
    length = len(words) * _WIDE  # whatever the font is, columns stay columns
    return f'<text x="{x:.1f}" y="{y + 13}" textLength="{length:.1f}"{fill}{bold}>{escape(words)}</text>'


def _colour(name: str) -> str:
    return _COLOURS.get(name, f"#{name}" if len(name) == 6 else _INK)


def _document(rows: Sequence[Row], title: str, style: str, parts: Iterable[str]) -> str:
    used = max((place + 1 for place, row in enumerate(rows) if not _is_empty(row)), default=1)
    width, height = 2 * _EDGE + len(rows[0]) * _WIDE, 2 * _EDGE + used * _HIGH
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height}" width="{width:.0f}" '
        f'height="{height}" role="img" aria-label="{escape(title)}" xml:space="preserve">'
        f"<style>text{{font:14px {_FONT};white-space:pre}}{style}</style>"
        f'<rect width="100%" height="100%" rx="8" fill="{_GROUND}"/><g fill="{_INK}">{"".join(parts)}</g></svg>\n'
    )
