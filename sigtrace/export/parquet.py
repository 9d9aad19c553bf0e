"""Export to Parquet: a directory with one file per table, for DuckDB, pandas, Polars, Spark.

    events.parquet       the event table, then the facts that recordings keep beside it, and boot_id
    counts.parquet       the exact totals, when they were first and last sampled, host and boot_id
    namespaces.parquet   one row per PID namespace and boot
    snapshots.parquet    the snapshots, one row per task, host and boot_id
    losses.parquet       the records lost so far, cumulative over a recorder's life (`run`), host and boot_id

Times are ns UTC; texts are dictionary-encoded. Rows are in the order in which they were recorded.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sigtrace.export.source import Source
from sigtrace.recording import schema
from sigtrace.recording.filter import Filter
from sigtrace.snapshot import COLUMNS

if TYPE_CHECKING:
    import pandas as pd

_ROWS = 1 << 17
"""Rows per row group, which bounds the memory."""
_TEXT = pa.dictionary(pa.int32(), pa.string())
_OF_FILE = ("host", "boot_id", "run")
"""Columns with one value per file of the recording."""

TABLES = ("events", "counts", "namespaces", "snapshots", "losses")
FILES = frozenset(f"{table}.parquet" for table in TABLES)
"""The files that `write` creates."""


def write(source: Source, directory: Path) -> list[str]:
    """Write the tables to a directory; returns sentences about what had to be left out. Raises OSError."""
    kinds = {
        "events": _with(schema.event_schema(), "boot_id"),
        "snapshots": _with(schema.row_schema(COLUMNS), "host", "boot_id"),
        "losses": _with(schema.LOSSES, "host", "boot_id", "run"),
    }
    _write(directory / "events.parquet", kinds["events"], _named(source.events(), kinds["events"]))
    for table in ("snapshots", "losses"):
        parts = _snapshots(source) if table == "snapshots" else source.recording.parts(table)
        _write(directory / f"{table}.parquet", kinds[table], _named(parts, kinds[table]))
    namespaces = source.recording.namespaces()
    _write_frame(directory / "namespaces.parquet", namespaces[source.where.of_table(namespaces)])
    if source.where.since is not None or source.where.until is not None:
        return ["counts have no time: counts.parquet is left out with --since and --until"]
    _write_frame(directory / "counts.parquet", source.where.of_counts(source.recording.counts()))
    return []


def _with(kind: pa.Schema, *texts: str) -> pa.Schema:
    """Return the schema with all texts dictionary-encoded with the same index type, and more text columns."""
    fields = [pa.field(field.name, _TEXT if _is_text(field.type) else field.type) for field in kind]
    return pa.schema([*fields, *(pa.field(name, _TEXT) for name in texts)])


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_dictionary(kind) or pa.types.is_string(kind))


def _named(
    parts: Iterator[tuple[Mapping[str, Any], pa.RecordBatch]], kind: pa.Schema
) -> Iterator[pa.RecordBatch]:
    """Yield the batches with the columns of `kind`: a recording of another version may have more or fewer."""
    for facts, part in parts:
        arrays = [_array(part, field, facts) for field in kind]
        yield pa.RecordBatch.from_arrays(arrays, schema=kind)


def _array(part: pa.RecordBatch, field: pa.Field, facts: Mapping[str, Any]) -> pa.Array:
    if field.name not in part.schema.names:
        value = str(facts[field.name]) if field.name in _OF_FILE else None
        if value is None:
            return pa.nulls(part.num_rows, field.type)
        return pa.DictionaryArray.from_arrays(np.zeros(part.num_rows, "i4"), pa.array([value]))
    array = part[field.name]
    if pa.types.is_dictionary(array.type):
        return pa.DictionaryArray.from_arrays(array.indices.cast(pa.int32()), array.dictionary)
    return array.dictionary_encode() if pa.types.is_string(array.type) else array.cast(field.type)


def _snapshots(source: Source) -> Iterator[tuple[Mapping[str, Any], pa.RecordBatch]]:
    """Yield the facts of each file, and the snapshots that pass the filter's namespaces and times."""
    spaces, where = source.recording.spaces, source.where
    period = Filter(since=where.since, until=where.until)
    for facts, part in source.recording.parts("snapshots"):
        boot = str(facts["host"]), str(facts["boot_id"])
        mask = period(part)
        if where.by_namespace:
            columns = [part["nsid"], part["ns_start"], part["time"].view(pa.int64())]
            rows = zip(*(schema.numbers(column).tolist() for column in columns), strict=True)
            mask &= np.array([where.takes(spaces.of_snapshot(boot, *row)) for row in rows], bool)
        yield facts, part.filter(pa.array(mask))


def _write(path: Path, kind: pa.Schema, parts: Iterator[pa.RecordBatch]) -> None:
    """Write batches as row groups of about _ROWS rows: small row groups make reading slow."""
    with pq.ParquetWriter(path, kind, compression="zstd") as file:
        waiting: list[pa.RecordBatch] = []
        for part in parts:
            waiting.append(part)
            if sum(each.num_rows for each in waiting) >= _ROWS:
                file.write_table(_joined(waiting, kind))
                waiting.clear()
        if waiting:
            file.write_table(_joined(waiting, kind))


def _joined(parts: list[pa.RecordBatch], kind: pa.Schema) -> pa.Table:
    return pa.Table.from_batches(parts, kind).unify_dictionaries().combine_chunks()


def _write_frame(path: Path, table: pd.DataFrame) -> None:
    plain = pa.Table.from_pandas(table, preserve_index=False)
    kind = _with(plain.schema)
    columns = [
        column.dictionary_encode() if pa.types.is_string(column.type) else column for column in plain.columns
    ]
    pq.write_table(pa.table(columns, plain.schema.names).cast(kind), path, compression="zstd")
