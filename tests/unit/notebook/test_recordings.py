"""What the notebooks are made of: postmortems as pages and tables, staged recordings, the rules."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import sigtrace
from sigtrace.errors import BadInput, CannotTrace
from sigtrace.lab.catalogue import EXPERIMENTS
from sigtrace.lab.channel import NoNamespaces
from sigtrace.notebook import (
    experiment,
    in_seconds,
    plot_rules,
    postmortem,
    postmortems,
    rules,
    stage_a_stop,
    staged,
)
from sigtrace.notebook.staged import CHOICE
from tests.builders.pages import HOSTILE, Shown
from tests.builders.records import record
from tests.builders.stories import INIT, NSID, RUNC, SECOND, WEB, end, kill, recorded, stop_of_ten_seconds


def test_a_postmortem_shows_the_story_and_its_cause(tmp_path: Path) -> None:
    recording = sigtrace.open(recorded(tmp_path / "r", stop_of_ten_seconds(), WEB))
    report = postmortem(recording, container="web-1")
    assert report.findings[0].cause == "dropped-at-generate"
    text = " ".join(Shown(report._repr_html_()).text.split())
    assert "web-1 (docker, image shop/web:3), PID namespace 4026532249" in text
    assert "SIGTERM from runc[1809], child of containerd-shim[1700] DROPPED" in text
    assert "+10 s app[4242] killed by SIGKILL" in text
    assert "To do: install a handler" in text
    assert postmortem(recording, ns=NSID).findings == report.findings


def test_a_postmortem_of_one_host_is_not_that_of_its_namesake(tmp_path: Path) -> None:
    calm = [record(**INIT, **RUNC, time=8 * SECOND, disposition="handler", result=0), end(9 * SECOND, 0)]
    paths = [
        recorded(tmp_path / "a", stop_of_ten_seconds(), WEB, host="host-a"),
        recorded(tmp_path / "b", calm, WEB, host="host-b"),
    ]
    recording = sigtrace.open(paths)
    for asked in ({"container": "web-1"}, {"ns": NSID}):
        found = {host: postmortem(recording, host=host, **asked).findings for host in ("host-a", "host-b")}  # type: ignore[arg-type]
        assert [finding.cause for finding in found["host-a"]] == ["dropped-at-generate"]
        assert "dropped-at-generate" not in [finding.cause for finding in found["host-b"]]
    with pytest.raises(BadInput, match="no web-1 on nowhere: its hosts are host-a, host-b"):
        postmortem(recording, container="web-1", host="nowhere")


def test_hostile_names_in_a_postmortem_are_text(tmp_path: Path) -> None:
    hostile = {**INIT, "target_comm": b"</td><script>"}
    events = [record(**hostile, time=8 * SECOND, sender_comm=b"<img src=x>"), kill(9 * SECOND, hostile)]
    row = {**WEB, "container_name": HOSTILE, "image": HOSTILE}
    page = postmortem(sigtrace.open(recorded(tmp_path / "r", events, row)), ns=NSID)._repr_html_()
    allowed = {"div", "b", "p", "ul", "li", "code", "table", "tr", "th", "td", "details", "summary"}
    assert Shown(page).tags <= allowed
    assert "\x1b" not in page
    assert "alert(1)" in Shown(page).text


def test_postmortems_have_a_row_a_namespace_the_most_stuck_first(tmp_path: Path) -> None:
    recording = sigtrace.open(recorded(tmp_path / "r", stop_of_ten_seconds(), WEB))
    table = postmortems(recording)
    row = table.iloc[0]
    assert (row["container"], row["asked"], row["cause"]) == ("web-1", "SIGTERM", "dropped-at-generate")
    assert row["took"].total_seconds() == pytest.approx(10, abs=0.01)
    documented = [line.split()[0] for line in (postmortems.__doc__ or "").splitlines()[2:] if line.strip()]
    assert documented == list(table.columns)


def test_postmortems_of_nothing_are_an_empty_table(tmp_path: Path) -> None:
    assert len(postmortems(sigtrace.open(recorded(tmp_path / "r", [record(nsid=1, ns_level=0)])))) == 0


def test_spans_become_seconds_and_nothing_else_changes() -> None:
    table = pd.DataFrame({"name": ["a", "b"], "took": pd.to_timedelta([1_500_000_000, None], unit="ns")})
    short = in_seconds(table)
    assert short["took"].iloc[0] == 1.5
    assert pd.isna(short["took"].iloc[1])
    assert short["name"].tolist() == ["a", "b"]
    assert table["took"].dtype == "timedelta64[ns]"


def test_where_nothing_can_be_recorded_the_shipped_recording_says_why(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv(CHOICE, raising=False)
    monkeypatch.setattr(staged.incidents, "stop", _cannot)
    found = stage_a_stop()
    assert not found.live
    assert found.recording.hosts() == ["host-a"]
    assert "It cannot be recorded again here: tracing takes root." in found.origin
    assert "ships with the notebooks" in found._repr_html_()
    monkeypatch.setenv(CHOICE, "live")
    with pytest.raises(CannotTrace, match="tracing takes root"):
        stage_a_stop()
    monkeypatch.setenv(CHOICE, "yes")
    with pytest.raises(BadInput, match="SIGTRACE_NOTEBOOK is 'yes': set it to live or shipped"):
        stage_a_stop()


def _cannot(*_: Any) -> None:
    raise CannotTrace("tracing takes root")


def test_without_the_shipped_recordings_it_says_where_to_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(CHOICE, "shipped")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(staged, "_IN_CHECKOUT", tmp_path)
    with pytest.raises(
        BadInput, match=r"recordings/stop does not exist: run the notebook in its own directory"
    ):
        stage_a_stop()


@pytest.mark.parametrize("name", [each.name for each in EXPERIMENTS])
def test_every_experiment_is_shipped_as_it_went_and_it_went_as_theory_says(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(CHOICE, "shipped")
    lesson = experiment(name)
    assert lesson.passed
    assert lesson.title in Shown(lesson._repr_html_()).text
    assert any(check["recorded"] for check in lesson.checks) or name in ("proc-remount", "dead-namespace")


def test_an_experiment_that_cannot_be_played_shows_how_it_went(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise NoNamespaces("cannot create a PID namespace")

    monkeypatch.delenv(CHOICE, raising=False)
    monkeypatch.setattr("sigtrace.notebook.lesson.run", refuse)
    assert "This result ships with the notebooks" in experiment("kill-inside").origin
    assert "cannot create a PID namespace" in experiment("kill-inside").origin
    with pytest.raises(BadInput, match="did you mean kill-inside"):
        experiment("kill-insid")


def test_the_rules_say_what_is_dropped_and_the_picture_too() -> None:
    table = rules()
    dropped = table[table["becomes"] == "DROPPED"]
    assert list(zip(dropped["who"], dropped["signal"], dropped["disposition"], strict=True)) == [
        ("to PID 1, from inside", "SIGTERM", "no handler"),
        ("to PID 1, from inside", "SIGKILL", ""),
        ("to PID 1, from inside", "SIGSTOP", ""),
        ("to PID 1, from outside", "SIGTERM", "no handler"),
    ]
    drawn = plot_rules()._repr_mimebundle_()
    assert drawn["image/png"].startswith(b"\x89PNG")
    assert "DROPPED" in str(drawn["application/vnd.vegalite.v5+json"])


def test_a_staged_recording_is_removed_with_its_last_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(CHOICE, raising=False)
    made: list[Path] = []

    def stop(directory: Path, grace: float) -> None:
        made.append(recorded(directory, stop_of_ten_seconds(), WEB))

    monkeypatch.setattr(staged.incidents, "stop", stop)
    recording = stage_a_stop().recording
    assert len(recording.stops()) == 1
    del recording
    assert not os.path.exists(made[0])
