"""Reports as tests look at them."""

from __future__ import annotations

from pathlib import Path

import sigtrace
from sigtrace.recording.selection import Selection
from sigtrace.report import gather, html
from tests.builders.pages import Element, words


def report(*paths: Path, selection: Selection | None = None) -> bytes:
    """The report of these recordings."""
    return html(gather(sigtrace.open(paths), selection or Selection()))


def section(page: Element, nsid: int) -> Element:
    """The section of a namespace."""
    (found,) = [
        each for each in page.all("section", class_="namespace") if str(nsid) in facts(each)["PID namespace"]
    ]
    return found


def facts(element: Element) -> dict[str, str]:
    """The facts of a section."""
    return {each.one("dt").text: each.one("dd").text for each in element.one("dl", class_="facts").all("div")}


def rows(page: Element, about: str) -> list[dict[str, str]]:
    """The rows of the table with these words in its caption, by the heads of its columns."""
    (table,) = [table for table in page.all("table") if about in table.one("caption").text]
    heads = [words(each) for each in table.one("thead").all("th")]
    cells = [
        [words(cell) for cell in row.children if isinstance(cell, Element)]
        for row in table.one("tbody").all("tr")
    ]
    return [dict(zip(heads, row, strict=True)) for row in cells]
