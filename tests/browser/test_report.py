"""The report in a browser: it works, it is readable by everybody, and nothing in it comes to life."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pypdf
import pytest

import sigtrace
from sigtrace.lab.channel import wait_until
from sigtrace.recording.selection import Selection
from sigtrace.report import gather, html
from tests.browser.chromium import Browser, Page
from tests.browser.conftest import saved
from tests.builders.incident import EVIL_COMMAND, NAMES
from tests.builders.recordings import Made
from tests.builders.records import record

NARROW = {"width": 360, "height": 740}
WEB, STORM = 0, 1
"""Ranks of namespaces in the report, from 0."""

CONTRAST = Path(__file__).with_name("contrast.js").read_text()


def order(page: Page, table: int, column: int) -> list[str]:
    """The visible cells of a column, from top to bottom."""
    rows = (
        f"[...document.querySelectorAll('table.grid')[{table}].tBodies[0].rows].filter((row) => !row.hidden)"
    )
    found: list[str] = page.run(f"{rows}.map((row) => row.cells[{column}].textContent.trim())")
    return found


def timeline(page: Page, rank: int) -> str:
    return f"document.querySelectorAll('figure.timeline')[{rank}]"


def box(page: Page, element: str) -> tuple[float, float, float, float]:
    """Where an element is in the window: x, y, width, height."""
    page.run(f"{element}.scrollIntoView({{block: 'center', behavior: 'instant'}})")
    x, y, width, height = page.run(
        f"(({{x, y, width, height}}) => [x, y, width, height])({element}.getBoundingClientRect())"
    )
    return x, y, width, height


# It is inert -----------------------------------------------------------------------------------------------


def test_the_console_stays_empty_and_nothing_is_requested(page: Page, address: str) -> None:
    assert page.complaints() == []
    assert page.requested() == [address]


def test_hostile_names_are_shown_and_nothing_of_them_runs(page: Page) -> None:
    shown = page.run("document.body.textContent")
    assert NAMES[max(NAMES) - 1] in shown
    assert EVIL_COMMAND.split("<!--")[0] in shown
    assert page.run("typeof pwn") == "undefined"
    assert page.run("document.querySelectorAll('img, iframe, object, embed, link, base, form').length") == 0
    assert page.run("[...document.scripts].map((each) => each.type)") == ["application/json", ""]
    assert page.said("Page.javascriptDialogOpening") == []


def test_a_script_that_got_in_would_not_run(page: Page) -> None:
    page.run("document.body.append(Object.assign(document.createElement('div'), {id: 'in'}))")
    with pytest.raises(RuntimeError, match="TrustedHTML"):
        page.run("document.getElementById('in').innerHTML = '<img src=x onerror=document.title=1>'")
    with pytest.raises(RuntimeError, match="TrustedScript"):
        page.run("document.getElementById('in').setAttribute('onclick', 'document.title = 1')")
    page.run(
        "document.getElementById('in').append(Object.assign(document.createElement('a'), {href: 'javascript:0'}))"
    )
    page.run("document.querySelector('#in a').click()")
    page.run(
        "document.getElementById('in').append(Object.assign(new Image(), {src: 'https://example.org/x.png'}))"
    )
    blocked = [each for each in page.complaints() if "Content Security Policy" in each]
    assert any("example.org" in each for each in blocked)
    assert [each["blockedReason"] for each in page.said("Network.loadingFailed")] == ["csp"]


# Tables ----------------------------------------------------------------------------------------------------


def test_tables_are_sorted_from_the_keyboard_and_say_so(page: Page) -> None:
    assert order(page, 0, 1)[-1] == "db"
    page.run("document.querySelectorAll('table.grid th button')[1].focus()")
    page.press("Enter")
    names = order(page, 0, 1)
    assert names == sorted(names, key=str.lower)
    head = "document.querySelectorAll('table.grid th')[1]"
    assert page.run(f"{head}.getAttribute('aria-sort')") == "ascending"
    page.press("Enter")
    assert order(page, 0, 1) == names[::-1]
    assert page.run("document.querySelectorAll('[aria-sort]').length") == 1


def test_numbers_and_durations_are_sorted_as_such(page: Page) -> None:
    page.run(
        "[...document.querySelectorAll('table.grid th button')].find((each) => each.textContent === 'Dropped').click()"
    )
    assert order(page, 0, 4) == ["4,000", "1", "1", "1", "0"]
    page.run(
        "[...document.querySelectorAll('table.grid th button')].find((each) => each.textContent === 'Took').click()"
    )
    assert order(page, 1, 2)[:3] == ["10.01 s", "3 s", "1 s"]


def test_a_table_is_filtered_by_all_words_and_says_how_much_is_left(page: Page) -> None:
    page.run("document.querySelectorAll('input[type=search]')[0].focus()")
    before = len(order(page, 2, 0))
    for key in "WEB-1 sigterm":
        page.press(key)
    assert order(page, 2, 1) == ["SIGTERM", "SIGTERM"]
    assert page.run("document.querySelector('.tools:has(input) output').textContent") == f"2 of {before} rows"


# Timelines ---------------------------------------------------------------------------------------------------


def test_pointing_at_an_event_explains_it(page: Page) -> None:
    x, y, width, height = box(page, f"{timeline(page, WEB)}.querySelector('.plot .dropped use')")
    page.mouse("mouseMoved", x + width / 2, y + height / 2)
    assert page.run("document.querySelector('.tip').hidden") is False
    told = page.run("document.querySelector('.tip').textContent")
    assert "generate SIGTERM to gunicorn[164] from runc[9], child of containerd-shim[8]" in told
    left, right = page.run(
        "(({left, right}) => [left, right])(document.querySelector('.tip').getBoundingClientRect())"
    )
    assert 0 <= left < right <= page.run("innerWidth")
    page.mouse("mouseMoved", 1, 1)
    assert page.run("document.querySelector('.tip').hidden") is True


def test_drawing_a_stretch_with_the_mouse_zooms_into_it_and_a_double_click_back(page: Page) -> None:
    figure = timeline(page, WEB)
    shown = f"{figure}.querySelector('output').textContent"
    before = page.run(shown)
    x, y, width, height = box(page, f"{figure}.querySelector('.plot > svg')")
    page.drag(x + 2, y + height / 2, x + width / 4)
    assert page.run(shown) != before
    assert page.run(f"{figure}.querySelector('.plot .kill').classList.contains('out')") is True
    assert page.run(f"{figure}.querySelector('.plot .dropped').checkVisibility()") is True
    assert page.run(f"{figure}.querySelectorAll('.select').length") == 0
    page.mouse("mousePressed", x + 5, y + 5, button="left", clickCount=2)
    page.mouse("mouseReleased", x + 5, y + 5, button="left", clickCount=2)
    assert page.run(shown) == before


def test_the_wheel_scrolls_the_page_and_zooms_only_with_ctrl(page: Page) -> None:
    figure = timeline(page, WEB)
    shown = f"{figure}.querySelector('output').textContent"
    x, y, width, height = box(page, f"{figure}.querySelector('.plot > svg')")
    before, top = page.run(shown), page.run("scrollY")
    page.mouse("mouseWheel", x + width / 2, y + height / 2, deltaX=0, deltaY=-100)
    wait_until(lambda: page.run("scrollY") < top, "the page to scroll")
    assert page.run(shown) == before
    x, y, width, height = box(page, f"{figure}.querySelector('.plot > svg')")
    page.mouse("mouseWheel", x + width / 2, y + height / 2, deltaX=0, deltaY=-100, modifiers=2)
    wait_until(lambda: page.run(shown) != before, "the timeline to zoom")


def test_a_timeline_is_read_from_the_keyboard(page: Page) -> None:
    plot = f"{timeline(page, WEB)}.querySelector('.plot')"
    page.run(f"{plot}.focus()")
    told = []
    for _ in range(3):
        page.press("ArrowRight")
        told.append(page.run(f"{plot}.nextElementSibling.textContent"))
    assert ["SIGTERM" in told[0], "SIGKILL" in told[1], "exit" in told[2]] == [True, True, True]
    assert page.run(f"{plot}.nextElementSibling.getAttribute('aria-live')") == "polite"
    page.press("+", 4)
    page.press("Home")
    assert page.run(f"{plot}.querySelector('.dropped').classList.contains('out')") is False
    page.press("Escape")
    assert page.run("document.querySelector('.tip').hidden") is True


def test_zooming_never_leaves_what_there_is(page: Page) -> None:
    figure = timeline(page, STORM)
    click = "[...{}.querySelectorAll('.tools button')].find((each) => each.textContent === '{}').click()"
    shown = f"{figure}.querySelector('output').textContent"
    before = page.run(shown)
    for word in ("Earlier", "Zoom out", "Later", "Zoom out"):
        page.run(click.format(figure, word))
        assert page.run(shown) == before
    for _ in range(40):
        page.run(click.format(figure, "Zoom in"))
    assert page.run(f"{figure}.querySelectorAll('.tick').length") <= 30
    assert page.complaints() == []


# For everybody -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["light", "dark", "print"])
def test_all_text_has_a_contrast_of_four_and_a_half(page: Page, scheme: str) -> None:
    page.media(
        "print" if scheme == "print" else "", prefers_color_scheme="light" if scheme == "light" else "dark"
    )
    measured = page.run(CONTRAST)["texts"]
    assert len(measured) > 300
    assert [each for each in measured if each[0] < 4.5] == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_marks_have_a_contrast_of_three(page: Page, scheme: str) -> None:
    page.media(prefers_color_scheme=scheme)
    measured = page.run(CONTRAST)["marks"]
    assert len(measured) > 50
    assert [each for each in measured if each[0] < 3] == []


def test_everything_can_be_reached_by_tab_and_shows_that_it_has_the_focus(page: Page) -> None:
    page.press("Tab")
    assert page.run("document.activeElement.textContent") == "Skip to the verdict"
    assert page.run("document.activeElement.getBoundingClientRect().left") >= 0
    wanted = page.run(
        "[...document.querySelectorAll('a, button, input, summary, [tabindex=\"0\"]')]"
        ".filter((each) => each.checkVisibility()).length"
    )
    places = set()
    for _ in range(wanted - 1):
        page.press("Tab")
        state = page.run(
            "((each) => [each.matches('a, button, input, summary, [tabindex]'), getComputedStyle(each).outlineStyle,"
            " parseFloat(getComputedStyle(each).outlineWidth)])(document.activeElement)"
        )
        assert state[:2] == [True, "solid"]
        assert state[2] >= 2
        places.add(page.run("[...document.querySelectorAll('*')].indexOf(document.activeElement)"))
    assert len(places) == wanted - 1


def test_whatever_one_can_use_has_a_name(page: Page) -> None:
    roles = {"button", "link", "searchbox", "table", "region", "img", "application", "navigation", "main"}
    nameless = [
        node["role"]["value"]
        for node in page.tree()
        if not node["ignored"]
        and node["role"]["value"] in roles - {"main"}
        and not node.get("name", {}).get("value")
    ]
    assert nameless == []


def test_a_telephone_shows_it_without_scrolling_sideways(page: Page, browser: Browser, address: str) -> None:
    opened = browser.page(address, **NARROW)
    assert opened.run("document.documentElement.scrollWidth") == NARROW["width"]
    cut = (
        "[...document.querySelectorAll('main *')].filter((each) => !each.closest('.scroll, svg, .hidden, nav')"
        " && each.getBoundingClientRect().right > innerWidth + 1).map((each) => each.outerHTML.slice(0, 80))"
    )
    assert opened.run(cut) == []
    opened.close()


def test_nothing_moves_for_those_who_do_not_want_it(page: Page) -> None:
    page.media(prefers_reduced_motion="reduce")
    assert page.run("getComputedStyle(document.documentElement).scrollBehavior") == "auto"


# Without a script, and on paper ----------------------------------------------------------------------------------


def test_without_a_script_all_of_it_is_there(page: Page, still: Page) -> None:
    texts = "[...document.querySelectorAll('main h1, main h2, main h3, main td, main dd, main li, main p')]"
    plain = still.run(f"{texts}.map((each) => each.textContent)")
    assert plain
    assert set(plain) <= set(page.run(f"{texts}.map((each) => each.textContent)"))
    assert still.run("document.querySelectorAll('button, input').length") == 0
    assert still.run("document.querySelectorAll('figure.timeline svg title').length") > 20
    assert still.run("document.querySelector('figure.timeline .tick text').checkVisibility()") is True
    still.run("document.querySelector('.checks').open = true")
    assert still.complaints() == []


@pytest.mark.parametrize("script", [True, False])
def test_paper_has_everything_opened_and_no_controls(browser: Browser, address: str, script: bool) -> None:
    page = browser.page(address, script=script)
    page.media("print")
    visible = "[...document.querySelectorAll('{}')].filter((each) => each.checkVisibility()).length"
    assert page.run(visible.format(".tools, nav, .tip")) == 0
    assert page.run("document.querySelectorAll('details:not([open])').length") > 0
    assert (
        page.run("document.querySelector('.checks p').checkVisibility({contentVisibilityAuto: true})") is True
    )
    assert page.run("document.querySelector('.checks p').getBoundingClientRect().height") > 0
    page.close()


@pytest.mark.parametrize("height", [8.0, 9.0, 11.0])
def test_no_heading_is_alone_at_the_foot_of_a_printed_page(page: Page, height: float, tmp_path: Path) -> None:
    heads = page.run(
        "[...document.querySelectorAll('h1, h2, h3, h4, h5, figcaption, summary, .about, thead th:last-child')]"
        ".map((each) => each.textContent.replace(/\\s+/g, ' ').trim())"
    )
    page.pdf(tmp_path / "report.pdf", height)
    sheets = [sheet.extract_text().split("\n") for sheet in pypdf.PdfReader(tmp_path / "report.pdf").pages]
    last = [lines[-1].strip() for lines in sheets[:-1]]
    assert len(last) > 4
    assert [line for line in last if any(head.endswith(line) for head in heads)] == []


def test_a_table_has_its_head_on_every_page_that_it_goes_on_to(browser: Browser, tmp_path: Path) -> None:
    recording = Made(tmp_path / "r")
    recording.add(*(record(ns_level=1, nsid=9, ns_start=5, signal=signal) for signal in range(1, 65)))
    recording.close()
    address = saved(tmp_path / "r.html", html(gather(sigtrace.open(tmp_path / "r"), Selection())))
    page = browser.page(address)
    page.pdf(tmp_path / "report.pdf")
    sheets = [
        " ".join(sheet.extract_text().split()) for sheet in pypdf.PdfReader(tmp_path / "report.pdf").pages
    ]
    listed = [text for text in sheets if text.count("dropped: ") > 3]
    assert len(listed) > 1
    assert all("What became of it" in text for text in listed)
    page.close()


def test_the_largest_report_has_no_more_elements_than_a_browser_draws_at_once(
    browser: Browser, tmp_path: Path
) -> None:
    recording, count = Made(tmp_path / "r"), 200_000
    many = np.repeat(record(ns_level=1, sender_pid=9, sender_comm=b"runc", target_comm=b"app"), count)
    place = np.arange(count)
    many["nsid"], many["time"] = 4026540000 + place % 1_000, 10**9 + place * 40_000
    many["ns_start"] = many["target_pid"] = 1 + place % 1_000
    recording.add(many)
    recording.close()
    content = html(gather(sigtrace.open(tmp_path / "r"), Selection()))
    address = saved(tmp_path / "big.html", content)
    page = browser.page(address)
    assert page.complaints() == []
    assert page.run("document.querySelectorAll('figure.timeline output').length") >= 20
    assert page.run("document.querySelectorAll('*').length") < 25_000
