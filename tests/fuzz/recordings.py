"""Recordings of which one file, or the values in it, are whatever somebody wrote: everything that reads them does."""

from __future__ import annotations

import atexit
import functools
import io
import json
import re
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa

import sigtrace
from sigtrace.events.counts import Counts
from sigtrace.export import csv
from sigtrace.export import json as json_lines
from sigtrace.export.source import Source
from sigtrace.postmortem import from_recording
from sigtrace.recording import schema
from sigtrace.recording.directory import HEADER, TABLES
from sigtrace.recording.reader import Recording
from sigtrace.recording.selection import Selection
from sigtrace.recording.summary import summarise
from tests.builders.recordings import RUN, UTC, Made
from tests.builders.records import EVERYTHING, counted

_FACTS = {"format": 1, "host": RUN.host, "boot_id": RUN.boot_id, "run": RUN.run, "began": UTC}
_ROWS = 4


@functools.cache
def _whole() -> Path:
    """A recording with a file of every table."""
    where = Path(tempfile.mkdtemp(prefix="sigtrace-fuzz-"))
    atexit.register(shutil.rmtree, where, ignore_errors=True)
    recording = Made(where / "whole")
    recording.add(*EVERYTHING)
    writer = recording.writer
    writer.counts(Counts(np.concatenate([counted(each, 7) for each in EVERYTHING])), UTC)
    known = {"time": UTC, "nsid": 77, "ns_start": 4, "init_comm": "app", "container_id": "c", "died": UTC + 5}
    writer.rows("namespaces", schema.NAMESPACES, [known])
    gap = {"time": UTC, "lost": 3, "gap_began": UTC, "gap_ended": UTC + 9}
    writer.rows("losses", schema.LOSSES, [gap])
    task = {"time": UTC, "nsid": 77, "pid": 5, "tid": 5, "comm": "app", "trigger": "drop", "state": "S"}
    writer.rows("snapshots", schema.schema_of("snapshots"), [task])
    recording.close()
    return where / "whole"


def _read_events(recording: Recording) -> None:
    recording.events()
    recording.batch(ns=[(77, 4)], signal=15, verdict="dropped", since=1)
    recording.stops()
    for write in (csv.write, json_lines.write):
        write(Source(recording, recording.filter()), io.BytesIO())


_READERS: dict[str, Callable[[Recording], object]] = {
    "events": _read_events,
    "counts": Recording.counts,
    "namespaces": lambda recording: list(recording.spaces),
    "snapshots": Recording.snapshots,
    "losses": lambda recording: recording.losses,
    "manifest": Recording.hosts,
}


def read(where: Path, what: str) -> None:
    """Read a recording in every way in which a table, or the manifest, has a part. Raises nothing."""
    recording = sigtrace.open(where)
    _READERS[what](recording)
    summary = summarise(recording, Selection())
    json.dumps([summary.as_dict(), *(line.as_dict() for line in summary.lines)], allow_nan=False)
    if what in ("events", "snapshots", "namespaces"):
        from_recording.all_recorded(recording, Selection())
    if what in TABLES:
        assert recording.rows(what) <= 10_000
    assert all(problem.isprintable() for problem in recording.problems)


FILES = (*(f"{table}-000001.arrow" for table in TABLES), "manifest.json")


def with_file(raw: bytes) -> None:
    """Read a recording of which one file, that the first byte chooses, is the other bytes."""
    _changed(FILES[raw[0] % len(FILES)] if raw else FILES[0], raw[1:])


def files() -> list[bytes]:
    """Return each file as a recorder writes it, and those of tables without compression: each byte is a value."""
    whole = [bytes([number]) + (_whole() / name).read_bytes() for number, name in enumerate(FILES)]
    return [*whole, *(raw[:1] + _plain(raw[1:]) for raw in whole[: len(TABLES)])]


def _changed(name: str, content: bytes) -> None:
    where = _whole() / name
    kept = where.read_bytes()
    try:
        where.write_bytes(content)
        read(where.parent, re.split("[-.]", name)[0])
    finally:
        where.write_bytes(kept)


def _plain(raw: bytes) -> bytes:
    out = io.BytesIO()
    with pa.ipc.open_file(raw) as file, pa.ipc.new_file(out, file.schema) as plain:
        for number in range(file.num_record_batches):
            plain.write_batch(file.get_batch(number))
    return out.getvalue()


def with_values(raw: bytes) -> None:
    """Read a recording with a valid file whose values, nulls and columns are taken from these bytes."""
    table = TABLES[raw[0] % len(TABLES)] if raw else "events"
    known = schema.schema_of(table)
    source = np.frombuffer((raw[1:] or b"\0") * 64, "u1")
    columns, names = [], []
    for number, field in enumerate(known):
        turn = np.roll(source, -number * 7)
        if field.name != "time" and turn[0] == 0xEE:
            continue  # an older sigtrace had no such column
        columns.append(_column(field.type, turn))
        names.append(field.name)
    kind = pa.schema(list(zip(names, (each.type for each in columns), strict=True)))
    out = io.BytesIO()
    header = {HEADER: json.dumps(_FACTS).encode()}
    with pa.ipc.new_file(out, kind.with_metadata(header)) as file:
        file.write_batch(pa.RecordBatch.from_arrays(columns, schema=kind.with_metadata(header)))
    _changed(f"{table}-000001.arrow", out.getvalue())


def values() -> list[bytes]:
    """Return values for each table: zeros, ones, and small ones."""
    return [
        bytes([table]) + rest
        for table in range(len(TABLES))
        for rest in (b"\0", b"\xff\x7f", bytes(range(64)))
    ]


def _column(kind: pa.DataType, source: np.ndarray[tuple[int], np.dtype[np.uint8]]) -> pa.Array:
    """Return a column of `_ROWS` values: any that the type has."""
    absent = source[:_ROWS] == 0xFF
    if pa.types.is_dictionary(kind):
        codes = pa.array(source[:_ROWS] % 3, kind.index_type, mask=absent)
        return pa.DictionaryArray.from_arrays(codes, pa.array(_texts(source, 3)))
    if pa.types.is_string(kind):
        return pa.array(_texts(source, _ROWS), mask=absent)
    if pa.types.is_boolean(kind):
        return pa.array(source[:_ROWS] > 127, mask=absent)
    width = kind.bit_width // 8
    raw = np.resize(source, _ROWS * width).tobytes()
    values = np.frombuffer(raw, "i8" if pa.types.is_timestamp(kind) else kind.to_pandas_dtype())
    return pa.array(values, pa.int64() if pa.types.is_timestamp(kind) else kind, mask=absent).view(kind)


def _texts(source: np.ndarray[tuple[int], np.dtype[np.uint8]], count: int) -> list[str]:
    return [source[place : place + 9].tobytes().decode("latin-1") for place in range(count)]
