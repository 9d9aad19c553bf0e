"""The directory of a recording: one recorder at a time, and what is no recording is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import sigtrace
from sigtrace.errors import BadInput
from tests.builders.recordings import Made, another, made, terms
from tests.builders.records import EVERYTHING


def test_the_next_recorder_closes_what_a_dead_one_left_open(tmp_path: Path) -> None:
    dead = Made(tmp_path)
    dead.add(*EVERYTHING)
    dead.crash()
    made(tmp_path, *terms([9]), run=another(run="r2"))
    assert sorted(path.name for path in tmp_path.glob("events*")) == [
        "events-000001.arrow",
        "events-000002.arrow",
    ]
    recording = sigtrace.open(tmp_path)
    assert recording.batch().records["time"].tolist() == [1, 2, 3, 4, 9]
    assert recording.problems == []


def test_a_file_that_a_full_disk_left_empty_is_no_damage_and_goes_with_the_next_recorder(
    tmp_path: Path,
) -> None:
    dead = Made(tmp_path)
    dead.add(*EVERYTHING)
    (tmp_path / "counts-000001.arrow.open").touch()
    dead.crash()
    recording = sigtrace.open(tmp_path)
    assert (len(recording.batch()), len(recording.counts())) == (4, 0)
    assert all("was cut short" in problem for problem in recording.problems)
    made(tmp_path, *terms([9]), run=another(run="r2"))
    assert not [*tmp_path.glob("counts*")]
    assert sigtrace.open(tmp_path).problems == []


def test_a_second_recorder_is_refused(tmp_path: Path) -> None:
    first = Made(tmp_path)
    with pytest.raises(BadInput, match="another recorder writes into"):
        Made(tmp_path)
    first.close()
    Made(tmp_path).close()


def test_a_newer_manifest_is_refused(tmp_path: Path) -> None:
    made(tmp_path, *EVERYTHING)
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    (tmp_path / "manifest.json").write_text(json.dumps({**manifest, "format": 2}))
    for attempt in (sigtrace.open, Made):
        with pytest.raises(BadInput, match="newer sigtrace"):
            attempt(tmp_path)


def test_what_is_no_recording_is_refused_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path, says in (
        (tmp_path / "file", "not a directory"),
        (tmp_path / "no", "not a directory"),
        (tmp_path, "contains no recording"),
    ):
        with pytest.raises(BadInput, match=says):
            sigtrace.open(path)
    with pytest.raises(BadInput, match="is not a directory"):
        Made(tmp_path / "file")
    with pytest.raises(BadInput, match="does not exist: create that first"):
        Made(tmp_path / "no" / "such")
