"""Reads recordings: one directory or several, complete or being written, as pandas, Arrow or wire batches."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import pyarrow as pa

from sigtrace.arguments import spelled_out
from sigtrace.errors import BadInput
from sigtrace.events import origin, verdict, wire
from sigtrace.events.batch import Batch, join
from sigtrace.events.column_types import frame
from sigtrace.events.columns import COUNT_FIELDS, EVENT_FIELDS, TOTAL_FIELDS
from sigtrace.events.container import COLUMNS as CONTAINER_COLUMNS
from sigtrace.events.container import Container
from sigtrace.events.counts import COUNT, Counts
from sigtrace.events.field import lists, names
from sigtrace.events.losses import Losses
from sigtrace.events.nskey import HostNs
from sigtrace.events.residents import Known
from sigtrace.moments import Time
from sigtrace.recording import schema, tables
from sigtrace.recording.directory import is_live
from sigtrace.recording.filter import Filter
from sigtrace.recording.manifest import Manifest
from sigtrace.recording.namespaces import Namespaces
from sigtrace.recording.place import Remote, place
from sigtrace.recording.segments import Cut, Part, Segments, check
from sigtrace.recording.selection import Only, Selection

if TYPE_CHECKING:
    import pandas as pd
    from typing_extensions import Unpack

    from sigtrace.postmortem import Report

_Table = TypeVar("_Table")

_selecting = spelled_out(Only, Selection)

__all__ = ["Losses", "Recording", "open_recording"]


@dataclass
class Recording:
    """The contents of one or more directories, made by `sigtrace.open`. Each method reads what is there by then.

    problems: what could not be read or is missing, in sentences; complete once everything has been read.
    """

    paths: tuple[Path | Remote, ...]
    manifests: list[Manifest] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    _cuts: list[Cut] = field(default_factory=list, repr=False)

    def __post_init__(self) -> None:
        self._segments = Segments(self.paths, self.problems)
        self._tables: dict[str, tuple[object, Any]] = {}
        """Table name -> the state of its files, and the object made from them; for all tables but the events."""
        self._spaces: tuple[object, Namespaces] | None = None
        """The namespaces, as of a state of their table and of the events."""

    def __enter__(self) -> Recording:
        return self

    def __exit__(self, *_: object) -> None:
        """Do nothing: no file is kept open."""

    @property
    def manifest(self) -> Manifest:
        """The manifest of the first directory; empty if it has none."""
        return self.manifests[0] if self.manifests else {}

    @property
    def live(self) -> bool:
        """Whether a recorder is writing to one of the directories."""
        return any(is_live(path) for path in self.paths)

    @_selecting
    def boots(
        self, selection: Selection | None = None, **only: Unpack[Only]
    ) -> Iterator[tuple[tuple[str, str], Batch]]:
        """Yield, for each boot, (host, boot_id) and its events as wire records in the order of kernel time.

        only: restricts the events, by the fields of a `Selection`, which may be given instead:

        ns          PID namespaces: inodes, text as `--ns` takes it, or (inode, ns_start) where inodes were reused
        container   namespaces of these containers: name, label, pattern or beginning of the ID
        pod         namespaces of these pods: NAMESPACE/NAME or a pattern
        descendants True: also the namespaces below those
        signal      signals by number or name
        verdict     names of verdicts; "dropped" for both kinds of drops
        since, until  UTC, as text, datetime or ns; the end is not included

        Raises BadInput for values that cannot be parsed, and for what the recording does not have.
        """
        where = self.filter(selection, **only)
        boots: dict[tuple[str, str], list[Batch]] = {}
        known = self._known()
        for file, part in self._segments.read("events", schema.EVENT_COLUMNS, where):
            records, offsets = schema.event_records(part)
            boots.setdefault(file.boot, []).append(Batch(records, offsets, file.boot[0], known(file.boot)))
        for boot, parts in boots.items():
            batch = join(parts)
            times = batch.records["time"]
            if (times[1:] < times[:-1]).any():
                batch = batch[np.argsort(times, kind="stable")]
            yield boot, batch

    @_selecting
    def batches(self, selection: Selection | None = None, **only: Unpack[Only]) -> Iterator[Batch]:
        """Yield a batch for each boot. Arguments as for `boots`."""
        for _, batch in self.boots(selection, **only):
            yield batch

    @_selecting
    def batch(self, selection: Selection | None = None, **only: Unpack[Only]) -> Batch:
        """Return the events as one batch, boot after boot; it may be empty. Arguments as for `boots`."""
        parts = list(self.batches(selection, **only))
        return join(parts) if parts else Batch(np.zeros(0, wire.EVENT.dtype()), 0, "")

    @_selecting
    def filter(self, selection: Selection | None = None, **only: Unpack[Only]) -> Filter:
        """Return the filter for arguments as for `boots`."""
        return (selection or Selection.of(**only)).filter(lambda: self.spaces)

    @lists(*EVENT_FIELDS)
    @_selecting
    def events(
        self,
        selection: Selection | None = None,
        *,
        columns: Sequence[str] | None = None,
        **only: Unpack[Only],
    ) -> pd.DataFrame:
        """Return the event table, in the order of time; arguments as for `boots`.

        columns: return only these; only what they need is read. docs/events.md describes the columns.
        """
        where = self.filter(selection, **only)
        nothing = schema.Encoder().events(Batch(np.zeros(0, wire.EVENT.dtype()), 0, ""))
        public = names(EVENT_FIELDS)
        wanted = public if columns is None else list(columns)
        if unknown := [name for name in wanted if name not in public]:
            raise BadInput(f"no such column: {', '.join(unknown)}; the event table has {', '.join(public)}.")
        facts = [*verdict.FACTS, *(origin.FACTS if "origin" in wanted else ())]
        needed = tuple(dict.fromkeys([*wanted, "time", "boot_to_utc", *facts]))
        known = self._known() if set(wanted) & set(CONTAINER_COLUMNS) else None
        read = tuple(dict.fromkeys([*needed, "nsid", "ns_start"])) if known else needed
        parts, boots = [nothing.select(needed)], dict[tuple[str, str], list[int]]()
        for file, part in self._segments.read("events", read, where):
            named = schema.with_containers(part, known(file.boot)) if known else part
            boots.setdefault(file.boot, []).append(len(parts))
            parts.append(named.select(needed))
        codes = np.zeros(len(parts), np.intp)
        for code, places in enumerate(boots.values()):
            codes[places] = code
        of_rows = np.repeat(codes, [part.num_rows for part in parts])
        return frame(schema.event_columns(schema.joined(parts), wanted, of_rows))

    @lists(*COUNT_FIELDS, *TOTAL_FIELDS)
    def counts(self) -> pd.DataFrame:
        """Return the exact totals that the kernel kept, lost records included: a row per kind of event.

        `first` and `last` are the times of samples, which the recorder takes every ten seconds.
        """
        return tables.counts(self._kept("counts", tables.totals))

    def totals(self) -> Counts:
        """Return the exact totals that the kernel kept, over all boots and hosts."""
        parts = [rows.records for rows in self._kept("counts", tables.totals).values()]
        return Counts(np.concatenate(parts) if parts else np.zeros(0, COUNT))

    def namespaces(self) -> pd.DataFrame:
        """Return the PID namespaces of the recording: a row per namespace and boot.

        nsid         uint32    inode
        ns_start     uint64    start of its init, ns of CLOCK_BOOTTIME: tells reused inodes apart
        parent_nsid  UInt32    the namespace above; <NA>: not known
        ns_level     UInt8     its depth; 0 is the initial namespace
        init_pid     Int32     its init, as the host numbers it
        init_comm    category  the init's name
        born         datetime64[ns, UTC]  when the init started
        died         datetime64[ns, UTC]  when it exited; NaT: it has not, or that was not recorded
        container_id, container_name, runtime, image, pod, pod_namespace, container_stop_signal
                     category  its container; empty if not known. The stop signal: empty for the usual SIGTERM
        host         category  host name
        boot_id      category  /proc/sys/kernel/random/boot_id
        """
        return self.spaces.table.copy()

    @property
    def spaces(self) -> Namespaces:
        """The PID namespaces of the recording as of now, for lookups.

        Whoever needs several answers that agree keeps the object: while a recorder writes, the next may know more.
        """
        segments = self._segments
        of_events = functools.partial(
            tables.namespaces_of_events, lambda: segments.read("events", tables.OF_EVENTS)
        )
        listed = self._kept("namespaces", lambda parts: Namespaces(tables.namespaces(parts), of_events))
        state = listed, segments.state("events")
        if self._spaces is None or self._spaces[0] != state:
            self._spaces = state, listed.renewed()
        return self._spaces[1]

    def containers(self) -> dict[HostNs, Container]:
        """Return the container of each namespace that has one."""
        return self.spaces.containers

    def _known(self) -> Callable[[tuple[str, str]], Known]:
        """Return the function that returns, for a boot, its lookup of containers."""
        containers = self.spaces.containers

        @functools.cache
        def of_boot(boot: tuple[str, str]) -> Known:
            return lambda key: containers.get(HostNs(*boot, key))

        return of_boot

    def _kept(self, table: str, read: Callable[[Iterable[Part]], _Table]) -> _Table:
        """Return what `read` makes of a table; it is read again only if its files have changed."""
        state = self._segments.state(table)
        if table not in self._tables or self._tables[table][0] != state:
            self._tables[table] = state, read(self._segments.read(table))
        found: _Table = self._tables[table][1]
        return found

    def snapshots(self) -> pd.DataFrame:
        """Return the snapshots of /proc that were taken at events of an init: a row per task, in the order of time.

        A row with tid 0 is the namespace itself. sigtrace/snapshot/columns.py documents the columns.

        time         datetime64[ns, UTC]  when the snapshot was begun
        nsid, ns_start, pid, tid, ns_pid, task_nsid, start_ticks, threads, ppid, pgrp, session, tracer_pid,
        queue_used, queue_limit, rss_kib, tasks, left_out, pids_current, pids_max, oom_kills
                     int64     ns_start and start_ticks in clock ticks (10 ms) since boot, rss_kib in KiB
        again, is_init, exiting, parent_outside, core_dumping, under_oom
                     bool      facts of the task, or of the snapshot (again: a later look)
        trigger, comm, state, parent_comm, tracer_comm, wchan, stack, pending, shared_pending, blocked, ignored,
        caught, awaited, signalfd, frozen, cgroup, cmdline, problem
                     category  masks of signals are 16 hexadecimal digits
        host         category  host name
        boot_id      category  /proc/sys/kernel/random/boot_id
        """
        return self._kept("snapshots", tables.snapshots).copy()

    @_selecting
    def stops(self, selection: Selection | None = None, **only: Unpack[Only]) -> pd.DataFrame:
        """Return the attempts to stop a namespace's init: a row per attempt; columns as of `sigtrace.frames.df_stops`.

        Arguments as for `boots`, except that `signal` and `verdict` are ignored: an attempt needs all of its signals.
        """
        from sigtrace.recording.stop_table import stop_table
        from sigtrace.stops.request import POSSIBLE

        chosen = replace(selection or Selection.of(**only), signal=(0, *POSSIBLE), verdict=())
        return stop_table((host, batch) for (host, _), batch in self.boots(chosen))

    def postmortem(
        self,
        *,
        ns: int | str | None = None,
        container: str = "",
        pod: str = "",
        host: str = "",
        at: Time | None = None,
    ) -> Report:
        """Explain why a container, or PID namespace, did not stop: its timeline, and causes with evidence and advice.

        ns: the namespace: an inode, or text as `--ns` takes it.
        container, pod: instead of ns, the container, by name, label or beginning of the ID, or the pod, as
            NAMESPACE/NAME.
        host: the host to look on; by default all. at: the time up to which events count: UTC, as text, datetime or ns.

        A container has one namespace for each time it ran: the last that was asked to stop or has findings is chosen.
        Raises BadInput if the recording has no such container or namespace, or several.
        """
        from sigtrace.postmortem import postmortem

        return postmortem(self, ns=ns, container=container, pod=pod, host=host, at=at)

    def _repr_html_(self) -> str:
        from sigtrace.notebook.overview import overview

        return overview(self)

    def parts(
        self, table: str, where: Filter | None = None
    ) -> Iterator[tuple[dict[str, object], pa.RecordBatch]]:
        """Yield (facts of the file, record batch) of a table, as recorded, in bounded memory.

        Events have the containers that the whole recording knows, and the verdicts and origins of this version. `where`
        reads columns that the table must have: it is meant for events.
        """
        known = self._known() if table == "events" else None
        for file, part in self._segments.read(table, None, where):
            if known:
                part = schema.judged(schema.with_containers(part, known(file.boot)))  # noqa: PLW2901
            yield file.facts, part

    def rows(self, table: str, where: Filter | None = None) -> int:
        """Return the number of rows of a table that pass a filter; see `parts`."""
        columns = ("time", *(where.columns if where else ()))
        return sum(
            part.num_rows for _, part in self._segments.read(table, tuple(dict.fromkeys(columns)), where)
        )

    @property
    def losses(self) -> Losses:
        """What the recording lacks: lost and uncounted signals, gaps, and ends of recorders that were cut short."""
        return self.losses_between(None, None)

    def losses_between(
        self, since: int | None, until: int | None, boot: tuple[str, str] | None = None
    ) -> Losses:
        """Return what may have been lost between two times (ns UTC; None: without limit).

        boot: only on this (host, boot_id). A recorder that was cut short may have lost what came after its end.
        """
        return self.losses_by_time()(since, until, boot)

    def losses_by_time(self) -> Callable[[int | None, int | None, tuple[str, str] | None], Losses]:
        """Return `losses_between` for many questions: the files are looked at once, now."""
        table = self._kept("losses", lambda parts: tables.LossTable(parts, self.manifests))

        def between(since: int | None, until: int | None, boot: tuple[str, str] | None) -> Losses:
            cuts = [
                each
                for each in self._cuts
                if (boot is None or each.boot in (None, boot)) and each.overlaps(since, until)
            ]
            return replace(table.between(since, until, boot), cut=len(cuts))

        return between

    def hosts(self) -> list[str]:
        """Return the hosts it was recorded on."""
        recorded = {file.boot[0] for file in self._segments.files("events")}
        return sorted(
            recorded | {str(manifest["host"]) for manifest in self.manifests if manifest.get("host")}
        )


def open_recording(paths: str | os.PathLike[str] | Iterable[str | os.PathLike[str]]) -> Recording:
    """Open a recording, or several, also of several hosts, as one. A directory may still be written to.

    paths: directories, or URLs that fsspec can open: `s3://bucket/host-a`; `simplecache::s3://...` fetches a file once.
    Raises BadInput if one is not a directory or not a recording, was written by a newer sigtrace, or cannot be reached.
    """
    each = [paths] if isinstance(paths, (str, os.PathLike)) else list(paths)
    recording = Recording(tuple(dict.fromkeys(place(path) for path in each)))
    for path in recording.paths:
        checked = check(path)
        recording.manifests += [checked.manifest] if checked.manifest else []
        recording.problems += checked.problems
        recording._cuts += checked.cuts
    return recording
