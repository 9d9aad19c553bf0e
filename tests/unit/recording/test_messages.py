"""What an Arrow file would expand to is known before it is decompressed, and what is whole is read."""

from __future__ import annotations

import json
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

import sigtrace
from sigtrace.recording import schema
from sigtrace.recording.directory import HEADER
from sigtrace.recording.messages import BATCH, DICTIONARY, SCHEMA, Messages
from tests.builders.recordings import Made, made, terms

_FACTS = {"format": 1, "host": "web-1", "boot_id": "b" * 32, "run": "r1"}


def _file(path: Path, codec: str, batches: list[pa.RecordBatch]) -> Path:
    """A closed file with these batches, as somebody else may write it."""
    kind = batches[0].schema.with_metadata({HEADER: json.dumps(_FACTS).encode()})
    options = pa.ipc.IpcWriteOptions(compression=codec)
    with pa.ipc.new_file(str(path), kind, options=options) as file:
        for batch in batches:
            file.write_batch(batch)
    return path


def _rows(comm: str, count: int) -> pa.RecordBatch:
    return schema.rows(schema.row_schema({"time": "int", "comm": "str"}), [{"time": 1, "comm": comm}] * count)


@pytest.mark.parametrize("codec", ["zstd", "lz4"])
def test_a_bomb_is_not_decompressed_and_what_comes_before_it_is_read(tmp_path: Path, codec: str) -> None:
    made(tmp_path, *terms([1]))
    bomb = _file(tmp_path / "snapshots-000002.arrow", codec, [_rows("good", 3), _rows("x" * (1 << 20), 160)])
    assert bomb.stat().st_size < 1 << 20
    recording = sigtrace.open(tmp_path)
    tracemalloc.start()
    before = pa.default_memory_pool().max_memory()
    assert recording.snapshots()["comm"].tolist() == ["good"] * 3
    assert pa.default_memory_pool().max_memory() - before < 16 << 20
    assert tracemalloc.get_traced_memory()[1] < 16 << 20
    tracemalloc.stop()
    (problem,) = recording.problems
    assert problem.startswith(f"{bomb} is damaged: its last ")
    assert problem.endswith(" bytes are left out: they would expand to more than a recorder writes")


def test_many_small_bombs_are_one(tmp_path: Path) -> None:
    made(tmp_path, *terms([1]))
    part = _rows("x" * (1 << 20), 64)
    bomb = _file(tmp_path / "snapshots-000002.arrow", "zstd", [part] * 20)
    size = bomb.stat().st_size
    recording = sigtrace.open(tmp_path)
    assert len(recording.snapshots()) <= 64 * (1 + 1000 * size // (64 << 20))
    assert "would expand" in recording.problems[0]


def test_more_rows_than_a_recorder_writes_are_refused(tmp_path: Path) -> None:
    made(tmp_path, *terms([1]))
    part = pa.RecordBatch.from_arrays(
        [pa.array(np.zeros(1 << 21, "i8")).view(schema.NAMESPACES[0].type)], ["time"]
    )
    _file(tmp_path / "snapshots-000002.arrow", "zstd", [part])
    recording = sigtrace.open(tmp_path)
    assert len(recording.snapshots()) == 0
    assert recording.problems[0].endswith("they have more rows than a recorder writes")


def test_the_messages_of_a_recorders_file_are_all_found(tmp_path: Path) -> None:
    recording = Made(tmp_path)
    for number in range(3):
        recording.add(*terms([number], target_comm=b"app%d" % number))
    data = (tmp_path / "events-000001.arrow.open").read_bytes()
    recording.close()
    found = Messages(data, 8)
    assert (found.end, found.complete, found.why) == (len(data), False, "")
    assert found.found[0].kind == SCHEMA
    assert sum(each.kind == BATCH for each in found.found) == 3
    assert sum(each.kind == DICTIONARY for each in found.found) >= 3
    closed = (tmp_path / "events-000001.arrow").read_bytes()
    assert Messages(closed, 8).complete


@pytest.mark.parametrize("place", [0, 4, 8, 12, 16, 20, 24, 40])
@pytest.mark.parametrize("value", [0, 1, -1, 0x7FFFFFFF, -0x80000000])
def test_metadata_that_points_anywhere_ends_the_messages(tmp_path: Path, place: int, value: int) -> None:
    made(tmp_path, *terms([1]))
    data = bytearray((tmp_path / "events-000001.arrow").read_bytes())
    (last,) = [each for each in Messages(bytes(data), 8).found if each.kind == BATCH]
    struct.pack_into("<i", data, last.start + place, value)
    found = Messages(bytes(data), 8)
    assert last.start <= found.end <= len(data)
    (tmp_path / "events-000001.arrow").write_bytes(data)
    assert len(sigtrace.open(tmp_path).batch()) in (0, 1)


def test_a_segment_that_is_cut_off_while_it_is_read_is_read_as_it_was(tmp_path: Path) -> None:
    """Who maps a file and reads beyond its new end is killed by SIGBUS."""
    recording = Made(tmp_path)
    recording.add(*terms(range(100_000)))
    recording.close()
    read = sigtrace.open(tmp_path)
    parts = read.parts("events")
    count = next(parts)[1].num_rows
    with open(tmp_path / "events-000001.arrow", "r+b") as file:
        file.truncate(4096)
    assert count + sum(part.num_rows for _, part in parts) == 100_000


_KINDS = {
    "a struct": lambda rows: pa.array([{"a": 1}] * rows),
    "no values": pa.nulls,
    "lists": lambda rows: pa.array([[1]] * rows),
    "text instead of a dictionary": lambda rows: pa.array(["x"] * rows),
    "numbers as text": lambda rows: pa.array(["1"] * rows).dictionary_encode(),
    "wider numbers": lambda rows: pa.array([1] * rows, pa.decimal128(38)),
    "runs": lambda rows: pa.RunEndEncodedArray.from_arrays([rows], pa.array([1])),
}


@pytest.mark.parametrize("table", ["events", "counts", "namespaces", "snapshots", "losses"])
def test_columns_of_another_type_are_refused_and_unknown_ones_not_read(tmp_path: Path, table: str) -> None:
    made(tmp_path, *terms([1]))
    known = schema.schema_of(table)
    time = pa.array([1, 2]).view(known.field("time").type)
    *_, first, last = (name for name in known.names if name != "time")
    refused, number = 0, 1
    for make in _KINDS.values():
        strange = make(2)
        for name in (first, last, "of_a_later_version"):
            number += 1
            batch = pa.RecordBatch.from_arrays([time, strange], ["time", name])
            _file(tmp_path / f"{table}-{number:06d}.arrow", "zstd", [batch])
            refused += name in known.names and strange.type != known.field(name).type
    recording = sigtrace.open(tmp_path)
    for read in (recording.events, recording.counts, recording.namespaces, recording.snapshots):
        read()
    assert recording.losses.total == 0
    assert len(recording.problems) == refused >= 2 * (len(_KINDS) - 1)
    assert all("a column has the type of another" in problem for problem in recording.problems)


@pytest.mark.parametrize("column", ["time", "gap_began", "lost"])
def test_values_from_which_nothing_can_be_computed_are_left_out_and_said(tmp_path: Path, column: str) -> None:
    made(tmp_path, *terms([1]))
    sound, absurd = {"time": 5, "lost": 3}, {"time": 5, column: (1 << 63) - 1}
    batches = [schema.rows(schema.LOSSES, [each]) for each in (sound, absurd)]
    _file(tmp_path / "losses-000002.arrow", "zstd", batches)
    recording = sigtrace.open(tmp_path)
    assert recording.losses.lost == 3
    assert recording.problems == [f"{tmp_path}/losses-000002.arrow is damaged: what cannot be is left out"]
