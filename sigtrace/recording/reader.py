"""Reading recordings: one directory or several, closed or being written, as pandas, Arrow or wire batches."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from sigtrace.containers.selector import Wanted
from sigtrace.errors import BadInput
from sigtrace.events import wire
from sigtrace.events.batch import Batch, join
from sigtrace.events.columns import frame
from sigtrace.events.container import COLUMNS as CONTAINER_COLUMNS
from sigtrace.events.container import Container
from sigtrace.events.counts import COUNT, Counts
from sigtrace.events.nskey import NsKey
from sigtrace.events.residents import Known
from sigtrace.recording import schema, tables
from sigtrace.recording.directory import is_live
from sigtrace.recording.filter import Filter, Namespace, Time
from sigtrace.recording.place import Remote, place
from sigtrace.recording.segments import Segments, check
from sigtrace.recording.tables import Losses

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Losses", "Recording", "open_recording"]


@dataclass
class Recording:
    """What one or more directories hold. Made by `sigtrace.open`; each reading takes what is there by then.

    `problems`: what could not be read or is missing, in sentences; complete once it has been read.
    """

    paths: tuple[Path | Remote, ...]
    manifests: list[dict[str, Any]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._segments = Segments(self.paths, self.problems)

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
        ns: int | Iterable[Namespace] = (),
        container: str | Iterable[str] = (),
        pod: str | Iterable[str] = (),
        signal: int | str | Iterable[int | str] = (),
        since: Time | None = None,
        until: Time | None = None,
    ) -> Iterator[tuple[tuple[str, str], Batch]]:
        """((host, boot_id), its events as wire records in the order of the kernel's time) for each boot.

        ns: only these namespaces, by inode, or by (inode, ns_start) where inodes were used again. container, pod:
        only those of these containers (name, label, pattern or beginning of the ID) and pods (NAMESPACE/NAME).
        signal: only these, by number or name. since, until: UTC, the end is not included. Raises BadInput for
        times it can't read, and for containers and signals there are not.
        """
        where = Filter.of(self._spaces(ns, container, pod), signal, since, until)
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

    def batches(
        self,
        *,
        ns: int | Iterable[Namespace] = (),
        container: str | Iterable[str] = (),
        pod: str | Iterable[str] = (),
        signal: int | str | Iterable[int | str] = (),
        since: Time | None = None,
        until: Time | None = None,
    ) -> Iterator[Batch]:
        """The same without saying which boot: a batch for each."""
        for _, batch in self.boots(
            ns=ns, container=container, pod=pod, signal=signal, since=since, until=until
        ):
            yield batch

    def batch(
        self,
        *,
        ns: int | Iterable[Namespace] = (),
        container: str | Iterable[str] = (),
        pod: str | Iterable[str] = (),
        signal: int | str | Iterable[int | str] = (),
        since: Time | None = None,
        until: Time | None = None,
    ) -> Batch:
        """All of them as one batch, boot after boot; it may be empty. Arguments as for `boots`."""
        parts = list(
            self.batches(ns=ns, container=container, pod=pod, signal=signal, since=since, until=until)
        )
        return join(parts) if parts else Batch(np.zeros(0, wire.EVENT.dtype()), 0, "")

    def events(  # noqa: PLR0913 (all by keyword)
        self,
        *,
        ns: int | Iterable[Namespace] = (),
        container: str | Iterable[str] = (),
        pod: str | Iterable[str] = (),
        signal: int | str | Iterable[int | str] = (),
        since: Time | None = None,
        until: Time | None = None,
        columns: Sequence[str] | None = None,
    ) -> pd.DataFrame:
        """The event table, in the order of time; arguments as for `boots`. `columns`: only these.

        Files are read only as far as that takes. docs/events.md says what each column means.

        time                datetime64[ns, UTC]  when the kernel did it
        stage               category  generate, deliver, exit, init, exec
        signal              int8      its number; 0 for stages without one
        signal_name         category  SIGTERM
        code                int32     si_code
        result              int8      the tracepoint's raw result at generate, else -1
        disposition         category  the target's for the signal: default, ignore, handler
        unkillable, blocked, exiting, traced, kthread
                            bool      facts of the target
        relation            category  where the sender stands to the target: same, ancestor, kernel, ...
        verdict             category  what became of it
        nsid                uint32    inode of the target's PID namespace
        ns_level            uint8     its depth; 0 is the initial namespace
        target_pid, target_tid, target_ns_pid
                            int32     the process, the thread, and the process as its own namespace numbers it
        target_comm         category  its name
        target_start        uint64    when it started, ns of CLOCK_BOOTTIME
        is_init             bool      it is PID 1 of its namespace
        sender_pid, sender_tid, sender_parent_pid
                            Int32     <NA>: the kernel
        sender_comm, sender_parent_comm
                            category  empty: the kernel
        sender_nsid         UInt32    inode of the sender's PID namespace
        sender_uid          UInt32    as the initial user namespace numbers it
        exit_code           Int32     at exit: what it passed to exit(2)
        exit_signal         Int32     at exit: the signal that killed it, or 0
        host                category  host name
        container_id, container_name, runtime, image, pod, pod_namespace
                            category  the target's container; empty if not known
        """
        where = Filter.of(self._spaces(ns, container, pod), signal, since, until)
        nothing = schema.Encoder().events(Batch(np.zeros(0, wire.EVENT.dtype()), 0, ""))
        public = nothing.schema.names[: nothing.schema.names.index("boot_to_utc")]
        wanted = public if columns is None else list(columns)
        if unknown := [name for name in wanted if name not in public]:
            raise BadInput(f"no such column: {', '.join(unknown)}; the event table has {', '.join(public)}.")
        needed = tuple(dict.fromkeys([*wanted, "time", "boot_to_utc", *schema.VERDICT_COLUMNS]))
        if set(wanted) & set(CONTAINER_COLUMNS):
            known = self._known()
            read = tuple(dict.fromkeys([*needed, "nsid", "ns_start"]))
            parts = [
                schema.with_containers(part, known(file.boot)).select(needed)
                for file, part in self._segments.read("events", read, where)
            ]
        else:
            parts = [part.select(needed) for _, part in self._segments.read("events", needed, where)]
        return frame(schema.event_columns(schema.joined([nothing.select(needed), *parts]), wanted))

    def counts(self) -> pd.DataFrame:
        """The exact totals as the kernel kept them, whatever became of the records: a row a kind of event.

        nsid         uint32    inode of the target's PID namespace
        ns_start     uint64    start of that namespace's init, ns of CLOCK_BOOTTIME
        stage        category  generate, deliver, exit, init, exec
        signal       int8      its number; 0 for stages without one
        signal_name  category  SIGTERM
        result       int8      the tracepoint's raw result at generate, else -1
        disposition  category  the target's for the signal: default, ignore, handler
        unkillable, blocked, exiting, traced, kthread
                     bool      facts of the target
        relation     category  where the sender stands to the target: same, ancestor, descendant, other, self, kernel
        is_init      bool      the target is its namespace's init
        verdict      category  what became of it
        count        uint64    how many
        first, last  datetime64[ns, UTC]  when it was first counted and last seen to have grown, to 10 s
        host         category  host name
        boot_id      category  /proc/sys/kernel/random/boot_id
        """
        return tables.counts(tables.totals(self._segments.read("counts")))

    def totals(self) -> Counts:
        """The exact totals as the kernel keeps them, over all boots and hosts."""
        parts = [rows.records for rows in tables.totals(self._segments.read("counts")).values()]
        return Counts(np.concatenate(parts) if parts else np.zeros(0, COUNT))

    def namespaces(self) -> pd.DataFrame:
        """The PID namespaces there were: a row a namespace and boot.

        nsid         uint32    inode
        ns_start     uint64    start of its init, ns of CLOCK_BOOTTIME: tells reused inodes apart
        parent_nsid  UInt32    the namespace above; <NA>: not known
        ns_level     UInt8     its depth; 0 is the initial namespace
        init_pid     Int32     its init, as the host numbers it
        init_comm    category  the init's name
        born         datetime64[ns, UTC]  when the init started
        died         datetime64[ns, UTC]  when it exited; NaT: it has not, or nobody saw it
        container_id, container_name, runtime, image, pod, pod_namespace, container_stop_signal
                     category  its container; empty if not known. The stop signal: empty for the usual SIGTERM
        host         category  host name
        boot_id      category  /proc/sys/kernel/random/boot_id
        """
        return tables.namespaces(self._segments.read("namespaces"))

    def containers(self) -> dict[tuple[str, str, NsKey], Container]:
        """The container of each namespace that has one, by host, boot_id and namespace."""
        table = self.namespaces()
        named = table[table["container_id"] != ""]
        names = ("host", "boot_id", "nsid", "ns_start", *CONTAINER_COLUMNS, "container_stop_signal")
        rows = zip(*(named[name].tolist() for name in names), strict=True)
        return {
            (host, boot_id, NsKey.of(nsid, start)): Container(*facts)
            for host, boot_id, nsid, start, *facts in rows
        }

    def _spaces(
        self, ns: int | Iterable[Namespace], container: str | Iterable[str], pod: str | Iterable[str]
    ) -> int | Iterable[Namespace]:
        """The namespaces of these containers and pods, and those of `ns`. Raises BadInput."""
        from sigtrace.recording.selection import select

        containers, pods = ((each,) if isinstance(each, str) else tuple(each) for each in (container, pod))
        wanted = Wanted(containers, pods)
        if wanted.empty:
            return ns
        return [*((ns,) if isinstance(ns, int) else ns), *select(self, (), wanted)]

    def _known(self) -> Callable[[tuple[str, str]], Known]:
        """For a boot: which container a namespace is of."""
        found = self.containers()

        @functools.cache
        def of_boot(boot: tuple[str, str]) -> Known:
            return lambda key: found.get((*boot, key))

        return of_boot

    def snapshots(self) -> pd.DataFrame:
        """The tasks of namespaces as /proc showed them when something happened to the init, in the order of time.

        A row is a task, or (tid 0) the namespace itself. What each column means is in sigtrace/snapshot/columns.py.

        time         datetime64[ns, UTC]  when the snapshot was begun
        nsid, ns_start, pid, tid, ns_pid, task_nsid, start_ticks, threads, ppid, tracer_pid, queue_used, queue_limit,
        rss_kib, tasks, left_out, pids_current, pids_max, oom_kills
                     int64     ns_start and start_ticks in clock ticks (10 ms) since boot, rss_kib in KiB
        again, is_init, exiting, parent_outside, core_dumping, under_oom
                     bool      facts of the task, or of the snapshot (again: the second look)
        trigger, comm, state, parent_comm, tracer_comm, wchan, stack, pending, shared_pending, blocked, ignored,
        caught, awaited, signalfd, frozen, cgroup, cmdline, problem
                     category  masks of signals are 16 hexadecimal digits
        host         category  host name
        boot_id      category  /proc/sys/kernel/random/boot_id
        """
        return tables.snapshots(self._segments.read("snapshots"))

    def stops(
        self,
        *,
        ns: int | Iterable[Namespace] = (),
        container: str | Iterable[str] = (),
        pod: str | Iterable[str] = (),
    ) -> pd.DataFrame:
        """The attempts to stop a namespace's init: a row each; columns as of `sigtrace.frames.df_stops`.

        ns, container, pod: as for `boots`.
        """
        from sigtrace.recording.stop_table import stop_table
        from sigtrace.stops.request import POSSIBLE

        boots = self.boots(ns=self._spaces(ns, container, pod), signal=(0, *POSSIBLE))
        return stop_table((host, batch) for (host, _), batch in boots)

    def _repr_html_(self) -> str:
        from sigtrace.notebook.overview import overview

        return overview(self)

    def parts(
        self, table: str, where: Filter | None = None
    ) -> Iterator[tuple[dict[str, Any], pa.RecordBatch]]:
        """(what its file says of itself, a record batch) of a table, as recorded: bounded memory, whatever its length.

        Events have the containers that the whole recording knows and the verdicts of this version. `where` looks
        at columns that the table must have: it is made for events.
        """
        known = self._known() if table == "events" else None
        for file, part in self._segments.read(table, None, where):
            if known:
                part = schema.judged(schema.with_containers(part, known(file.boot)))  # noqa: PLW2901
            yield file.facts, part

    def rows(self, table: str, where: Filter | None = None) -> int:
        """How many rows of a table pass a filter, of which see `parts`."""
        columns = ("time", *(where.columns if where else ()))
        return sum(
            part.num_rows for _, part in self._segments.read(table, tuple(dict.fromkeys(columns)), where)
        )

    @property
    def losses(self) -> Losses:
        """What is not in the recording."""
        return tables.losses(self._segments.read("losses"))

    def hosts(self) -> list[str]:
        """The hosts it was recorded on."""
        return sorted({str(manifest.get("host", "")) for manifest in self.manifests})


def open_recording(paths: str | os.PathLike[str] | Iterable[str | os.PathLike[str]]) -> Recording:
    """Open a recording, or several, of several hosts, as one. Reading a directory that is being written is fine.

    paths: directories, or URLs that fsspec reaches: `s3://bucket/host-a`; `simplecache::s3://...` fetches a file once.
    Raises BadInput when one is no directory, none of a recording, of a newer sigtrace, or cannot be reached.
    """
    each = [paths] if isinstance(paths, (str, os.PathLike)) else list(paths)
    recording = Recording(tuple(dict.fromkeys(place(path) for path in each)))
    for path in recording.paths:
        manifest, problems = check(path)
        recording.manifests += [manifest] if manifest else []
        recording.problems += problems
    return recording
