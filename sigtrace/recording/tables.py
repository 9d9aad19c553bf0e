"""The tables beside the events, each combined from all files of a recording."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sigtrace.clock import TICK_NS
from sigtrace.events.column_types import frame
from sigtrace.events.counts import COUNT, Counts
from sigtrace.events.losses import NUMBERS, Losses
from sigtrace.events.nskey import HostNs, NsKey
from sigtrace.recording import schema
from sigtrace.recording.manifest import Manifest
from sigtrace.recording.namespaces import RecordedNs
from sigtrace.recording.segments import Part
from sigtrace.recording.totals import Totals, last_of_run, sum_of_runs
from sigtrace.snapshot import COLUMNS
from sigtrace.snapshot.columns import missing

if TYPE_CHECKING:
    import pandas as pd

Boot = tuple[str, str]
"""host, boot_id."""
_FIRST, _LAST = np.iinfo(np.int64).min, np.iinfo(np.int64).max
_Sample = tuple[npt.NDArray[np.void], npt.NDArray[np.int64]]


class LossTable:
    """The losses of a recording over time, from samples of each recorder's, which are cumulative over its life."""

    def __init__(self, parts: Iterable[Part], manifests: Iterable[Manifest] = ()) -> None:
        samples: dict[tuple[Boot, str], list[tuple[int, list[int]]]] = {}
        self._gaps: list[tuple[Boot, tuple[int, int]]] = []
        for file, part in parts:
            times, began, ended = (
                schema.numbers(part[name].view(pa.int64())).tolist()
                for name in ("time", "gap_began", "gap_ended")
            )
            self._gaps += [
                (file.boot, (start, end)) for start, end in zip(began, ended, strict=True) if start
            ]
            numbers = zip(*(schema.numbers(part[name]).tolist() for name in NUMBERS), strict=True)
            of_run = samples.setdefault((file.boot, str(file.facts["run"])), [])
            of_run += [(time, [*values]) for time, values in zip(times, numbers, strict=True)]
        for manifest in manifests:
            # A full disk had no room in the table for what the manifest has of the end.
            boot = str(manifest.get("host", "")), str(manifest.get("boot_id", ""))
            moments = [each[name] for each in manifest["segments"].values() for name in ("began", "ended")]
            given = manifest.get("losses", {})
            of_run = samples.setdefault((boot, str(manifest.get("run", ""))), [])
            last = max([0, *moments, *(time for time, _ in of_run)])
            of_run.append((last, [given.get(name, 0) for name in NUMBERS]))
        self._growths = {run: _growths(sorted(of_run)) for run, of_run in samples.items() if of_run}

    def between(self, since: int | None, until: int | None, boot: Boot | None = None) -> Losses:
        """Return what may have been lost between two times (ns UTC; None: without limit), on one boot or on all.

        Whatever was lost between two samples counts if a part of the time between them is in it.
        """
        sums = np.zeros(len(NUMBERS), np.int64)
        for (of_boot, _), (began, ended, grown) in self._growths.items():
            if boot in (None, of_boot):
                within = ended >= (_FIRST if since is None else since)
                within &= began <= (_LAST if until is None else until)
                sums += grown[within].sum(axis=0)
        gaps = [
            (began, ended)
            for of_boot, (began, ended) in self._gaps
            if boot in (None, of_boot)
            and (since is None or ended >= since)
            and (until is None or began <= until)
        ]
        return Losses(**dict(zip(NUMBERS, sums.tolist(), strict=True)), gaps=tuple(gaps))


def _growths(
    samples: Sequence[tuple[int, Sequence[int]]],
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return when each growth between two samples began and ended, and by how much; before the first, all are 0."""
    ended = np.array([time for time, _ in samples], np.int64)
    values = np.maximum.accumulate(np.array([values for _, values in samples], np.int64))
    began = np.concatenate([[_FIRST], ended[:-1]])
    grown = np.diff(values, axis=0, prepend=np.zeros((1, len(NUMBERS)), np.int64))
    some = grown.any(axis=1)
    return began[some], ended[some], grown[some]


def totals(parts: Iterable[Part]) -> dict[Boot, Totals]:
    """The exact counts of each boot, of the rows of the counts table."""
    samples: dict[Boot, dict[str, list[_Sample]]] = {}
    for file, part in parts:
        sample = (schema.count_records(part), schema.numbers(part["time"].view(pa.int64())))
        samples.setdefault(file.boot, {}).setdefault(str(file.facts["run"]), []).append(sample)
    return {
        boot: sum_of_runs([last_of_run(each) for each in runs.values()]) for boot, runs in samples.items()
    }


def counts(of_boots: dict[Boot, Totals]) -> pd.DataFrame:
    """They as pandas."""
    import pandas as pd

    frames = [_counts(boot, rows.records, rows.first, rows.last) for boot, rows in of_boots.items()]
    if not frames:
        never = np.zeros(0, "i8")
        frames.append(_counts(("", ""), np.zeros(0, COUNT), never, never))
    table: pd.DataFrame = pd.concat(frames, ignore_index=True)
    return _categorised(table, ("host", "boot_id"))


def _counts(
    boot: Boot, records: npt.NDArray[np.void], first: npt.NDArray[np.int64], last: npt.NDArray[np.int64]
) -> pd.DataFrame:
    times = {"first": first.view("datetime64[ns]"), "last": last.view("datetime64[ns]")}
    return frame({**Counts(records).columns(), **times}).assign(host=boot[0], boot_id=boot[1])


def namespaces(parts: Iterable[Part]) -> pd.DataFrame:
    """Return one row per namespace and boot, with the last known value of each column and the most exact start."""
    import pandas as pd

    values = [name for name in schema.NAMESPACES.names if name not in ("time", "nsid", "ns_start")]
    names = [*(name for name in schema.NAMESPACES.names if name != "time"), "host", "boot_id"]
    nothing = schema.rows(schema.NAMESPACES, [])
    rows = pa.concat_tables(
        [_with_tick(("", ""), nothing), *(_with_tick(file.boot, part) for file, part in parts)]
    )
    rows = rows.append_column("row", pa.array(range(len(rows))))
    groups = rows.group_by(["host", "boot_id", "nsid", "tick"], use_threads=False)
    last = [(name, "last") for name in values]  # ignores nulls
    merged = groups.aggregate([("ns_start", "max"), *last, ("row", "min")]).sort_by("row_min")
    plain = {name.removesuffix("_last").removesuffix("_max"): merged[name] for name in merged.column_names}
    kinds = {"parent_nsid": "UInt32", "ns_level": "UInt8", "init_pid": "Int32"}  # these may be unknown
    columns = {name: plain[name].to_pandas(integer_object_nulls=True) for name in names}
    texts = [name for name in names if pa.types.is_string(plain[name].type)]
    table: pd.DataFrame = pd.DataFrame(columns).astype(kinds)
    table[texts] = table[texts].fillna("")
    return _categorised(table, texts)


OF_EVENTS = ("nsid", "ns_start", "ns_level", "target_pid", "is_init", "boot_to_utc")
"""The columns of events that `namespaces_of_events` reads."""


def namespaces_of_events(read: Callable[[], Iterable[Part]]) -> Iterator[RecordedNs]:
    """Yield the namespaces of all events, with what the events say about them; each may occur several times."""
    for file, part in read():
        yield from _of_events(file.boot, part)


def _of_events(boot: Boot, part: pa.RecordBatch) -> Iterator[RecordedNs]:
    columns = {name: schema.numbers(part[name]) for name in OF_EVENTS if name != "is_init"}
    init = schema.numbers(part["is_init"]).astype(bool)
    keys, which = NsKey.from_records(columns["nsid"], columns["ns_start"])
    _, first = np.unique(which, return_index=True)
    pids = np.zeros(len(keys), "i8")
    pids[which[init]] = columns["target_pid"][init]
    for key, row, pid in zip(keys, first.tolist(), pids.tolist(), strict=True):
        start, level = int(columns["ns_start"][row]), int(columns["ns_level"][row])
        born = start + int(columns["boot_to_utc"][row])
        yield RecordedNs(HostNs(*boot, key), start, None, level, pid, "", born, 0, None)


def _with_tick(boot: Boot, part: pa.RecordBatch) -> pa.Table:
    """Add columns to group by to rows of the namespaces table: host, boot and the tick of the init's start."""
    columns = {
        field.name: part[field.name]
        if field.name in part.schema.names
        else pa.nulls(part.num_rows, field.type)
        for field in schema.NAMESPACES
    }
    start = columns["ns_start"].fill_null(0)
    columns["nsid"] = columns["nsid"].fill_null(0)
    host, boot_id = (pa.array([name] * part.num_rows, pa.string()) for name in boot)
    tick = pa.array(schema.numbers(start) // TICK_NS, pa.uint64())
    return pa.table({**columns, "ns_start": start, "host": host, "boot_id": boot_id, "tick": tick})


def snapshots(parts: Iterable[Part]) -> pd.DataFrame:
    """Return the rows of all snapshots in the order of time; 0, "" and False in columns that an older one lacks."""
    import pandas as pd

    tables: list[pd.DataFrame] = [
        part.to_pandas().assign(**missing(part.column_names), host=file.boot[0], boot_id=file.boot[1])
        for file, part in parts
    ]
    if not tables:
        none = pa.Table.from_batches([], schema.row_schema(COLUMNS)).to_pandas()
        tables.append(none.assign(host="", boot_id=""))
    rows: pd.DataFrame = pd.concat(tables).sort_values("time", kind="stable", ignore_index=True)
    rows = rows[[*COLUMNS, "host", "boot_id"]]
    return _categorised(rows, [*(name for name, kind in COLUMNS.items() if kind == "str"), "host", "boot_id"])


def _categorised(table: pd.DataFrame, names: Iterable[str]) -> pd.DataFrame:
    """Convert these text columns to categories."""
    return table.astype(dict.fromkeys(names, "category"))
