"""The charts of the report: what stands out in them, and that nothing is left out."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from sigtrace.report import moment
from tests.builders.incident import DROPS_OF_STORM, SECOND, STORM, WEB
from tests.builders.pages import Element, parsed
from tests.builders.recordings import UTC, made
from tests.builders.records import record
from tests.builders.reports import report, section


def marks(figure: Element) -> list[Element]:
    return [each for each in figure.one("div", class_="plot").all("svg", class_="e") if each.all("title")]


def test_a_timeline_shows_the_drop_the_grace_period_and_the_kill(page: Element) -> None:
    figure = section(page, WEB).one("figure", class_="timeline")
    drop, kill, exit_ = (
        figure.one("div", class_="plot").one("svg", class_=kind) for kind in ("dropped", "kill", "exited")
    )
    assert [each.text for each in figure.one("svg", class_="bandname").all("text")] == [
        *("SIGTERM dropped as it was sent", "grace period, 10 s")
    ]
    assert "asks" in drop.attributes["class"].split()
    places = [float(each.attributes["x"].rstrip("%")) for each in (drop, kill, exit_)]
    assert 0 < places[0] < 10
    assert 90 < places[1] < places[2] < 100
    lanes = [name.text for name in figure.one("div", class_="names").all("span")]
    assert lanes == ["from runc", "init: gunicorn[164]"]
    assert drop.one("title").text.endswith("the init has no handler for it: discarded as it was sent")


def test_a_storm_is_counted_in_bins_and_no_event_is_left_out_of_them(page: Element) -> None:
    figure = section(page, STORM).one("figure", class_="timeline")
    assert len(figure.all("svg")) + len(figure.all("rect")) < 400
    assert f"{DROPS_OF_STORM:,} events, counted in bins of time" in figure.text
    bars = [bar.one("title").text for bar in figure.all("rect", class_="b")]
    counted = [
        re.search(r"init: java\[\d+\]: ([\d,]+) dropped", text) for text in bars if "init: java" in text
    ]
    assert sum(int(found[1].replace(",", "")) for found in counted if found) == DROPS_OF_STORM


def test_drops_over_time_add_up_to_all_drops(page: Element) -> None:
    bars = page.one("figure", class_="drops").all("rect", class_="b")
    texts = [bar.one("title").text for bar in bars if "swatch" not in bar.attributes and bar.all("title")]
    counts = [int(re.search(r": ([\d,]+) dropped", text)[1].replace(",", "")) for text in texts]  # type: ignore[index]
    assert sum(counts) == DROPS_OF_STORM + 3
    assert any("probe" in text for text in texts)


def test_a_long_history_is_shown_from_the_attempt_to_stop_it_on(tmp_path: Path) -> None:
    base = {"nsid": 9, "ns_start": 5, "ns_level": 1, "target_pid": 4}
    page = parsed(
        report(
            made(
                tmp_path / "r",
                record(**base, time=SECOND, stage="init", signal=0, result=-1, flags=("init",)),
                record(**base, time=86_400 * SECOND),
                record(**base, time=86_410 * SECOND, signal=9, result=0, flags=("init",)),
                record(
                    **base,
                    time=86_411 * SECOND,
                    stage="exit",
                    signal=0,
                    result=-1,
                    exit_code=9,
                    flags=("init",),
                ),
            )
        )
    )
    figure = page.one("figure", class_="timeline")
    shown = {each.attributes["class"].split()[1]: "out" in each.attributes["class"] for each in marks(figure)}
    assert shown == {"born": True, "dropped": False, "kill": False, "exited": False}
    plot = figure.one("div", class_="plot").attributes
    assert (float(plot["data-from"]), float(plot["data-to"])) == (86_398_120, 86_410_880)


@pytest.mark.parametrize("span", [3_000, 10**6, 7 * 10**8, 90 * SECOND, 7200 * SECOND, 40 * 86_400 * SECOND])
def test_ticks_are_few_round_and_inside(span: int) -> None:
    ticks = moment.ticks(UTC + 123, UTC + 123 + span)
    assert 1 <= len(ticks) <= 4
    assert all(UTC <= time <= UTC + 123 + span for time, _ in ticks)
    assert len({label for _, label in ticks}) == len(ticks)
    assert len({np.diff([time for time, _ in ticks]).tolist()[0] for _ in ticks[1:]} or {0}) == 1


def test_a_dropped_request_for_which_a_namespace_hung_stands_above_any_storm(page: Element) -> None:
    figure = page.one("figure", class_="drops")
    requests = [each.one("title").text for each in marks(figure)]
    assert [text.split(": ")[0].split(" ", 1)[1] for text in requests] == [
        "web-1",
        "<img src=x onerror=pwn()>",
        "web-1",
    ]
    assert requests[0].endswith("SIGTERM dropped as it was sent; killed after 10.01 s")
    assert "above the bars, each dropped request to stop for which a namespace hung" in figure.text


def test_the_request_has_a_mark_of_its_own_among_thousands_of_other_drops(tmp_path: Path) -> None:
    base = {"nsid": 9, "ns_start": 5, "ns_level": 1, "target_pid": 4}
    storm = np.repeat(record(**base, signal=10, sender_pid=7), 900)
    storm["time"] = 10 * SECOND + np.arange(900) * 20_000_000
    end = {"signal": 0, "result": -1, "flags": ("init",)}
    first, second = (record(**base, time=at * SECOND, sender_pid=8) for at in (3, 20))
    rest = [
        record(**base, time=28 * SECOND, signal=9, result=0),
        record(**base, **end, time=29 * SECOND, stage="exit"),
    ]
    figure = parsed(report(made(tmp_path / "r", first, storm[:450], second, storm[450:], *rest))).one(
        "figure", class_="timeline"
    )
    asked = [each for each in marks(figure) if "asks" in each.attributes["class"].split()]
    assert asked
    assert {"SIGTERM" in each.one("title").text for each in asked} == {True}
    assert "requests, SIGKILLs and exits have marks" in figure.text


def test_no_name_of_a_lane_is_where_marks_are(page: Element) -> None:
    for figure in page.all("figure", class_="timeline"):
        svg = figure.one("svg", role="img")
        names = {name.text for name in figure.one("div", class_="names").all("span")}
        assert names
        assert not names & {text.text for text in svg.all("text")}
