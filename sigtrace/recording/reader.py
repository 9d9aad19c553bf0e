"""Reading recordings: one directory or several, closed or being written, as pandas, Arrow or wire batches."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sigtrace import wire
from sigtrace.batch import Batch, Counts, frame, join
from sigtrace.clock import TICK_NS
from sigtrace.errors import BadInput
from sigtrace.kernel.counts import COUNT
from sigtrace.recording import schema
from sigtrace.recording.directory import FORMAT, HEADER, Named, files, is_live, newer, read_manifest
from sigtrace.recording.file import Contents, Damaged
from sigtrace.recording.totals import Totals, last_of_run, sum_of_runs
from sigtrace.snapshot import COLUMNS
from sigtrace.text import printable

if TYPE_CHECKING:
    import pandas as pd

Time = int | str | datetime
"""A moment: ns UTC, a datetime (without a zone: UTC) or ISO 8601."""

"""ns: what /proc tells of a namespace's start is no finer."""


@dataclass(frozen=True)
class Losses:
    """What is not in a recording, over all its recorders. Counts have the `lost` and `unqueued` all the same."""

    committed: int = 0
    """Records that came out of the kernel."""
    lost: int = 0
    """The kernel's ring had no room for them."""
    uncounted: int = 0
    """Signals that even the counts miss."""
    missed: int = 0
    """Runs the kernel skipped."""
    unqueued: int = 0
    """The writer was too slow for them."""
    unwritten: int = 0
    """The disk refused them."""
    snapshots_skipped: int = 0
    gaps: tuple[tuple[int, int], ...] = ()
    """When nothing could be written: from, to, ns UTC."""

    @property
    def total(self) -> int:
        """Records lost, whatever the reason."""
        return self.lost + self.unqueued + self.unwritten


@dataclass(frozen=True)
class Filter:
    """Which events: empty or None for all."""

    ns: tuple[int, ...] = ()
    signal: tuple[int, ...] = ()
    since: int | None = None
    until: int | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """What it looks at."""
        wanted = {
            "nsid": self.ns,
            "signal": self.signal,
            "time": self.since is not None or self.until is not None,
        }
        return tuple(name for name, asked in wanted.items() if asked)

    def __call__(self, batch: pa.RecordBatch) -> npt.NDArray[np.bool_]:
        """Which rows pass: shape (n,)."""
        mask = np.ones(batch.num_rows, bool)
        for name, values in (("nsid", self.ns), ("signal", self.signal)):
            if values:
                mask &= np.isin(schema.numbers(batch[name]), values)
        if self.since is not None or self.until is not None:
            time = schema.numbers(batch["time"].view(pa.int64()))
            mask &= (time >= (self.since or 0)) & (
                time < (np.iinfo("i8").max if self.until is None else self.until)
            )
        return mask


@dataclass
class _File:
    """A file of the recording that can be read, and what it says of itself."""

    named: Named
    contents: Contents
    facts: dict[str, Any]

    @property
    def boot(self) -> tuple[str, str]:
        return str(self.facts["host"]), str(self.facts["boot_id"])


@dataclass
class Recording:
    """What one or more directories hold. Made by `sigtrace.open`; each reading takes what is there by then.

    `problems`: what could not be read or is missing, in sentences; complete once it has been read.
    """

    paths: tuple[Path, ...]
    manifests: list[dict[str, Any]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def __enter__(self) -> Recording:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is kept open."""

    @property
    def manifest(self) -> dict[str, Any]:
        """The (first) directory's manifest; empty if it has none."""
        return self.manifests[0] if self.manifests else {}

    @property
    def live(self) -> bool:
        """Whether a recorder is at work in one of the directories."""
        return any(is_live(path) for path in self.paths)

    def boots(
        self,
        *,
        ns: int | Iterable[int] = (),
        signal: int | Iterable[int] = (),
        since: Time | None = None,
        until: Time | None = None,
    ) -> Iterator[tuple[tuple[str, str], Batch]]:
        """((host, boot_id), its events as wire records in the order of the kernel's time) for each boot.

        ns, signal: only these; since, until: UTC, the end is not included. Raises BadInput for times it can't read.
        """
        where = _filter(ns, signal, since, until)
        boots: dict[tuple[str, str], list[Batch]] = {}
        for file, part in self._read("events", schema.EVENT_COLUMNS, where):
            records, offsets = schema.event_records(part)
            boots.setdefault(file.boot, []).append(Batch(records, offsets, file.boot[0]))
        for boot, parts in boots.items():
            batch = join(parts)
            times = batch.records["time"]
            if (times[1:] < times[:-1]).any():
                batch = batch[np.argsort(times, kind="stable")]
            yield boot, batch

    def batches(
        self,
        *,
        ns: int | Iterable[int] = (),
        signal: int | Iterable[int] = (),
        since: Time | None = None,
        until: Time | None = None,
    ) -> Iterator[Batch]:
        """The same without saying which boot: a batch for each."""
        for _, batch in self.boots(ns=ns, signal=signal, since=since, until=until):
            yield batch

    def batch(
        self,
        *,
        ns: int | Iterable[int] = (),
        signal: int | Iterable[int] = (),
        since: Time | None = None,
        until: Time | None = None,
    ) -> Batch:
        """All of them as one batch, boot after boot; it may be empty. Arguments as for `boots`."""
        parts = list(self.batches(ns=ns, signal=signal, since=since, until=until))
        return join(parts) if parts else Batch(np.zeros(0, wire.EVENT.dtype()), 0, "")

    def events(
        self,
        *,
        ns: int | Iterable[int] = (),
        signal: int | Iterable[int] = (),
        since: Time | None = None,
        until: Time | None = None,
        columns: Sequence[str] | None = None,
    ) -> pd.DataFrame:
        """The event table as pandas, in the order of time; arguments as for `boots`. `columns`: only these."""
        where = _filter(ns, signal, since, until)
        nothing = schema.Encoder().events(Batch(np.zeros(0, wire.EVENT.dtype()), 0, ""))
        public = nothing.schema.names[: nothing.schema.names.index("boot_to_utc")]
        wanted = public if columns is None else list(columns)
        if unknown := [name for name in wanted if name not in public]:
            raise BadInput(f"no such column: {', '.join(unknown)}; the event table has {', '.join(public)}.")
        needed = tuple(dict.fromkeys([*wanted, "time", "boot_to_utc", *schema.VERDICT_COLUMNS]))
        parts = [part.select(needed) for _, part in self._read("events", needed, where)]
        return frame(schema.event_columns(schema.joined([nothing.select(needed), *parts]), wanted))

    def counts(self) -> pd.DataFrame:
        """The exact totals, with `first` and `last` (when they were sampled), `host` and `boot_id`."""
        import pandas as pd

        frames = []
        for boot, rows in self._counts().items():
            times = {"first": rows.first.view("datetime64[ns]"), "last": rows.last.view("datetime64[ns]")}
            table = frame({**Counts(rows.records).columns(), **times})
            frames.append(table.assign(host=boot[0], boot_id=boot[1]))
        if not frames:
            empty = np.zeros(0, "M8[ns]")
            table = frame({**Counts(np.zeros(0, COUNT)).columns(), "first": empty, "last": empty})
            frames.append(table.assign(host="", boot_id=""))
        counts: pd.DataFrame = pd.concat(frames, ignore_index=True)
        return counts

    def totals(self) -> Counts:
        """The exact totals as the kernel keeps them, over all boots and hosts."""
        parts = [rows.records for rows in self._counts().values()]
        return Counts(np.concatenate(parts) if parts else np.zeros(0, COUNT))

    def namespaces(self) -> pd.DataFrame:
        """One row a PID namespace and boot: the columns of the namespaces table, `host` and `boot_id`."""
        import pandas as pd

        names = [*(name for name in schema.NAMESPACES.names if name != "time"), "host", "boot_id"]
        known: dict[tuple[Any, ...], dict[str, Any]] = {}
        for file, part in self._read("namespaces", None, None):
            for row in part.to_pylist():
                key = (*file.boot, row["nsid"], (row["ns_start"] or 0) // TICK_NS)
                merged = known.setdefault(key, {"host": file.boot[0], "boot_id": file.boot[1]})
                finer = max(merged.get("ns_start") or 0, row["ns_start"] or 0)
                merged.update({name: value for name, value in row.items() if value is not None})
                merged["ns_start"] = finer
        table: pd.DataFrame = pd.DataFrame(list(known.values()), columns=names)
        numbers = {"nsid": "uint32", "ns_start": "uint64", "parent_nsid": "UInt32", "ns_level": "UInt8"}
        times = {name: pd.DatetimeTZDtype("ns", "UTC") for name in ("born", "died")}
        table = table.astype({**numbers, "init_pid": "Int32", **times})
        texts = [name for name in names if name not in numbers and name not in times and name != "init_pid"]
        table[texts] = table[texts].astype(object).fillna("").astype(str)
        return table

    def snapshots(self) -> pd.DataFrame:
        """The snapshots, a row a task, in the order of time."""
        import pandas as pd

        parts: list[pd.DataFrame] = [
            part.to_pandas().assign(host=file.boot[0], boot_id=file.boot[1])
            for file, part in self._read("snapshots", None, None)
        ]
        if not parts:
            none = pa.Table.from_batches([], schema.row_schema(COLUMNS)).to_pandas()
            parts.append(none.assign(host="", boot_id=""))
        rows: pd.DataFrame = pd.concat(parts).sort_values("time", kind="stable", ignore_index=True)
        return rows

    @property
    def losses(self) -> Losses:
        """What is not in the recording."""
        names = [name for name in schema.LOSSES.names if name != "time" and not name.startswith("gap")]
        last: dict[str, dict[str, int]] = {}
        gaps = []
        for file, part in self._read("losses", None, None):
            values = {name: schema.numbers(part[name]).tolist() for name in names}
            run = last.setdefault(str(file.facts["run"]), dict.fromkeys(names, 0))
            for name in names:
                run[name] = max([run[name], *values[name]])
            began, ended = (part[name].view(pa.int64()).to_pylist() for name in ("gap_began", "gap_ended"))
            gaps += [(start, end) for start, end in zip(began, ended, strict=True) if start is not None]
        totals = {name: sum(run[name] for run in last.values()) for name in names}
        return Losses(**totals, gaps=tuple(gaps))

    def hosts(self) -> list[str]:
        """The hosts it was recorded on."""
        return sorted({str(manifest.get("host", "")) for manifest in self.manifests})

    def _counts(self) -> dict[tuple[str, str], Totals]:
        samples: dict[
            tuple[str, str], dict[str, list[tuple[npt.NDArray[np.void], npt.NDArray[np.int64]]]]
        ] = {}
        for file, part in self._read("counts", None, None):
            sample = (schema.count_records(part), schema.numbers(part["time"].view(pa.int64())))
            samples.setdefault(file.boot, {}).setdefault(str(file.facts["run"]), []).append(sample)
        return {
            boot: sum_of_runs([last_of_run(parts) for parts in runs.values()])
            for boot, runs in samples.items()
        }

    def _read(
        self, table: str, columns: tuple[str, ...] | None, where: Filter | None
    ) -> Iterator[tuple[_File, pa.RecordBatch]]:
        """The record batches of a table, of all directories."""
        where = where if where and where.columns else None
        for file in self._files(table):
            try:
                for part in file.contents.batches(columns, where):
                    yield file, part
            except Damaged as err:
                self._problem(f"{_shown(file.named.path)} is damaged and left out: {err}")
            if file.contents.torn and not is_live(file.named.path.parent):
                self._problem(
                    f"{_shown(file.named.path)} breaks off in mid-write: its last {file.contents.torn:,} bytes, "
                    "at most a second's, are left out"
                )

    def _files(self, table: str) -> Iterator[_File]:
        for path in self.paths:
            try:
                names = files(path)
            except OSError as err:
                self._problem(f"{_shown(path)} cannot be read: {err.strerror}")
                continue
            for named in names:
                file = self._opened(named) if named.table == table else None
                if file:
                    yield file

    def _opened(self, named: Named) -> _File | None:
        where = _shown(named.path)
        try:
            contents = _contents(named)
            facts = json.loads((contents.schema.metadata or {})[HEADER])
            number = int(facts["format"])
            facts["host"], facts["boot_id"], facts["run"]
        except (Damaged, KeyError, ValueError, TypeError):
            if not (named.open and is_live(named.path.parent)):
                self._problem(f"{where} is not a file of a recording, or is damaged: it is left out")
            return None
        except OSError as err:
            if not isinstance(err, FileNotFoundError):  # deleted meanwhile, for its age
                self._problem(f"{where} cannot be read: {err.strerror}")
            return None
        if number > FORMAT:
            self._problem(newer(where, number))
            return None
        return _File(named, contents, facts)

    def _problem(self, sentence: str) -> None:
        if sentence not in self.problems:
            self.problems.append(sentence)


def open_recording(paths: str | os.PathLike[str] | Iterable[str | os.PathLike[str]]) -> Recording:
    """Open a recording, or several, of several hosts, as one. Reading a directory that is being written is fine.

    Raises BadInput when a path is no directory, none of a recording, or of a newer sigtrace.
    """
    each = [paths] if isinstance(paths, (str, os.PathLike)) else list(paths)
    recording = Recording(tuple(dict.fromkeys(Path(path) for path in each)))
    for path in recording.paths:
        _check(path, recording)
    return recording


def _check(path: Path, recording: Recording) -> None:
    where = _shown(path)
    try:
        found = files(path)
        try:
            recording.manifests.append(read_manifest(path))
        except FileNotFoundError:
            if not found:
                raise BadInput(f"{where} holds no recording: `sigtrace record {where}` makes one") from None
            recording.problems.append(f"{where} has no manifest.json: its files are read all the same")
        except BadInput as err:
            if not found or "newer" in str(err):
                raise
            recording.problems.append(f"{err}: the other files are read all the same")
    except (FileNotFoundError, NotADirectoryError) as err:
        raise BadInput(f"{where} is not a directory: give that of a recording") from err
    except PermissionError as err:
        raise BadInput(f"{where} is not yours to read: run sigtrace as root") from err
    except OSError as err:
        raise BadInput(f"{where} cannot be read: {err.strerror}") from err
    if any(named.open for named in found) and not is_live(path):
        recording.problems.append(
            f"the recorder of {where} was cut short: up to a second before its end is missing"
        )


def _contents(named: Named) -> Contents:
    """The file, under whichever of its two names it has by now."""
    try:
        return Contents(named.path)
    except FileNotFoundError:
        if not named.open:
            raise
        return Contents(named.path.with_suffix(""))


def _filter(
    ns: int | Iterable[int], signal: int | Iterable[int], since: Time | None, until: Time | None
) -> Filter:
    inodes, numbers = ((one,) if isinstance(one, int) else tuple(one) for one in (ns, signal))
    begin, end = (None if time is None else nanoseconds(time) for time in (since, until))
    return Filter(inodes, numbers, begin, end)


def nanoseconds(time: Time) -> int:
    """A moment as ns UTC. Raises BadInput for text that is not ISO 8601."""
    if isinstance(time, int):
        return time
    if isinstance(time, datetime):
        aware = time if time.tzinfo else time.replace(tzinfo=timezone.utc)
        return round(aware.timestamp() * 1_000_000) * 1000
    with contextlib.suppress(ValueError):
        return nanoseconds(datetime.fromisoformat(time.strip().replace("Z", "+00:00")))
    raise BadInput(f"{time!r} is no time: write it in UTC, as 2026-11-22T07:53:45")


def _shown(path: Path) -> str:
    return printable(str(path))
