"""The pictures of the documentation: they are there, small and described; a terminal's picture has its text as text."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from scripts.pictures import svg
from scripts.pictures.terminal import Frame, Shell

ROOT = Path(__file__).parents[2]
IMAGES = ROOT / "docs" / "images"
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
SHOWN = [
    (page, *found) for page in PAGES for found in re.findall(r"!\[(.*?)\]\((.*?)\)", page.read_text(), re.S)
]
COLUMNS = 60


def test_each_picture_is_there_is_small_and_is_described() -> None:
    for page, words, target in SHOWN:
        path = (page.parent / target).resolve()
        assert 0 < path.stat().st_size < 200_000, target
        assert len(words) > 40, target
    assert {(page.parent / target).resolve() for page, _, target in SHOWN} == set(IMAGES.iterdir())


@pytest.fixture(scope="module")
def frames() -> list[Frame]:
    """A terminal in which text that means harm is printed in red, and then replaced."""
    with Shell(COLUMNS, 6) as shell:
        shell.type(r"printf '\033[1;31m<script>&\033[0m%s\n' end; read; clear; echo done; read" + "\n")
        shell.until(lambda: "&end" in shell.text)
        shell.type("\n")
        shell.until(lambda: shell.text.startswith("done"))
    return shell.frames


def texts(document: str) -> list[str]:
    return [each.text or "" for each in ET.fromstring(document).iter("{http://www.w3.org/2000/svg}text")]


def test_what_a_terminal_shows_is_text_and_nothing_else(frames: list[Frame]) -> None:
    document = svg.animated(frames, 'a "title" <b>')
    assert {each.tag.rpartition("}")[2] for each in ET.fromstring(document).iter()} == {
        "svg",
        "style",
        "rect",
        "g",
        "text",
    }
    assert {"<script>&", "end", "done"} <= set(texts(document))
    (red,) = re.findall(r"<text([^>]*)>&lt;script", document)
    assert 'fill="#ff7b72" font-weight="700"' in red
    assert "http" not in document.replace("http://www.w3.org/2000/svg", "")


def test_without_motion_the_last_screen_is_shown(frames: list[Frame]) -> None:
    groups = [
        each for each in ET.fromstring(svg.animated(frames, "t")).iter() if "r" in each.get("class", "")
    ]
    lasting = [
        text for each in groups if "gone" not in each.get("class", "").split() for text in each.itertext()
    ]
    assert lasting == texts(svg.still(frames[-1], "t")) == ["done"]


def test_each_row_is_shown_when_it_was_on_the_screen(frames: list[Frame]) -> None:
    document = svg.animated(frames, "t")
    begins = dict(re.findall(r"@keyframes (k\d+)\{(?:0%\{opacity:0\})?([\d.]+)%", document))
    whole = {float(each) for each in re.findall(r"animation:k\d+ ([\d.]+)s", document)}
    assert len(whole) == 1
    name = re.search(r'class="r(\d+)"><text[^>]*>done', document)
    assert name
    came = next(frame.time for frame in frames if frame.rows[0][0].text == "d")
    assert float(begins[f"k{name[1]}"]) / 100 * whole.pop() == pytest.approx(came, abs=0.05)
