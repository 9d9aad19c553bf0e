"""Export a Perfetto trace (ui.perfetto.dev): for each host one track per PID namespace, and one per sender.

A namespace's track has slices for stops, from the request to the exit of the init, with the grace period and the time
after SIGKILL inside; and instants for the events of the init: signals sent to it, dropped, acted on, its birth, execs
and exit. A flow leads from the sender to each. Left out are signals to other processes, and SIGCHLD, SIGURG and
SIGWINCH, which have nothing to do with a stop. Equal signals within a millisecond are one instant with their number.
The other formats contain all of them. Durations are those of the kernel's clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sigtrace import signals
from sigtrace.events import outcome, wire
from sigtrace.events.batch import Batch, join
from sigtrace.events.column_types import flag
from sigtrace.events.nskey import HostNs, NsKey
from sigtrace.events.verdict import CODE, DROPPED
from sigtrace.export.source import Source
from sigtrace.export.trace import BEGIN, END, INSTANT, Trace, TrackEvent
from sigtrace.postmortem.event import MEANT_TO_STOP, Event, events
from sigtrace.procfs.process import INITIAL_PID_NS
from sigtrace.recording import schema
from sigtrace.recording.namespaces import RecordedNs
from sigtrace.stops.attempt import Attempt, attempts
from sigtrace.stops.request import POSSIBLE
from sigtrace.units import SECOND, duration

_MEANINGLESS = (signals.CHLD, signals.URG, signals.WINCH)
_ALIKE_NS = SECOND // 1000
_KEPT_NS = 10 * SECOND
"""Of equal signals within this time, the first and the last are kept to find stops, which bounds the memory."""
_ASK = (0, *POSSIBLE)
"""The signals that stops consist of; 0: births, execs and exits."""
_HOST = "host"
_MOST_SENDERS = 1000
"""Tracks of senders; further ones share one track, as a process may change its name as often as it likes."""

Boot = tuple[str, str]
"""Host and boot ID."""


def write(source: Source, out: BinaryIO) -> None:
    """Write the trace. Raises OSError."""
    builder = _TraceBuilder(Trace(out), source)
    for facts, part in source.events():
        builder.add((str(facts["host"]), str(facts["boot_id"])), part)
    if builder.narrowed:  # a stop is made of all of its signals
        where = replace(source.where, signal=_ASK, verdict=())
        for facts, part in source.recording.parts("events", where):
            builder.keep((str(facts["host"]), str(facts["boot_id"])), part)
    builder.end()


class _TraceBuilder:
    """Builds the trace. Its memory grows with the number of namespaces, and slowly with time."""

    def __init__(self, trace: Trace, source: Source) -> None:
        self._trace = trace
        self._spaces = source.recording.spaces
        self._ranks = _ranks(source)
        self._groups: dict[tuple[str, str], int] = {}
        self._tracks: dict[HostNs, int] = {}
        self._senders: dict[tuple[str, str], int] = {}
        self._offsets: dict[Boot, int] = {}
        self._kept: dict[Boot, list[Batch]] = {}
        self.narrowed = bool(source.where.signal or source.where.verdict)
        self._flows = 0

    def add(self, boot: Boot, part: pa.RecordBatch) -> None:
        """Add the relevant events of a batch."""
        batch = self._batch(boot, part)
        which, counts = _alike(batch, _relevant(batch), _ALIKE_NS, ("sender_comm",))
        for event, count in zip(events(batch, which), counts.tolist(), strict=True):
            record = batch.records[event.number]
            home = HostNs(*boot, NsKey.of(event.nsid, record["ns_start"]))
            self._instant(home, event, count, int(record["sender_nsid"]))
        if not self.narrowed:
            self._keep(boot, batch)

    def keep(self, boot: Boot, part: pa.RecordBatch) -> None:
        """Keep the events of a batch that stops consist of."""
        if part.num_rows:
            self._keep(boot, self._batch(boot, part))

    def _keep(self, boot: Boot, batch: Batch) -> None:
        which = np.flatnonzero(flag(batch.records, "init") & np.isin(batch.records["signal"], _ASK))
        party = ("relation", "sender_comm", "sender_parent_comm")
        ends = [_alike(batch, each, _KEPT_NS, party)[0] for each in (which, which[::-1])]
        if len(which):
            self._kept.setdefault(boot, []).append(batch[np.union1d(*ends)])

    def _batch(self, boot: Boot, part: pa.RecordBatch) -> Batch:
        records, offsets = schema.event_records(part)
        # One offset per boot: a step of the wall clock must not change durations.
        offset = self._offsets.setdefault(boot, int(offsets[0]))
        return Batch(records, offset, boot[0], lambda key: self._spaces.containers.get(HostNs(*boot, key)))

    def end(self) -> None:
        """Add the stops."""
        for boot, parts in self._kept.items():
            batch = join(parts)
            for attempt in attempts(batch[np.argsort(batch.records["time"], kind="stable")]):
                self._stop(HostNs(*boot, attempt.key), attempt)

    def _instant(self, home: HostNs, event: Event, count: int, sender_nsid: int) -> None:
        facts = {**_facts(event), **({"count": count} if count > 1 else {})}
        flow = 0
        if event.stage == "generate" and event.sender_pid:
            self._flows = flow = self._flows + 1
            sender = self._sender(home, event, sender_nsid)
            to = f"{event.signal_name} to {self._label(home)}"
            self._trace.add(TrackEvent(INSTANT, sender, event.time, to, _category(event), flow=flow))
        track = self._track(home)
        self._trace.add(
            TrackEvent(INSTANT, track, event.time, _title(event), _category(event), facts, end_flow=flow)
        )

    def _stop(self, home: HostNs, stop: Attempt) -> None:
        """Add slices from the request to the exit; one without an end if the request was dropped and it runs on."""
        signal = signals.name(stop.signal)
        facts = {
            "what": outcome.of(stop.verdict, stop.signal).sentence,
            "asked by": stop.asked_by or "kernel",
        }
        track, ended = self._track(home), stop.asked + (stop.duration or 0)
        if stop.duration is None:
            if stop.dropped:
                self._trace.add(
                    TrackEvent(BEGIN, track, stop.asked, f"asked to stop by {signal}, runs on", "stop", facts)
                )
            return
        self._trace.add(
            TrackEvent(
                BEGIN, track, stop.asked, f"stop by {signal}: {duration(stop.duration)}", "stop", facts
            )
        )
        if stop.grace is not None:
            killed = stop.asked + stop.grace
            self._slice(track, stop.asked, killed, f"grace period: {duration(stop.grace)}")
            self._slice(track, killed, ended, "after SIGKILL")
        self._trace.add(TrackEvent(END, track, ended))

    def _slice(self, track: int, begin: int, end: int, name: str) -> None:
        self._trace.add(TrackEvent(BEGIN, track, begin, name, "stop"))
        self._trace.add(TrackEvent(END, track, end))

    def _track(self, home: HostNs) -> int:
        if home not in self._tracks:
            group = self._group(home.host, "PID namespaces")
            namespace = self._spaces.find(home)
            init = namespace.init_comm if namespace else ""
            about = f"PID namespace {home.key.inode}" + (f", init {init}" if init else "")
            rank = self._ranks.get(home, len(self._ranks))
            self._tracks[home] = self._trace.track(self._label(home), group, rank, about)
        return self._tracks[home]

    def _sender(self, home: HostNs, event: Event, nsid: int) -> int:
        container = _label_of(self._spaces.holder((home.host, home.boot_id), nsid, event.time))
        comm = event.sender_comm
        key = (home.host, f"{comm} in {container}" if container and container != _HOST else comm)
        if key not in self._senders and len(self._senders) >= _MOST_SENDERS:
            key = (home.host, "other senders")
        if key not in self._senders:
            group = self._group(home.host, "senders")
            self._senders[key] = self._trace.track(key[1], group, len(self._senders))
        return self._senders[key]

    def _group(self, host: str, what: str) -> int:
        if (host, what) not in self._groups:
            name = f"{what} of {host}" if host else what
            self._groups[host, what] = self._trace.track(name, rank=int(what == "senders"))
        return self._groups[host, what]

    def _label(self, home: HostNs) -> str:
        return _label_of(self._spaces.find(home)) or str(home.key.inode)


def _label_of(namespace: RecordedNs | None) -> str:
    """Return the label of its container, or `host` for the initial namespace; empty if it has no container."""
    if namespace is None:
        return ""
    if namespace.container:
        return namespace.container.label
    return _HOST if namespace.nsid == INITIAL_PID_NS else ""


def _ranks(source: Source) -> dict[HostNs, int]:
    """Rank the namespaces with drops by their number, most first."""
    counts = source.recording.counts()
    drops = counts[counts["verdict"].isin([name for name, code in CODE.items() if code in DROPPED])]
    totals: dict[HostNs, int] = {}
    columns = ("host", "boot_id", "nsid", "ns_start", "count")
    for host, boot_id, nsid, start, count in zip(*(drops[name].tolist() for name in columns), strict=True):
        home = HostNs(host, boot_id, NsKey.of(nsid, start))
        totals[home] = totals.get(home, 0) + count
    return {home: rank for rank, home in enumerate(sorted(totals, key=totals.__getitem__, reverse=True))}


def _relevant(batch: Batch) -> npt.NDArray[np.int64]:
    """Return the indices of the records about inits that are shown, in the order of time: shape (n,)."""
    r, verdicts = batch.records, batch.verdicts
    signalled = ~np.isin(r["signal"], _MEANINGLESS)
    acted_on = np.isin(verdicts, [*DROPPED, CODE["handled"], CODE["default_action"]]) & (
        r["signal"] != signals.KILL
    )
    stages = [r["stage"] == wire.STAGE["generate"], r["stage"] == wire.STAGE["deliver"]]
    chosen = np.flatnonzero(flag(r, "init") & np.select(stages, [signalled, signalled & acted_on], True))
    return chosen[np.argsort(r["time"][chosen], kind="stable")]


def _alike(
    batch: Batch, chosen: npt.NDArray[np.int64], within: int, by: tuple[str, ...]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Group equal records within `within` ns; returns the first of each group and its number of events: shapes (n,).

    by: columns that are also equal within a group.
    """
    part = batch.records[chosen]
    keys = pa.table(
        {
            **{name: _column(part[name]) for name in ("nsid", "ns_start", "stage", "signal", *by)},
            "verdict": batch.verdicts[chosen],
            "moment": part["time"] // within,
        }
    )
    rows = keys.append_column("row", pa.array(np.arange(len(part))))
    rows = rows.append_column("weight", pa.array(batch.weights[chosen]))
    groups = rows.group_by(keys.column_names, use_threads=False).aggregate(
        [("row", "min"), ("weight", "sum")]
    )
    first, counts = (groups[name].to_numpy() for name in ("row_min", "weight_sum"))
    order = np.argsort(first)
    return chosen[first[order]], counts[order]


def _column(values: npt.NDArray[Any]) -> Any:
    """A column of a table; bytes of fixed width as such."""
    values = np.ascontiguousarray(values)
    if values.dtype.kind != "S":
        return values
    kind = pa.binary(values.dtype.itemsize)
    return pa.FixedSizeBinaryArray.from_buffers(kind, len(values), [None, pa.py_buffer(values)])


def _title(event: Event) -> str:
    if event.stage == "exit":
        return event.outcome
    if event.stage in ("generate", "deliver"):
        return f"{event.signal_name} {outcome.label(event.verdict, event.signal, event.origin)}"
    return f"{outcome.label(event.verdict, event.signal, event.origin)} {event.target_comm}"


def _category(event: Event) -> str:
    if event.verdict.startswith("dropped"):
        return "drop"
    if event.stage not in ("generate", "deliver"):
        return "life"
    return (
        "kill" if event.signal == signals.KILL else "request" if event.signal in MEANT_TO_STOP else "signal"
    )


def _facts(event: Event) -> Mapping[str, Any]:
    """Return what the UI shows of a selected event."""
    facts = {"what": event.outcome, "target": event.target}
    return {**facts, "sender": event.sender} if event.stage == "generate" or event.sender_pid else facts
