"""The report: what it says of a recording, that it says no more than fits, and that all text in it is only text."""

from __future__ import annotations

import base64
import hashlib
import itertools
import re
import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sigtrace
from sigtrace.recording import schema
from sigtrace.recording.selection import Selection
from sigtrace.report import gather, html, moment
from sigtrace.report import page as page_module
from tests.builders.incident import DB, DROPS_OF_STORM, EVIL, NAMES, NESTED, SECOND, STORM, WEB, incident
from tests.builders.pages import Element, parsed, words
from tests.builders.recordings import UTC, Made, another, made, terms
from tests.builders.records import record


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return incident(tmp_path_factory.mktemp("incident") / "recording")


@pytest.fixture(scope="module")
def content(recording: Path) -> bytes:
    return report(recording)


@pytest.fixture(scope="module")
def page(content: bytes) -> Element:
    return parsed(content)


def report(*paths: Path, selection: Selection | None = None) -> bytes:
    return html(gather(sigtrace.open(paths), selection or Selection()))


def section(page: Element, nsid: int) -> Element:
    (found,) = [
        each for each in page.all("section", class_="namespace") if str(nsid) in facts(each)["PID namespace"]
    ]
    return found


def facts(element: Element) -> dict[str, str]:
    return {each.one("dt").text: each.one("dd").text for each in element.one("dl", class_="facts").all("div")}


def rows(page: Element, about: str) -> list[list[str]]:
    (table,) = [table for table in page.all("table") if about in table.one("caption").text]
    body = table.one("tbody")
    return [[words(cell) for cell in row.children if isinstance(cell, Element)] for row in body.all("tr")]


# What it says ------------------------------------------------------------------------------------------


def test_the_verdict_comes_first_and_names_the_worst_with_the_reason(page: Element) -> None:
    main = page.one("main")
    first = next(child for child in main.children if isinstance(child, Element))
    assert first.one("h1").text == "3 of 5 PID namespaces hung"
    worst = words(first.all("li")[0])
    assert worst.startswith("web-1: killed after 10.01 s. SIGTERM was sent to gunicorn[164], PID 1")
    assert "1 more with findings" in words(first)


def test_namespaces_are_ranked_by_trouble_and_the_healthy_one_is_last(page: Element) -> None:
    listed = rows(page, "by the worst finding")
    assert [row[0] for row in listed] == ["1", "2", "3", "4", "5"]
    assert [row[1] for row in listed][:2] == ["web-1", "probe"]
    assert listed[-1][1] == "db"
    assert listed[-1][-1] == "no finding"
    assert {row[1]: row[6] for row in listed}["probe"] == f"{DROPS_OF_STORM:,}"


def test_a_finding_has_its_evidence_and_its_advice(page: Element) -> None:
    finding = section(page, WEB).one("article", class_="finding")
    assert "error" in finding.one("h4").text
    assert "dropped-at-generate" in finding.one("h4").text
    (line,) = finding.one("ul", class_="evidence").all("li")
    assert "SIGTERM to gunicorn[164] from runc[9], child of containerd-shim[8]" in line.text
    assert "docker run --init" in finding.text


def test_the_story_tells_who_asked_and_what_came_of_it(page: Element) -> None:
    story = words(section(page, WEB).one("details", class_="story"))
    assert "asked to stop by docker: dockerd" in story
    assert "then SIGKILL after a grace period of 10 s" in story
    assert "+10 s" in story


def test_a_namespace_inside_a_container_says_inside_of_which(page: Element) -> None:
    inner, outer = section(page, NESTED), section(page, WEB)
    assert inner.one("h3").text.split()[1] == "web-1:"
    assert facts(inner)["inside"] == f"web-1 ({WEB})"
    assert facts(outer)["has inside it"] == f"web-1: build[168] ({NESTED})"
    (link,) = [each for each in inner.one("dl").all("a") if "web-1" in each.text]
    assert link.attributes["href"] == "#" + outer.attributes["id"]


def test_stops_are_listed_with_their_grace_period_and_end(page: Element) -> None:
    stops = {row[1]: row for row in rows(page, "Attempts to stop")}
    assert stops["web-1"][3:6] == ["SIGTERM", "10 s", "10.01 s"]
    assert stops["web-1"][6].startswith("killed by SIGKILL")
    assert stops["db"][4:] == ["-", "80 ms", "exited with code 0"]


def test_signals_are_listed_with_the_dropped_ones_first(page: Element) -> None:
    signals = rows(page, "Who sent which signals")
    assert signals[0][:6] == [
        *("probe", str(STORM), "SIGHUP", "health-probe", "dropped: no handler", f"{DROPS_OF_STORM:,}")
    ]
    verdicts = [row[4].startswith("dropped") for row in signals]
    assert verdicts == sorted(verdicts, reverse=True)


def test_a_quiet_recording_is_told_as_such(tmp_path: Path) -> None:
    page = parsed(
        report(made(tmp_path / "r", record(signal=17, time=SECOND, ns_level=1, ns_start=5, nsid=9)))
    )
    assert "Nothing hung" in page.one("h1").text
    assert {each.attributes["class"] for each in page.all("article")} <= {"finding notice"}


APP: dict[str, Any] = {
    **{"nsid": 9, "ns_level": 1, "ns_start": 5},
    **{"target_pid": 70, "target_start": 5, "target_comm": b"app"},
}
"""An init that is asked to stop."""


def test_what_stopped_at_once_is_not_said_to_have_hung_whatever_was_found(tmp_path: Path) -> None:
    ms, did = SECOND // 1000, {"signal": 15, "disposition": "handler"}
    records = [
        record(**APP, time=SECOND, signal=9, relation="same"),
        record(**APP, **did, time=2 * SECOND, result=0, sender_pid=8, sender_comm=b"runc"),
        record(**APP, **did, time=2 * SECOND + ms, stage="deliver", result=-1, relation=0),
        record(**APP, time=2 * SECOND + 2 * ms, stage="exit", signal=0, result=-1, flags=("init",)),
    ]
    page = parsed(report(made(tmp_path / "r", *records)))
    assert "ended after 2 ms" in words(page)
    assert page.one("h1").text == "Nothing hung; 1 of 1 PID namespace with findings"


def test_a_sigkill_right_after_the_request_is_no_hang(tmp_path: Path) -> None:
    us = SECOND // 1_000_000
    for number, grace, headline in (
        (1, 17 * us, "Nothing hung; 1 of 1"),
        (2, SECOND, "1 of 1 PID namespace hung"),
    ):
        records = [
            record(**APP, time=SECOND, signal=15, flags=("init", "unkillable")),
            record(**APP, time=SECOND + grace, signal=9, result=0),
            record(
                **APP,
                time=SECOND + grace + us,
                stage="exit",
                signal=0,
                result=-1,
                flags=("init",),
                exit_code=9,
            ),
        ]
        page = parsed(report(made(tmp_path / str(number), *records)))
        assert page.one("h1").text.startswith(headline)


def test_a_recording_without_events_makes_a_whole_page(tmp_path: Path) -> None:
    recording = Made(tmp_path / "r")
    recording.close()
    page = parsed(report(tmp_path / "r"))
    assert page.one("h1").text == "No signals in PID namespaces were recorded"
    assert "Nothing was lost" in words(page)


def test_the_verdict_that_nothing_hung_is_of_what_was_recorded_if_records_were_lost(tmp_path: Path) -> None:
    recording = Made(tmp_path / "r")
    recording.add(record(time=SECOND, ns_level=1, ns_start=5, nsid=9, signal=1, result=0))
    recording.writer.rows("losses", schema.LOSSES, [{"time": UTC + 2 * SECOND, "lost": 12}])
    recording.close()
    page = parsed(report(tmp_path / "r"))
    assert page.one("h1").text == (
        "Nothing hung: no trouble in 1 PID namespace, in what was recorded; 12 records of that time were lost"
    )
    assert "Nothing was found in what was recorded; 12 records of that time were lost." in words(page)
    assert "Nothing was found that keeps it" not in words(page)


def test_a_part_of_the_time_is_about_that_part_only(recording: Path) -> None:
    page = parsed(report(recording, selection=Selection(since=UTC + 120 * SECOND, until=UTC + 140 * SECOND)))
    assert [row[1] for row in rows(page, "by the worst finding")] == ["db"]
    assert not page.all("figure", class_="drops")


def test_one_namespace_is_about_that_one_only(recording: Path) -> None:
    page = parsed(report(recording, selection=Selection(ns=(DB,))))
    assert [row[1] for row in rows(page, "by the worst finding")] == ["db"]
    assert {row[0] for row in rows(page, "Who sent which signals")} == {"db"}


def test_what_was_lost_is_told_on_top_and_at_the_end(tmp_path: Path) -> None:
    recording = Made(tmp_path / "r")
    recording.add(record(time=SECOND, ns_level=1, ns_start=5, nsid=9))
    gap = {"time": UTC, "lost": 12, "gap_began": UTC, "gap_ended": UTC + 60 * SECOND}
    recording.writer.rows("losses", schema.LOSSES, [gap])
    recording.crash()
    page = parsed(report(tmp_path / "r"))
    assert "what is missing" in page.one("section", class_="verdict").text
    missing = words(page.one("section", id="method"))
    assert "12 records lost, as the kernel's ring had no room for them" in missing
    assert "Nothing was recorded from 2023-11-14 22:13:20 to 2023-11-14 22:14:20 UTC" in missing
    assert "was cut short" in missing


def test_a_report_never_calls_totals_exact_that_are_not(tmp_path: Path) -> None:
    recording = Made(tmp_path)
    recording.add(*terms([SECOND, 2 * SECOND]))
    time = UTC + SECOND
    for number, lost in enumerate(({"uncounted": 4630}, {"uncounted": 4630, "lost": 7})):
        recording.writer.rows("losses", schema.LOSSES, [{"time": time + number, **lost}])
        recording.writer.flush()
        for since, too_low in ((None, True), (UTC, number == 1)):
            text = words(parsed(report(tmp_path, selection=Selection(since=since))))
            assert ("the totals are too low" in text) == too_low, (lost, since)
            assert "still exact" not in text
            assert ("the record is complete" in text) == (not too_low)
    recording.close()


def test_two_hosts_are_told_apart(tmp_path: Path) -> None:
    drop = record(time=SECOND, ns_level=1, ns_start=5, nsid=9)
    paths = [made(tmp_path / name, drop, run=another(host=name, boot_id=name * 32)) for name in "ab"]
    listed = rows(parsed(report(*paths)), "by the worst finding")
    assert {row[3] for row in listed} == {"a", "b"}


# Pictures ----------------------------------------------------------------------------------------------


def marks(figure: Element) -> list[Element]:
    return [each for each in figure.one("div", class_="plot").all("svg", class_="e") if each.all("title")]


def test_a_timeline_shows_the_drop_the_grace_period_and_the_kill(page: Element) -> None:
    figure = section(page, WEB).one("figure", class_="timeline")
    drop, kill, exit_ = (
        figure.one("div", class_="plot").one("svg", class_=kind) for kind in ("dropped", "kill", "exited")
    )
    assert "grace period, 10 s" in figure.text
    places = [float(each.attributes["x"].rstrip("%")) for each in (drop, kill, exit_)]
    assert 0 < places[0] < 10
    assert 90 < places[1] < places[2] < 100
    assert [text.text for text in figure.all("text", class_="name")] == ["from runc", "init: gunicorn[164]"]
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


# What it must not do -------------------------------------------------------------------------------------


def test_text_from_the_kernel_and_the_runtimes_is_text_and_nothing_else(
    content: bytes, page: Element
) -> None:
    own = {"a", "article", "b", "body", "caption", "circle", "code", "dd", "details", "div", "dl", "dt", "em"}
    own |= {
        "figcaption",
        "figure",
        "footer",
        "g",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "head",
        "header",
        "li",
        "line",
    }
    own |= {"main", "meta", "nav", "ol", "p", "path", "rect", "script", "section", "span", "style", "summary"}
    own |= {
        "svg",
        "symbol",
        "table",
        "tbody",
        "td",
        "text",
        "th",
        "thead",
        "time",
        "title",
        "tr",
        "ul",
        "use",
    }
    assert {each.tag for each in page.all()} <= own
    assert len(page.all("script")) == len(page.all("style")) == 1
    assert NAMES[EVIL] in section(page, EVIL).one("h3").text
    assert "</script><script>pwn()</script>" in facts(section(page, EVIL))["command"]
    assert "{{7*7}}" in facts(section(page, EVIL))["image"]
    for each in page.all():
        assert not any(name.startswith("on") or name == "style" for name in each.attributes), each.attributes


def test_no_character_in_it_hides_or_reorders_others(content: bytes, page: Element) -> None:
    odd = {
        char
        for char in content.decode()
        if unicodedata.category(char) in ("Cc", "Cf", "Zl", "Zp", "Co", "Cs")
    }
    assert odd == {"\n"}
    assert "\\u202e" in facts(section(page, EVIL))["image"]
    assert "\\x1b]0;" in section(page, EVIL).text


def test_its_policy_allows_its_own_script_and_style_and_nothing_else(page: Element) -> None:
    (policy,) = [
        each.attributes["content"]
        for each in page.all("meta")
        if "Policy" in each.attributes.get("http-equiv", "")
    ]
    allowed = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert allowed["default-src"] == "'none'"
    for rule, tag in (("script-src", "script"), ("style-src", "style")):
        digest = hashlib.sha256(page.one(tag).text.encode()).digest()
        assert allowed[rule] == f"'sha256-{base64.b64encode(digest).decode()}'"


def test_it_refers_to_nothing_outside_itself(page: Element) -> None:
    for each in page.all():
        for name in ("href", "src", "action", "data", "srcset", "poster"):
            assert each.attributes.get(name, "#").startswith("#"), each.attributes
    assert "url(" not in page.one("style").text
    assert "@import" not in page.one("style").text
    assert not re.search(r"fetch|XMLHttp|WebSocket|import\(|innerHTML|eval", page.one("script").text)


def test_its_structure_serves_those_who_hear_it(page: Element) -> None:
    identifiers = [each.attributes["id"] for each in page.all() if "id" in each.attributes]
    assert len(set(identifiers)) == len(identifiers)
    for link in page.all("a"):
        assert link.attributes["href"][1:] in identifiers
    levels = [int(each.tag[1]) for each in page.all() if re.fullmatch(r"h[1-6]", each.tag)]
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
    assert levels.count(1) == 1
    assert all(each.attributes.get("scope") in ("col", "row") for each in page.all("th"))
    assert all(each.all("caption") for each in page.all("table"))
    for each in page.one("main").all("svg", role="img"):
        assert each.attributes["aria-label"]


def test_a_report_that_would_be_too_large_tells_fewer_namespaces_in_full(
    recording: Path, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page_module, "MOST_BYTES", len(content) - 10_000)
    smaller = report(recording)
    page = parsed(smaller)
    assert len(smaller) <= len(content) - 10_000
    told = page.all("section", class_="namespace")
    assert 0 < len(told) < 5
    assert f"{5 - len(told)} of 5 namespaces are not shown in full here" in words(page)
    assert [row[1] for row in rows(page, "by the worst finding")][-1] == "db"
    identifiers = {each.attributes["id"] for each in page.all() if "id" in each.attributes}
    assert {link.attributes["href"][1:] for link in page.all("a")} <= identifiers
