"""A file of a recording: read up to its last whole batch, whatever happened to it."""

from __future__ import annotations

import os
from pathlib import Path

import pyarrow as pa
import pytest

import sigtrace
from tests.builders.recordings import Made, Torn, made, terms
from tests.builders.records import EVERYTHING


def test_a_file_cut_anywhere_is_read_up_to_its_last_whole_batch(tmp_path: Path) -> None:
    torn = Torn(tmp_path / "torn")
    around_ends = {
        end + by for end in torn.ends for by in (-9, -8, -1, 0, 1, 8) if end + by <= len(torn.whole)
    }
    for cut in sorted({0, 1, 7, 8, 9, *around_ends, *range(16, len(torn.whole), 1201)}):
        torn.cut(cut)


@pytest.mark.parametrize("tail", [bytes(64), b"\xff" * 64, bytes(range(64))], ids=["zeros", "ones", "noise"])
def test_garbage_after_a_power_cut_costs_nothing_but_itself(tmp_path: Path, tail: bytes) -> None:
    recording = Made(tmp_path)
    recording.add(*EVERYTHING)
    recording.crash()
    with open(tmp_path / "events-000001.arrow.open", "ab") as file:
        file.write(tail)
    read = sigtrace.open(tmp_path)
    assert len(read.batch()) == 4
    assert read.problems == [
        f"the recorder of {tmp_path} was cut short: what it had not written by then is missing",
        f"{tmp_path}/events-000001.arrow.open breaks off in mid-write: its last 64 bytes, "
        "at most a second's, are left out",
    ]


def test_a_complete_file_that_was_not_renamed_is_whole(tmp_path: Path) -> None:
    made(tmp_path, *EVERYTHING)
    os.rename(tmp_path / "events-000001.arrow", tmp_path / "events-000001.arrow.open")
    recording = sigtrace.open(tmp_path)
    assert len(recording.batch()) == 4
    assert not any("breaks off" in problem for problem in recording.problems)


def test_many_small_batches_become_few_when_a_segment_closes(tmp_path: Path) -> None:
    recording = Made(tmp_path)
    for time in range(50):
        recording.add(*terms([time], target_comm=b"app%d" % time))
    grown = (tmp_path / "events-000001.arrow.open").stat().st_size
    recording.close()
    assert (tmp_path / "events-000001.arrow").stat().st_size < grown / 5
    assert pa.ipc.open_file(tmp_path / "events-000001.arrow").num_record_batches == 1
    batch = sigtrace.open(tmp_path).batch()
    assert batch.columns()["target_comm"].tolist() == [f"app{n}" for n in range(50)]
