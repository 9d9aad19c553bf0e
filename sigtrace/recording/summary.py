"""What a recording says in sum: who sent which signals where, what became of them, and how stops went.

Totals are the kernel's exact counts; events tell who sent them. What was counted and has no event (lost, or out
of the recorder's scope) is there with no sender.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sigtrace import signals
from sigtrace.clock import TICK_NS
from sigtrace.events import verdict, wire
from sigtrace.events.container import COLUMNS as CONTAINER_COLUMNS
from sigtrace.events.container import Container
from sigtrace.events.nskey import NsKey
from sigtrace.recording.filter import Namespace, Time, in_namespaces
from sigtrace.recording.reader import Recording
from sigtrace.recording.tables import Losses
from sigtrace.stops.attempt import Stop, stops
from sigtrace.text import decode

if TYPE_CHECKING:
    from sigtrace.events.batch import Batch

_GROUP = ("host", "boot_id", "nsid", "ns_start", "signal", "verdict")


@dataclass(frozen=True)
class Query:
    """What to sum up: empty or None for all. With `since` or `until` events alone count: counts have no time."""

    ns: tuple[Namespace, ...] = ()
    signal: tuple[int, ...] = ()
    since: Time | None = None
    until: Time | None = None

    @property
    def timed(self) -> bool:
        """Whether it is about a part of the time."""
        return self.since is not None or self.until is not None


KEYS = (
    *("host", "nsid", "container_name", "init_comm", "signal", "signal_name", "sender_comm", "verdict"),
    *("count", "first", "last", "container_id", "runtime", "image", "pod", "pod_namespace"),
)
"""What a line has in JSON and CSV."""


@dataclass(frozen=True)
class Line:
    """One kind of signal in one PID namespace. Times are ns UTC."""

    host: str
    nsid: int
    ns_start: int
    init_comm: str
    container: Container | None
    signal: int
    sender_comm: str | None
    """Empty: the kernel. None: not known, as at delivery, or because there is a count only."""
    verdict: str
    count: int
    first: int
    last: int

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        facts = self.container.columns if self.container else ("",) * len(CONTAINER_COLUMNS)
        about = dict(zip(CONTAINER_COLUMNS, facts, strict=True))
        values = {
            **about,
            "host": self.host,
            "nsid": self.nsid,
            "init_comm": self.init_comm,
            "signal": self.signal,
            "signal_name": signals.name(self.signal),
            "sender_comm": self.sender_comm,
            "verdict": self.verdict,
            "count": self.count,
            "first": _iso(self.first),
            "last": _iso(self.last),
        }
        return {key: values[key] for key in KEYS}


@dataclass(frozen=True)
class Summary:
    """The whole of it: lines with drops first, then by count."""

    lines: list[Line]
    stops: list[Stop]
    """Those that ended with the init's exit."""
    losses: Losses
    hosts: list[str] = field(default_factory=list)

    @property
    def dropped(self) -> int:
        """Signals dropped by init protection."""
        return sum(line.count for line in self.lines if line.verdict.startswith("dropped"))

    def as_dict(self) -> dict[str, Any]:
        """What is not in the lines, JSON-ready; durations in seconds, null without a stop."""
        seconds = sorted(stop.seconds for stop in self.stops)
        shares = {"p50": 50, "p90": 90, "p99": 99, "longest": 100}
        return {
            "dropped": self.dropped,
            "stops": len(self.stops),
            "stops_killed": sum(stop.killed for stop in self.stops),
            **{
                f"stop_seconds_{name}": float(np.percentile(seconds, share)) if seconds else None
                for name, share in shares.items()
            },
            "records_lost": self.losses.total,
            "signals_uncounted": self.losses.uncounted + self.losses.missed,
        }


def summarise(recording: Recording, query: Query) -> Summary:
    """Sum up a recording. Raises BadInput for times that can't be read."""
    sent: dict[tuple[Any, ...], list[tuple[str | None, int, int, int]]] = {}
    ended: list[Stop] = []
    for boot, batch in recording.boots(
        # Signal 0: exits stay, for they end a stop.
        ns=query.ns,
        signal=(0, *query.signal) if query.signal else (),
        since=query.since,
        until=query.until,
    ):
        for (nsid, start, signal, code), who in _by_sender(batch):
            sent.setdefault((*boot, nsid, start, signal, verdict.VERDICTS[code]), []).append(who)
        ended += [stop for stop in stops(batch) if stop.exited is not None]
    known = {
        (row.host, row.boot_id, row.nsid, row.ns_start): row
        for row in recording.namespaces().itertuples(index=False)
    }
    containers = recording.containers()
    lines = []
    for key, senders in _with_counts(recording, query, sent).items():
        host, _, nsid, start, signal, name = key
        namespace = known.get(key[:4]) or known.get((*key[:3], start // TICK_NS * TICK_NS))
        comm_of_init = str(namespace.init_comm) if namespace else ""
        container = containers.get((*key[:2], NsKey.of(nsid, start)))
        for comm, count, first, last in senders:
            lines.append(
                Line(host, nsid, start, comm_of_init, container, signal, comm, name, count, first, last)
            )
    lines.sort(key=lambda line: (not line.verdict.startswith("dropped"), -line.count, line.nsid, line.signal))
    return Summary(lines, ended, recording.losses, recording.hosts())


def _with_counts(
    recording: Recording, query: Query, sent: dict[tuple[Any, ...], list[tuple[str | None, int, int, int]]]
) -> dict[tuple[Any, ...], list[tuple[str | None, int, int, int]]]:
    """By key the senders, and with no sender what the counts have beyond them."""
    out = {key: list(who) for key, who in sent.items()}
    if query.timed:
        return out
    for key, (count, first, last) in _counted(recording, query).items():
        rest = count - sum(seen for _, seen, _, _ in out.get(key, []))
        if rest > 0:
            out.setdefault(key, []).append((None, rest, first, last))
    return out


def _counted(recording: Recording, query: Query) -> dict[tuple[Any, ...], tuple[int, int, int]]:
    """By key the kernel's count, and when it was first and last sampled."""
    table = recording.counts()
    table = table[table["stage"].isin(["generate", "deliver"])]
    if query.ns:
        table = table[in_namespaces(table["nsid"].to_numpy(), table["ns_start"].to_numpy(), query.ns)]
    if query.signal:
        table = table[table["signal"].isin(query.signal)]
    out: dict[tuple[Any, ...], tuple[int, int, int]] = {}
    columns = [table[name].tolist() for name in (*_GROUP, "count")]
    times = [table[name].astype("i8").tolist() for name in ("first", "last")]
    for *key, count, first, last in zip(*columns, *times, strict=True):
        before = out.get(tuple(key), (0, first, last))
        out[tuple(key)] = before[0] + count, min(before[1], first), max(before[2], last)
    return out


def _by_sender(batch: Batch) -> Iterator[tuple[tuple[int, int, int, int], tuple[str | None, int, int, int]]]:
    """((nsid, ns_start, signal, verdict code), (sender, count, first, last)) of the signals in a batch."""
    r = batch.records
    table = pa.table(
        {
            "nsid": _flat(r["nsid"]),
            "ns_start": _flat(r["ns_start"]),
            "signal": _flat(r["signal"]),
            "verdict": batch.verdicts,
            "sender": pa.FixedSizeBinaryArray.from_buffers(
                pa.binary(16), len(r), [None, pa.py_buffer(_flat(r["sender_comm"]))]
            ),
            "known": (r["sender_pid"] != 0) | (r["relation"] == wire.RELATION["kernel"]),
            "time": batch.time.astype("i8"),
        }
    ).filter(pa.array(r["stage"] <= wire.STAGE["deliver"]))
    groups = table.group_by(table.column_names[:6], use_threads=False)
    found = groups.aggregate([("time", "count"), ("time", "min"), ("time", "max")])
    names = (*table.column_names[:6], "time_count", "time_min", "time_max")
    for *key, sender, known, count, first, last in zip(
        *(found[name].to_pylist() for name in names), strict=True
    ):
        yield tuple(key), (decode(sender) if known else None, count, first, last)


def _flat(column: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return np.ascontiguousarray(column)


def _iso(time: int) -> str:
    return f"{np.datetime64(time, 'ns')}Z"
