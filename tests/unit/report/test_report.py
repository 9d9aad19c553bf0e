"""The report: what it says of a recording, and that it says no more than fits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sigtrace.recording import schema
from sigtrace.recording.selection import Selection
from tests.builders.incident import DB, DROPS_OF_STORM, EVIL, NAMES, NESTED, SECOND, STORM, WEB
from tests.builders.pages import Element, parsed, words
from tests.builders.recordings import UTC, Made, another, made, terms
from tests.builders.records import record
from tests.builders.reports import facts, report, rows, section


def test_the_verdict_comes_first_and_names_the_worst_with_the_reason(page: Element) -> None:
    main = page.one("main")
    first = next(child for child in main.children if isinstance(child, Element))
    assert first.one("h1").text == "3 of 5 PID namespaces hung"
    worst = words(first.all("li")[0])
    assert worst.startswith("web-1: killed after 10.01 s. SIGTERM was sent to gunicorn[164], PID 1")
    assert worst.endswith("To do: install a handler for it in the program, before it starts its work.")
    assert [words(each).split(":")[0] for each in first.all("li")] == ["web-1", "probe", NAMES[EVIL], "web-1"]


def test_namespaces_are_ranked_by_trouble_and_the_healthy_one_is_last(page: Element) -> None:
    listed = rows(page, "by the worst finding")
    assert [row["Rank"] for row in listed] == ["1", "2", "3", "4", "5"]
    assert [row["Container or init"] for row in listed][:2] == ["web-1", "probe"]
    assert (listed[-1]["Container or init"], listed[-1]["Why"]) == ("db", "no finding")
    assert listed[1]["Dropped"] == f"{DROPS_OF_STORM:,}"
    assert list(listed[0])[1:4] == ["Container or init", "Outcome", "Why"]


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
    stops = {row["Container or init"]: row for row in rows(page, "Attempts to stop")}
    told = ("Signal", "Grace period", "Took")
    assert [stops["web-1"][name] for name in told] == ["SIGTERM", "10 s", "10.01 s"]
    assert stops["web-1"]["How it ended"].startswith("killed by SIGKILL")
    assert [stops["db"][name] for name in told[1:]] == ["-", "80 ms"]
    assert stops["db"]["How it ended"] == "exited with code 0"


def test_signals_are_listed_with_the_dropped_ones_first(page: Element) -> None:
    signals = rows(page, "Who sent which signals")
    assert list(signals[0].values())[:6] == [
        *("probe", "SIGHUP", "dropped: no handler", f"{DROPS_OF_STORM:,}", "health-probe", str(STORM))
    ]
    verdicts = [row["What became of it"].startswith("dropped") for row in signals]
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
    assert [row["Container or init"] for row in rows(page, "by the worst finding")] == ["db"]
    assert not page.all("figure", class_="drops")


def test_one_namespace_is_about_that_one_only(recording: Path) -> None:
    page = parsed(report(recording, selection=Selection(ns=(DB,))))
    listed = rows(page, "by the worst finding") + rows(page, "Who sent which signals")
    assert {row["Container or init"] for row in listed} == {"db"}


def test_what_was_lost_is_told_on_top_and_at_the_end(tmp_path: Path) -> None:
    recording = Made(tmp_path / "r")
    recording.add(record(time=SECOND, ns_level=1, ns_start=5, nsid=9))
    gap = {"time": UTC, "lost": 12, "gap_began": UTC, "gap_ended": UTC + 60 * SECOND}
    recording.writer.rows("losses", schema.LOSSES, [gap])
    recording.writer.flush()
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
    assert {row["Host"] for row in listed} == {"a", "b"}
