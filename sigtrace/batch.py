"""Batches of records and tables of counts: the arrays everything downstream reads, live or replayed.

A batch holds the kernel's facts as they came; names, verdicts and text are derived from them, column by column,
when somebody asks. The event table's columns and their order are public and stable.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from sigtrace import signals, text, verdict, wire
from sigtrace.clock import TICK_NS
from sigtrace.containers.container import COLUMNS as CONTAINER_COLUMNS
from sigtrace.containers.container import Container

if TYPE_CHECKING:
    import pandas as pd

_FACTS = ("unkillable", "blocked", "exiting", "traced", "kthread")
_FEW = 1 << 12
"""Rows that are sorted faster than spread."""
_SENDER = ("sender_pid", "sender_tid", "sender_nsid", "sender_uid", "sender_parent_pid")


@dataclass(frozen=True)
class Labels:
    """A column of few different texts: `codes` (n,) index `names`."""

    codes: npt.NDArray[Any]
    names: Sequence[str]

    def tolist(self) -> list[str]:
        """The text of each row."""
        return np.array(self.names, object)[self.codes].tolist() if len(self.codes) else []


@dataclass(frozen=True)
class Optional:
    """A column of numbers that some rows do not have: `present` (n,) says which do."""

    values: npt.NDArray[Any]
    present: npt.NDArray[np.bool_]

    def tolist(self) -> list[int | None]:
        """The numbers, None where there is none."""
        out = self.values.astype(object)
        out[~self.present] = None
        numbers: list[int | None] = out.tolist()
        return numbers


Column = npt.NDArray[Any] | Labels | Optional

Known = Callable[[int, int], Container | None]
"""Which container a PID namespace is of, by its inode and the start of its init in clock ticks of CLOCK_BOOTTIME."""


@dataclass(frozen=True)
class Residents:
    """The container of each record: `codes` (n,) index `containers`."""

    codes: npt.NDArray[np.intp]
    containers: Sequence[Container | None]

    def columns(self) -> dict[str, Column]:
        """The container columns of the event table."""
        texts = [each.columns if each else ("",) * len(CONTAINER_COLUMNS) for each in self.containers]
        by_column = zip(*texts, strict=True) if texts else ((),) * len(CONTAINER_COLUMNS)
        return {
            name: Labels(self.codes, values)
            for name, values in zip(CONTAINER_COLUMNS, by_column, strict=True)
        }


class Batch:
    """Records in the order of the ring. `records`: shape (n,), dtype of the wire event.

    `boot_to_utc` is what to add to the records' CLOCK_BOOTTIME, in ns: one number, or one a record, shape (n,).
    `host` names the machine, or the machine of each record. `known` says whose the namespaces are.
    """

    def __init__(
        self,
        records: npt.NDArray[np.void],
        boot_to_utc: int | npt.NDArray[np.int64],
        host: str | Labels | None = None,
        known: Known | Residents | None = None,
    ) -> None:
        self.records = records
        self.boot_to_utc = boot_to_utc
        self.host = os.uname().nodename if host is None else host
        self.known = known

    def __len__(self) -> int:
        return len(self.records)

    def __getitem__(self, which: npt.NDArray[Any] | slice) -> Batch:
        """The rows that a mask, a slice or an array of indices picks, as a batch."""
        offset, host, known = self.boot_to_utc, self.host, self.known
        offset = offset if isinstance(offset, int) else offset[which]
        host = Labels(host.codes[which], host.names) if isinstance(host, Labels) else host
        known = Residents(known.codes[which], known.containers) if isinstance(known, Residents) else known
        return Batch(_whole(self.records)[which].view(self.records.dtype), offset, host, known)

    @property
    def hosts(self) -> Labels:
        """The machine of each record."""
        return self.host if isinstance(self.host, Labels) else Labels(np.zeros(len(self), "u1"), [self.host])

    @property
    def residents(self) -> Residents:
        """The container of each record's PID namespace, as far as it is known by now."""
        if isinstance(self.known, Residents):
            return self.known
        if self.known is None or not len(self):
            return Residents(np.zeros(len(self), "i1"), (None,))
        return residents(self.records["nsid"], self.records["ns_start"], self.known)

    def namespaces(self) -> list[tuple[int, int]]:
        """The different PID namespaces: inode, and start of the init in clock ticks of CLOCK_BOOTTIME."""
        keys, _ = by_namespace(self.records["nsid"], self.records["ns_start"])
        return [(inode, start // TICK_NS) for inode, start in keys]

    @cached_property
    def verdicts(self) -> npt.NDArray[np.uint8]:
        """The verdict of each record: shape (n,), codes into `verdict.VERDICTS`."""
        return verdict.classify(self.records)

    @property
    def time(self) -> npt.NDArray[np.datetime64]:
        """When the kernel did it: shape (n,), datetime64[ns], UTC."""
        return (self.records["time"].astype("i8") + self.boot_to_utc).astype("datetime64[ns]")

    def columns(self, texts: Callable[[npt.NDArray[np.bytes_]], Labels] | None = None) -> dict[str, Column]:
        """The event table, column by column, in its public order. `texts` decodes the kernel's bytes."""
        texts = texts or text_labels
        r = self.records
        sent = r["sender_pid"] != 0
        exits = r["stage"] == wire.STAGE["exit"]
        sender = {name: Optional(r[name], sent) for name in _SENDER}
        return {
            "time": self.time,
            "stage": enum_labels(r["stage"], wire.STAGE),
            "signal": r["signal"].astype("i1"),
            "signal_name": signal_labels(r["signal"]),
            "code": r["code"],
            "result": r["result"],
            "disposition": enum_labels(r["disposition"], wire.DISPOSITION),
            **{name: flag(r, name) for name in _FACTS},
            "relation": enum_labels(r["relation"], wire.RELATION),
            "verdict": Labels(self.verdicts, verdict.VERDICTS),
            "nsid": r["nsid"],
            "ns_level": r["ns_level"],
            "target_pid": r["target_pid"],
            "target_tid": r["target_tid"],
            "target_ns_pid": r["target_ns_pid"],
            "target_comm": texts(r["target_comm"]),
            "target_start": r["target_start"],
            "is_init": flag(r, "init"),
            "sender_pid": sender["sender_pid"],
            "sender_tid": sender["sender_tid"],
            "sender_comm": texts(r["sender_comm"]),
            "sender_nsid": sender["sender_nsid"],
            "sender_uid": sender["sender_uid"],
            "sender_parent_pid": sender["sender_parent_pid"],
            "sender_parent_comm": texts(r["sender_parent_comm"]),
            "exit_code": Optional(r["exit_code"] >> 8 & 0xFF, exits),
            "exit_signal": Optional(r["exit_code"] & 0x7F, exits),
            "host": self.hosts,
            **self.residents.columns(),
        }

    def rows(self) -> Iterator[dict[str, Any]]:
        """Each record as a dict of the event table's columns, JSON-ready; `time` is ISO 8601 with ns and a Z."""
        return _rows(self.columns())

    def json_lines(self) -> Iterator[str]:
        """What json.dumps makes of each of `rows`, ASCII only, at a third of the cost: encoded column by column."""
        return json_lines(self.columns())

    def to_pandas(self) -> pd.DataFrame:
        """The event table as pandas: categories for names, nullable integers for what a row may not have.

        `time` is datetime64[ns, UTC]; `target_start` is ns of CLOCK_BOOTTIME.
        """
        return frame(self.columns())


def join(batches: Sequence[Batch]) -> Batch:
    """All records of one or more batches, in their order, as one."""
    if len(batches) == 1:
        return batches[0]
    records = np.concatenate([_whole(batch.records) for batch in batches])
    offsets = [np.broadcast_to(np.asarray(batch.boot_to_utc, "i8"), len(batch)) for batch in batches]
    names = list(dict.fromkeys(name for batch in batches for name in batch.hosts.names))
    hosts = [np.array([names.index(name) for name in b.hosts.names], "i4")[b.hosts.codes] for b in batches]
    host = names[0] if len(names) == 1 else Labels(np.concatenate(hosts), names)
    first = batches[0].known
    same = not isinstance(first, Residents) and all(batch.known == first for batch in batches)
    known = first if same else _joined([batch.residents for batch in batches])
    return Batch(records.view(batches[0].records.dtype), np.concatenate(offsets), host, known)


def residents(nsid: npt.NDArray[np.uint32], ns_start: npt.NDArray[np.uint64], known: Known) -> Residents:
    """Whose each namespace is, by columns of inodes and starts of inits (ns), shape (n,)."""
    keys, codes = by_namespace(nsid, ns_start)
    return Residents(codes, [known(inode, start // TICK_NS) for inode, start in keys] or [None])


def by_namespace(
    nsid: npt.NDArray[np.uint32], ns_start: npt.NDArray[np.uint64]
) -> tuple[list[tuple[int, int]], npt.NDArray[np.intp]]:
    """The different (inode, start of the init in ns) there are, and for each row which: shape (n,)."""
    key = nsid.astype("u8") << 32 ^ ns_start.astype("u8")
    if not len(key):
        return [], np.zeros(0, np.intp)
    heads = np.flatnonzero(
        np.concatenate([[True], key[1:] != key[:-1]])
    )  # few, if a storm is of one namespace
    first, codes = _distinct(key[heads])
    there = heads[first]
    found = list(zip(nsid[there].tolist(), ns_start[there].tolist(), strict=True))
    return found, np.repeat(codes, np.diff(heads, append=len(key)))


def _distinct(key: npt.NDArray[np.uint64]) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """A row of each different key, and for each row which key it has: shape (n,).

    Many rows are spread over slots, each of which remembers one of its rows: where no two keys share one, that is the
    answer, at a fraction of what sorting costs.
    """
    if len(key) > _FEW:
        slots = key * np.uint64(0x9E3779B97F4A7C15) >> np.uint64(48)
        owner = np.full(1 << 16, -1)
        owner[slots] = np.arange(len(key))
        if (key[owner[slots]] == key).all():
            there = np.flatnonzero(owner >= 0)
            place = np.zeros(1 << 16, np.intp)
            place[there] = np.arange(len(there))
            return owner[there], place[slots]
    _, first, codes = np.unique(key, return_index=True, return_inverse=True)
    return first, codes


def _joined(parts: Sequence[Residents]) -> Residents:
    """One after the other."""
    places = np.cumsum([0, *(len(part.containers) for part in parts)])
    codes = [part.codes.astype("i8") + start for part, start in zip(parts, places[:-1], strict=True)]
    return Residents(np.concatenate(codes), [each for part in parts for each in part.containers])


def _whole(records: npt.NDArray[np.void]) -> npt.NDArray[np.void]:
    """The records without their members, which numpy would copy one by one."""
    return records.view(f"V{records.dtype.itemsize}")


class Counts:
    """Exact counts. `records`: shape (n,), the members of `sigtrace_count_key` and `count`."""

    def __init__(self, records: npt.NDArray[np.void]) -> None:
        self.records = records

    def __len__(self) -> int:
        return len(self.records)

    @cached_property
    def verdicts(self) -> npt.NDArray[np.uint8]:
        """The verdict of each row: shape (n,), codes into `verdict.VERDICTS`."""
        return verdict.classify(self.records)

    @property
    def signals_seen(self) -> int:
        """How many signals were generated."""
        return int(self.records["count"][self.records["stage"] == wire.STAGE["generate"]].sum())

    def dropped(self) -> dict[int, int]:
        """Dropped signals by namespace inode, most first; namespaces without any are left out."""
        totals: dict[int, int] = {}
        for (inode, _), total in self.dropped_by_init().items():
            totals[inode] = totals.get(inode, 0) + total
        return dict(sorted(totals.items(), key=lambda each: each[::-1], reverse=True))

    def dropped_by_init(self) -> dict[tuple[int, int], int]:
        """The same, an inode that was used again apart: by inode and start of the init in clock ticks."""
        drops = self.records[verdict.is_dropped(self.verdicts)]
        keys, where = by_namespace(drops["nsid"], drops["ns_start"])
        totals = np.zeros(len(keys), "u8")
        np.add.at(totals, where, drops["count"])
        by_count = sorted(zip(totals.tolist(), keys, strict=True), reverse=True)
        return {(inode, start // TICK_NS): total for total, (inode, start) in by_count}

    def columns(self) -> dict[str, Column]:
        """The counts table, column by column."""
        r = self.records
        return {
            "nsid": r["nsid"],
            "ns_start": r["ns_start"],
            "stage": enum_labels(r["stage"], wire.STAGE),
            "signal": r["signal"].astype("i1"),
            "signal_name": signal_labels(r["signal"]),
            "result": r["result"],
            "disposition": enum_labels(r["disposition"], wire.DISPOSITION),
            **{name: flag(r, name) for name in _FACTS},
            "relation": enum_labels(r["relation"], wire.RELATION),
            "is_init": flag(r, "init"),
            "verdict": Labels(self.verdicts, verdict.VERDICTS),
            "count": r["count"],
        }

    def rows(self) -> Iterator[dict[str, Any]]:
        """Each row as a dict, JSON-ready."""
        return _rows(self.columns())

    def to_pandas(self) -> pd.DataFrame:
        """The counts table as pandas; `ns_start` is ns of CLOCK_BOOTTIME."""
        return frame(self.columns())


def flag(records: npt.NDArray[np.void], name: str) -> npt.NDArray[np.bool_]:
    """One of the facts packed in `flags`, by its name in `wire.FLAG`: shape (n,)."""
    has: npt.NDArray[np.bool_] = (records["flags"] & wire.FLAG[name]) != 0
    return has


def enum_labels(codes: npt.NDArray[Any], enum: Mapping[str, int]) -> Labels:
    """Codes of a wire enum with its names; a code it does not know becomes `unknown:7`."""
    names = list(enum)
    if len(codes) and int(codes.max()) >= len(names):
        names += [f"unknown:{code}" for code in range(len(names), int(codes.max()) + 1)]
    return Labels(codes, names)


def signal_labels(numbers: npt.NDArray[Any]) -> Labels:
    """Signal numbers with their names."""
    return Labels(numbers, _SIGNAL_NAMES)


def text_labels(raw: npt.NDArray[np.bytes_]) -> Labels:
    """Kernel bytes as text, each different one decoded once."""
    unique, codes = np.unique(raw, return_inverse=True)
    return Labels(codes, [text.decode(bytes(value)) for value in unique])


_SIGNAL_NAMES = tuple(signals.name(number) for number in range(256))


def _rows(columns: Mapping[str, Column]) -> Iterator[dict[str, Any]]:
    lists = [_json_ready(column) for column in columns.values()]
    names = tuple(columns)
    return (dict(zip(names, values, strict=True)) for values in zip(*lists, strict=True))


def _json_ready(column: Column) -> list[Any]:
    if isinstance(column, np.ndarray) and column.dtype.kind == "M":
        return [f"{stamp}Z" for stamp in np.datetime_as_string(column, unit="ns").tolist()]
    return column.tolist()


def json_lines(columns: Mapping[str, Column]) -> Iterator[str]:
    """What json.dumps makes of each row of the columns."""
    template = "{" + ", ".join(f'"{name}": %s' for name in columns) + "}"
    texts = [_json_texts(column) for column in columns.values()]
    return (template % row for row in zip(*texts, strict=True))


def _json_texts(column: Column) -> list[Any]:
    """The column's values as JSON; numbers stay numbers, for `%s` to write."""
    if isinstance(column, Labels):
        return Labels(column.codes, [json.dumps(name) for name in column.names]).tolist()
    if isinstance(column, Optional):
        return ["null" if value is None else value for value in column.tolist()]
    if column.dtype == bool:
        return ["true" if value else "false" for value in column.tolist()]
    texts = _json_ready(column)
    return [f'"{stamp}"' for stamp in texts] if column.dtype.kind == "M" else texts


def frame(columns: Mapping[str, Column]) -> pd.DataFrame:
    """Columns as pandas: categories for names, nullable integers, UTC times."""
    import pandas as pd

    table: pd.DataFrame = pd.DataFrame({name: _series(column) for name, column in columns.items()})
    return table


def _series(column: Column) -> Any:
    import pandas as pd

    if isinstance(column, Labels):
        place = {name: number for number, name in enumerate(dict.fromkeys(column.names))}
        codes = np.array([place[name] for name in column.names], "i4")[column.codes]
        return pd.Categorical.from_codes(codes, pd.Index(list(place)))
    if isinstance(column, Optional):
        return pd.arrays.IntegerArray(column.values.copy(), ~column.present)
    return pd.Series(column).dt.tz_localize("UTC") if column.dtype.kind == "M" else column
