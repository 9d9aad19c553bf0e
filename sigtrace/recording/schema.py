"""Converts batches, counts and rows to Arrow record batches and back. The package's docstring has the columns."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sigtrace import text
from sigtrace.clock import TICK_NS
from sigtrace.events import origin, verdict, wire
from sigtrace.events.batch import Batch
from sigtrace.events.column_types import Column, Labels, Nullable
from sigtrace.events.columns import COUNT_FIELDS, EVENT_FIELDS, FACT_FIELDS
from sigtrace.events.container import COLUMNS as CONTAINER_COLUMNS
from sigtrace.events.container import Container
from sigtrace.events.counts import COUNT, Counts
from sigtrace.events.field import Field
from sigtrace.events.field import columns as columns_of
from sigtrace.events.residents import Known, residents
from sigtrace.snapshot.columns import COLUMNS as SNAPSHOT_COLUMNS

_UTC = pa.timestamp("ns", tz="UTC")
_WHOLE = {
    field.name: field
    for member, _, _ in wire.EVENT.members  # in the order in which a record lies in memory: the fastest to write
    for field in (*EVENT_FIELDS, *FACT_FIELDS)
    if field.whole and field.member == member != "time"
}
"""The columns from which members of a wire record are restored; its time comes from `time` and `boot_to_utc`."""

EVENT_COLUMNS = ("time", "boot_to_utc", *_WHOLE)
"""The columns from which a wire record is restored."""

_NULLABLE = frozenset(field.name for field in EVENT_FIELDS if field.only)

_UNKNOWN = 255
"""The code of a name that this version does not know."""

NAMESPACES = pa.schema(
    [
        *[("time", _UTC), ("nsid", pa.uint32()), ("ns_start", pa.uint64()), ("parent_nsid", pa.uint32())],
        *[("ns_level", pa.uint8()), ("init_pid", pa.int32()), ("init_comm", pa.string())],
        *[("born", _UTC), ("died", _UTC)],
        *[(name, pa.string()) for name in (*CONTAINER_COLUMNS, "container_stop_signal")],
    ]
)
LOSSES = pa.schema(
    [
        ("time", _UTC),
        *[(name, pa.uint64()) for name in ("committed", "lost", "uncounted", "missed")],
        *[(name, pa.uint64()) for name in ("unqueued", "unwritten", "snapshots_skipped")],
        *[("gap_began", _UTC), ("gap_ended", _UTC)],
    ]
)


def row_schema(columns: Mapping[str, str]) -> pa.Schema:
    """Return the schema of a table of plain rows: `time` (ns UTC) is a timestamp, the others are str, int or bool."""
    kinds = {"str": pa.string(), "int": pa.int64(), "bool": pa.bool_()}
    return pa.schema([(name, _UTC if name == "time" else kinds[kind]) for name, kind in columns.items()])


def rows(schema: pa.Schema, values: Sequence[Mapping[str, Any]]) -> pa.RecordBatch:
    """Return rows as a record batch; missing values are null, and keys that the schema lacks are left out."""
    return pa.RecordBatch.from_pylist([dict(value) for value in values], schema)


class Encoder:
    """Encodes batches and counts as record batches for one segment.

    The segment's dictionary of texts only grows: batches that were written before refer to it by index.
    """

    def __init__(self) -> None:
        self._codes: dict[bytes, int] = {}
        self._texts: dict[str, int] = {}
        self._dictionaries: dict[str, pa.Array] = {}

    @property
    def texts(self) -> int:
        """The number of distinct texts in the segment."""
        return len(self._texts)

    def events(self, batch: Batch) -> pa.RecordBatch:
        """Return the event table, and the columns that only recordings have."""
        r = batch.records
        offsets = np.broadcast_to(np.asarray(batch.boot_to_utc, "i8"), len(r))
        columns = batch.columns(texts=self._labels)
        columns |= columns_of(FACT_FIELDS, r, {"boot_to_utc": offsets})
        columns |= {name: self._grown(columns[name]) for name in CONTAINER_COLUMNS}
        return self._batch(columns)

    def counts(self, counts: Counts, time: int) -> pa.RecordBatch:
        """Return the counts table as of `time`, ns UTC."""
        columns: dict[str, Column] = {
            "time": np.full(len(counts), time, "i8").view("datetime64[ns]"),
            **counts.columns(),
            "flags": counts.records["flags"],
        }
        return self._batch(columns)

    def _batch(self, columns: Mapping[str, Column]) -> pa.RecordBatch:
        arrays = [self._array(name, column) for name, column in columns.items()]
        return pa.RecordBatch.from_arrays(arrays, list(columns))

    def _array(self, name: str, column: Column) -> pa.Array:
        if isinstance(column, Labels):
            # Signed, because pandas accepts no other codes; those of one byte are all below 127.
            small = column.codes.dtype.itemsize == 1
            codes = pa.array(np.ascontiguousarray(column.codes, "i1" if small else "i4"))
            names = column.names[:127] if small else column.names
            return pa.DictionaryArray.from_arrays(codes, self._dictionary(name, names))
        if isinstance(column, Nullable):
            return pa.array(np.ascontiguousarray(column.values), mask=~column.present)
        if column.dtype.kind == "M":
            return pa.array(column.view("i8")).view(_UTC)
        return pa.array(np.ascontiguousarray(column))

    def _dictionary(self, name: str, names: Sequence[str]) -> pa.Array:
        known = self._dictionaries.get(name)
        if known is None or len(known) != len(names):
            known = self._dictionaries[name] = pa.array(list(names), pa.string())
        return known

    def _grown(self, column: Column) -> Labels:
        """Return a column of text with the segment's dictionary, whose order must not change within the segment."""
        assert isinstance(column, Labels)
        codes = [self._texts.setdefault(name, len(self._texts)) for name in column.names]
        return Labels(np.array(codes, "i4")[column.codes], list(self._texts))

    def _labels(self, raw: npt.NDArray[np.bytes_]) -> Labels:
        """Return the kernel's bytes with the segment's dictionary; Python code runs only for each distinct text."""
        size = raw.dtype.itemsize
        flat = np.ascontiguousarray(raw)
        found = pa.FixedSizeBinaryArray.from_buffers(pa.binary(size), len(flat), [None, pa.py_buffer(flat)])
        local = found.dictionary_encode()
        codes = np.array([self._code(value) for value in local.dictionary.to_pylist()], "i4")
        indices = local.indices.to_numpy(zero_copy_only=False)
        return Labels(codes[indices] if len(codes) else np.zeros(0, "i4"), list(self._texts))

    def _code(self, raw: bytes) -> int:
        if raw not in self._codes:
            self._codes[raw] = self._texts.setdefault(text.decode(raw), len(self._texts))
        return self._codes[raw]


def event_schema() -> pa.Schema:
    """Return the schema of the events table."""
    return Encoder().events(Batch(np.zeros(0, wire.EVENT.dtype()), 0)).schema


def count_schema() -> pa.Schema:
    """Return the schema of the counts table."""
    return Encoder().counts(Counts(np.zeros(0, COUNT)), 0).schema


@functools.cache
def schema_of(table: str) -> pa.Schema:
    """Return the schema with which this version writes a table."""
    if table == "events":
        return event_schema()
    if table == "counts":
        return count_schema()
    return {"namespaces": NAMESPACES, "losses": LOSSES, "snapshots": row_schema(SNAPSHOT_COLUMNS)}[table]


def fits(table: str, found: pa.Schema) -> bool:
    """Whether a file has `time` and each column that this version knows has its type.

    A flipped bit may turn a type into any other. Other columns are those of a later version; they are not read.
    """
    known = schema_of(table)
    pairs = [(field.type, known.field(field.name).type) for field in found if field.name in known.names]
    return "time" in found.names and all(_alike(one, other) for one, other in pairs)


def _alike(one: pa.DataType, other: pa.DataType) -> bool:
    """Whether the types are equal; the indices of a dictionary may have any width."""
    if pa.types.is_dictionary(one) and pa.types.is_dictionary(other):
        return bool(pa.types.is_integer(one.index_type) and one.value_type.equals(other.value_type))
    return bool(one.equals(other))


_FAR = 1 << 62
"""ns: 146 years. Times and offsets below it can be added."""
_MANY = 1 << 48
"""A million signals a second for nine years; counts below it can be added up."""
_TICKS = _FAR // TICK_NS
_MOST = {
    **dict.fromkeys((field.name for field in LOSSES if pa.types.is_uint64(field.type)), _MANY),
    **dict.fromkeys(("count", "thinned"), _MANY),
}


def possible(batch: pa.RecordBatch) -> bool:
    """Whether all times and counts are such that may have been: nothing that is computed from them overflows."""
    return all(_within(name, batch[name]) for name in batch.schema.names)


def _within(name: str, column: pa.Array) -> bool:
    if column.type == _UTC:
        most, column = _FAR, column.view(pa.int64())
    elif pa.types.is_uint64(column.type) or name == "boot_to_utc":
        most = _MOST.get(name, _FAR)
    elif pa.types.is_int64(column.type) and name in ("ns_start", "start_ticks"):  # of a snapshot
        most = _TICKS
    else:
        return True
    values = numbers(column)
    return not len(values) or (int(values.max()) < most and int(values.min()) > -most)


def event_records(batch: pa.RecordBatch) -> tuple[npt.NDArray[np.void], npt.NDArray[np.int64]]:
    """Return the wire records of an events batch, shape (n,), and the ns to add to each one's time to get UTC, (n,)."""
    out = np.zeros(batch.num_rows, wire.EVENT.dtype())
    offset = numbers(batch["boot_to_utc"])
    out["time"] = numbers(batch["time"].view(pa.int64())) - offset
    for field in _WHOLE.values():
        _restore(out, field, batch[field.name])
    return out, offset.astype("i8")


def complete(table: str, batch: pa.RecordBatch, wanted: Sequence[str] | None) -> pa.RecordBatch:
    """Add to a batch the wanted columns (None: all) that it lacks: they did not exist yet when it was written.

    Those of events have the values of a wire record of zeros: 0, empty, or null. Those of other tables are null.
    """
    if table == "snapshots":  # whose readers know what older ones lack
        return batch
    names = batch.schema.names
    lacking = [field for field in schema_of(table) if field.name in (wanted or (field.name,))]
    lacking = [field for field in lacking if field.name not in names]
    if table == "events" and lacking:
        blank = Encoder().events(Batch(np.zeros(batch.num_rows, wire.EVENT.dtype()), 0, ""))
    for field in lacking:
        column = blank[field.name] if table == "events" else pa.nulls(batch.num_rows, field.type)
        batch = batch.append_column(field.name, column)
    return batch


def _restore(records: npt.NDArray[np.void], field: Field, column: pa.Array) -> None:
    """Set the member of the records, shape (n,), from which the column was made."""
    member = records[field.member]
    if field.names is not None:
        member[:] = enum_codes(field.names, column)
    elif member.dtype.kind == "S":
        texts = [kernel_bytes(value) for value in column.dictionary.to_pylist()]
        member[:] = np.array(texts or [b""], member.dtype)[numbers(column.indices)]
    else:
        member[:] = numbers(column)


def joined(parts: Sequence[pa.RecordBatch]) -> pa.RecordBatch:
    """Concatenate one or more record batches, with one dictionary per column."""
    tables = [pa.table({name: _roomy(part[name]) for name in part.schema.names}) for part in parts]
    whole = pa.concat_tables(tables).unify_dictionaries().combine_chunks().to_batches()
    return whole[0] if whole else parts[0]


def with_containers(batch: pa.RecordBatch, known: Known) -> pa.RecordBatch:
    """Return an events batch whose container columns, if it has any, have the containers of the whole recording.

    The container of a namespace is often found only after its first events were written.
    """
    columns = residents(numbers(batch["nsid"]), numbers(batch["ns_start"]), known).columns()
    for name in CONTAINER_COLUMNS:
        place = batch.schema.get_field_index(name)
        if place >= 0:
            labels = columns[name]
            assert isinstance(labels, Labels)
            array = pa.DictionaryArray.from_arrays(
                pa.array(labels.codes.astype("i4")), pa.array(list(labels.names), pa.string())
            )
            batch = batch.set_column(place, pa.field(name, array.type), array)
    return batch


def container_row(container: Container | None) -> dict[str, str]:
    """Return the container columns of the namespaces table; empty without a container."""
    if container is None:
        return {}
    values = (*container.columns, container.stop_signal)
    return dict(zip((*CONTAINER_COLUMNS, "container_stop_signal"), values, strict=True))


def _roomy(array: pa.Array) -> pa.Array:
    """Return the array; a dictionary's indices as int32, so that concatenated batches can add names."""
    if not pa.types.is_dictionary(array.type):
        return array
    return pa.DictionaryArray.from_arrays(array.indices.cast(pa.int32()), array.dictionary)


def event_columns(
    batch: pa.RecordBatch, wanted: Sequence[str], boots: npt.NDArray[np.intp]
) -> dict[str, Column]:
    """Return columns of an events batch in the order of time, with the verdicts and origins of this version.

    boots: which boot of which host each row is of, shape (n,). Kernel time orders the events of one boot, as the wall
    clock may step; it says nothing about those of others, which are merged by UTC.
    """
    judged_now: dict[str, Column] = {"verdict": Labels(verdicts(batch), verdict.VERDICTS)}
    if "origin" in wanted:
        judged_now["origin"] = Labels(origins(batch), origin.ORIGINS)
    order = _in_time(numbers(batch["time"].view(pa.int64())), numbers(batch["boot_to_utc"]), boots)
    columns = {name: judged_now.get(name) or column(name, batch[name]) for name in wanted}
    return {name: _ordered(column, order) for name, column in columns.items()}


def _in_time(
    utc: npt.NDArray[np.int64], boot_to_utc: npt.NDArray[np.int64], boots: npt.NDArray[np.intp]
) -> npt.NDArray[np.intp]:
    """The order of the rows: that of kernel time in each boot, and of UTC between boots; all shapes (n,)."""
    order = np.lexsort((utc - boot_to_utc, boots))
    merged = utc[order]
    for start, end in zip(*_runs(boots[order]), strict=True):
        merged[start:end] = np.maximum.accumulate(
            merged[start:end]
        )  # a step back of the clock reorders nothing
    found: npt.NDArray[np.intp] = order[np.argsort(merged, kind="stable")]
    return found


def _runs(codes: npt.NDArray[np.intp]) -> tuple[list[int], list[int]]:
    """Where each run of equal codes starts and ends."""
    starts = [0, *(np.flatnonzero(np.diff(codes)) + 1).tolist()] if len(codes) else []
    return starts, [*starts[1:], len(codes)] if starts else []


def judged(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return an events batch with the verdicts and origins of this version."""
    derived = {"verdict": (verdicts(batch), verdict.VERDICTS), "origin": (origins(batch), origin.ORIGINS)}
    for name, (codes, words) in derived.items():
        array = pa.DictionaryArray.from_arrays(pa.array(codes.view("i1")), pa.array(words))
        place = batch.schema.get_field_index(name)
        batch = batch.set_column(place, pa.field(name, array.type), array)
    return batch


def verdicts(batch: pa.RecordBatch) -> npt.NDArray[np.uint8]:
    """Return the verdict of each row of an events batch, by the rules of this version: codes, shape (n,)."""
    facts = np.zeros(batch.num_rows, COUNT)
    for name in verdict.FACTS:
        _restore(facts, _WHOLE[name], batch[name])
    return verdict.classify(facts)


def origins(batch: pa.RecordBatch) -> npt.NDArray[np.uint8]:
    """Return the origin of each row of an events batch, by the rules of this version: codes, shape (n,)."""
    event = wire.EVENT.dtype()
    facts = np.zeros(
        batch.num_rows, [(_WHOLE[name].member, event[_WHOLE[name].member]) for name in origin.FACTS]
    )
    for name in origin.FACTS:
        _restore(facts, _WHOLE[name], batch[name])
    return origin.origins(facts)


def column(name: str, array: pa.Array) -> Column:
    """Return the column from which `Encoder` made the array."""
    if pa.types.is_dictionary(array.type):
        return Labels(numbers(array.indices), array.dictionary.to_pylist())
    if pa.types.is_timestamp(array.type):
        return numbers(array.view(pa.int64())).view("datetime64[ns]")
    if name in _NULLABLE:
        return Nullable(numbers(array), array.is_valid().to_numpy(zero_copy_only=False))
    return numbers(array)


def _ordered(column: Column, order: npt.NDArray[np.intp]) -> Column:
    if isinstance(column, Labels):
        return Labels(column.codes[order], column.names)
    if isinstance(column, Nullable):
        return Nullable(column.values[order], column.present[order])
    return column[order]


def count_records(batch: pa.RecordBatch) -> npt.NDArray[np.void]:
    """Return the rows of a counts batch as counts: shape (n,), dtype COUNT."""
    out = np.zeros(batch.num_rows, COUNT)
    for field in (*COUNT_FIELDS, _WHOLE["flags"]):
        if field.whole and field.name in batch.schema.names:  # older recordings have fewer
            _restore(out, field, batch[field.name])
    return out


def numbers(column: pa.Array) -> npt.NDArray[Any]:
    """Return a column of numbers as numpy; null becomes 0."""
    if column.null_count:
        column = column.fill_null(0)
    values: npt.NDArray[Any] = column.to_numpy(zero_copy_only=False)
    return values


def enum_codes(names: Mapping[str, int], column: pa.Array) -> npt.NDArray[np.uint8]:
    """Return the wire codes of a column of names; 255 for names that this version does not know."""
    codes = [names.get(value, _UNKNOWN) for value in column.dictionary.to_pylist()]
    found: npt.NDArray[np.uint8] = np.array(codes or [0], "u1")[numbers(column.indices)]
    return found


@functools.lru_cache(maxsize=4096)
def kernel_bytes(decoded: str) -> bytes:
    """Return at most 16 bytes that `text.decode` decodes to the same text."""
    raw = re.sub(
        rb"\\x([89a-f][0-9a-f])", lambda match: bytes([int(match[1], 16)]), decoded.encode("utf-8", "replace")
    )
    return raw if text.decode(raw) == decoded else decoded.encode("utf-8", "replace")[:16]
