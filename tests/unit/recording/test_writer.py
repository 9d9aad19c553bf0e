"""The writer: keeps to its limits, and goes on when nothing can be written."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

import sigtrace
from sigtrace.events.batch import Batch
from sigtrace.events.container import Container
from sigtrace.recording import directory, schema
from sigtrace.recording import manifest as manifest_module
from sigtrace.recording.messages import BATCH, Messages
from sigtrace.recording.writer import Limits
from tests.builders.recordings import UTC, Made, another, made, terms
from tests.builders.records import record


def test_retention_keeps_to_its_size_and_deletes_only_its_own(tmp_path: Path) -> None:
    (tmp_path / "events-000000.arrow").write_bytes(bytes(1 << 20))  # named like ours, but not ours
    (tmp_path / "keep.txt").write_text("mine")
    recording = Made(tmp_path, limits=Limits(max_bytes=60_000, max_age=1e9, rotate=0))
    for number in range(12):
        noise = np.random.default_rng(number).integers(0, 1 << 60, 400)
        recording.add(*terms(noise.tolist()))
    recording.close()
    mine = [path for path in tmp_path.glob("*.arrow*") if path.name != "events-000000.arrow"]
    assert 20_000 < sum(path.stat().st_size for path in mine) <= 60_000
    assert not (tmp_path / "events-000001.arrow").exists()
    assert (tmp_path / "events-000012.arrow").exists()
    assert (tmp_path / "events-000000.arrow").exists()
    assert (tmp_path / "keep.txt").read_text() == "mine"
    segments = json.loads((tmp_path / "manifest.json").read_text())["segments"]
    assert {f"{int(number):06d}" for number in segments} >= {path.name[7:13] for path in mine}


def test_retention_deletes_what_is_too_old(tmp_path: Path) -> None:
    made(tmp_path, *terms([1]))
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    manifest["segments"]["1"]["ended"] = 1
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    recording = Made(tmp_path, another(run="r2"), Limits(1 << 30, max_age=3600, rotate=1e9))
    recording.add(*terms([2]))
    recording.close()
    assert sigtrace.open(tmp_path).batch().records["time"].tolist() == [2]


def test_segments_are_never_more_than_a_manifest_has_room_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    most = directory.MOST_SEGMENTS
    monkeypatch.setattr(directory, "MOST_SEGMENTS", 300)
    time = 1_800_000_000_000_000_000
    kept = {number: {"began": time, "ended": time, "cut": True} for number in range(1, 500)}
    made(tmp_path, *terms([1]))
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    (tmp_path / "manifest.json").write_text(json.dumps({**manifest, "segments": kept}))
    recording = Made(tmp_path, another(run="r2"))
    recording.close()
    assert len(recording.directory.segments) == len(sigtrace.open(tmp_path).manifest["segments"]) == 300
    assert not (tmp_path / "events-000001.arrow").exists()
    room = (tmp_path / "manifest.json").stat().st_size / 300 * most
    assert room < manifest_module.MOST_BYTES


def test_a_directory_that_vanishes_stops_the_writing_until_it_is_back(tmp_path: Path) -> None:
    where = tmp_path / "dir"
    recording = Made(where)
    recording.add(*terms([1]))
    shutil.rmtree(where)
    recording.add(*terms([2]))
    recording.add(*terms([3]))
    assert recording.writer.stopped
    assert "create the directory again" in recording.said[0]
    where.mkdir()
    recording.writer.flush()
    recording.add(*terms([4]))
    recording.close()
    assert len(recording.said) == 2
    assert sigtrace.open(where).batch().records["time"].tolist() == [4]


def test_rows_that_come_one_by_one_are_one_batch_of_each_flush(tmp_path: Path) -> None:
    recording = Made(tmp_path)
    for number in range(600):
        recording.writer.rows("namespaces", schema.NAMESPACES, [{"time": UTC, "nsid": number}])
        if number % 200 == 199:
            recording.writer.flush()
    written = (tmp_path / "namespaces-000001.arrow.open").read_bytes()
    assert [message.kind for message in Messages(written, 8).found].count(BATCH) == 3
    recording.close()
    assert sorted(sigtrace.open(tmp_path).namespaces()["nsid"]) == list(range(600))


def test_rows_of_a_time_when_nothing_can_be_written_are_not_kept(tmp_path: Path) -> None:
    where = tmp_path / "dir"
    recording = Made(where)
    recording.add(*terms([1]))
    shutil.rmtree(where)
    recording.writer.rows("namespaces", schema.NAMESPACES, [{"time": UTC, "nsid": 1}])
    recording.writer.flush()
    recording.writer.rows("namespaces", schema.NAMESPACES, [{"time": UTC, "nsid": 2}])
    where.mkdir()
    recording.writer.flush()
    recording.writer.rows("namespaces", schema.NAMESPACES, [{"time": UTC, "nsid": 3}])
    recording.add(*terms([3]))
    recording.close()
    assert list(sigtrace.open(where).namespaces()["nsid"]) == [3]


def test_containers_that_appear_one_after_the_other_are_all_recorded(tmp_path: Path) -> None:
    """An Arrow file takes a dictionary that grows, and none that changes."""
    names = ["web-1", "db", "", "cache", "web-1"]
    recording = Made(tmp_path)
    for number, name in enumerate(names):
        home = Container(f"id-{name}", name, "docker") if name else None
        batch = Batch(record(time=number, nsid=number), UTC, "h", lambda *_, home=home: home)  # type: ignore[misc]
        recording.writer.events(batch)
        recording.writer.flush()
    recording.close()
    (path,) = tmp_path.glob("events-*.arrow")
    with pa.ipc.open_file(path) as file:
        written = file.read_all()["container_name"].to_pylist()
    assert written == names
