"""The files of a directory: those that cannot be read are named, and the rest is read."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pyarrow as pa

import sigtrace
from sigtrace.recording.contents import Contents
from tests.builders.recordings import made
from tests.builders.records import EVERYTHING


def test_foreign_corrupt_and_newer_files_are_named_and_the_rest_is_read(tmp_path: Path) -> None:
    made(tmp_path, *EVERYTHING)
    good = (tmp_path / "events-000001.arrow").read_bytes()
    (tmp_path / "events-000002.arrow").write_text("hello")
    (tmp_path / "events-000003.arrow").write_bytes(good[: len(good) // 2])
    foreign = pa.table({"a": [1]})
    with (
        pa.OSFile(str(tmp_path / "events-000004.arrow"), "wb") as sink,
        pa.ipc.new_file(sink, foreign.schema),
    ):
        pass
    later = Contents(tmp_path / "events-000001.arrow").table()
    later = later.replace_schema_metadata(
        {"sigtrace": json.dumps({"format": 2, "host": "", "boot_id": "", "run": ""})}
    )
    with (
        pa.OSFile(str(tmp_path / "events-000005.arrow"), "wb") as sink,
        pa.ipc.new_file(sink, later.schema) as new,
    ):
        new.write_table(later)
    (tmp_path / "notes.txt").write_text("mine")
    recording = sigtrace.open(tmp_path)
    assert len(recording.batch()) == 4
    said = [re.sub(r"last \d+", "last N", each.removeprefix(f"{tmp_path}/")) for each in recording.problems]
    assert said == [
        "events-000002.arrow is not a file of a recording, or is damaged: it is left out",
        "events-000003.arrow is damaged: its last N bytes are left out: the end is missing",
        "events-000004.arrow is not a file of a recording, or is damaged: it is left out",
        "events-000005.arrow was written by a newer sigtrace (format 2; this one, 0.1.0, reads 1): "
        "upgrade sigtrace to read it",
    ]


def test_a_file_in_which_a_column_has_turned_into_another_type_is_named_and_left_out(tmp_path: Path) -> None:
    made(tmp_path, *EVERYTHING)
    damaged = Contents(tmp_path / "events-000001.arrow").table()
    place = damaged.schema.get_field_index("disposition")
    damaged = damaged.set_column(place, "disposition", pa.array([{"a": 1}] * len(damaged)))
    with (
        pa.OSFile(str(tmp_path / "events-000002.arrow"), "wb") as sink,
        pa.ipc.new_file(sink, damaged.schema) as new,
    ):
        new.write_table(damaged)
    recording = sigtrace.open(tmp_path)
    assert (len(recording.batch()), len(recording.events())) == (4, 4)
    assert recording.problems == [
        f"{tmp_path}/events-000002.arrow is damaged and left out: a column has the type of another"
    ]
