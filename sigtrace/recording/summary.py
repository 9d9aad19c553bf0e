"""Summarises a recording: signals by namespace, sender and verdict, and the durations of stops.

Totals are the kernel's exact counts; the senders come from events. Signals that were counted but have no event (lost,
or outside the recorder's scope) are listed without a sender.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sigtrace import signals
from sigtrace.events import verdict, wire
from sigtrace.events.container import COLUMNS as CONTAINER_COLUMNS
from sigtrace.events.container import Container
from sigtrace.events.losses import Losses, exact
from sigtrace.events.nskey import HostNs, NsKey
from sigtrace.events.origin import ORIGINS, origins
from sigtrace.recording.filter import Filter
from sigtrace.recording.reader import Recording
from sigtrace.recording.selection import Selection
from sigtrace.stops.attempt import Attempt, attempts
from sigtrace.stops.request import POSSIBLE
from sigtrace.text import decode

if TYPE_CHECKING:
    import pandas as pd

    from sigtrace.events.batch import Batch

_GROUP = ("host", "boot_id", "nsid", "ns_start", "signal", "verdict")


KEYS = (
    *(
        "host",
        "nsid",
        "container_name",
        "init_comm",
        "signal",
        "signal_name",
        "sender_comm",
        "origin",
        "verdict",
    ),
    *("count", "first", "last", "container_id", "runtime", "image", "pod", "pod_namespace"),
    *("ns_start", "init_pid"),
)
"""The keys of a line in JSON and CSV."""


class _Sent(NamedTuple):
    """Signals of one sender, sent in one way; times are ns UTC."""

    sender: str | None
    """See `SummaryLine.sender_comm`."""
    origin: str
    times: int
    first: int
    last: int


@dataclass(frozen=True)
class SummaryLine:
    """One kind of signal in one PID namespace. Times are ns UTC."""

    host: str
    nsid: int
    ns_start: int
    init_pid: int
    """0: not known."""
    init_comm: str
    container: Container | None
    signal: int
    sender_comm: str | None
    """Empty: the kernel. None: not known, as at delivery, or because there is a count only."""
    origin: str
    """How it was sent, if not by kill(2) or the like: one of `origin.ORIGINS`."""
    verdict: str
    count: int
    first: int
    last: int

    @property
    def key(self) -> NsKey:
        """The identity of the PID namespace."""
        return NsKey.of(self.nsid, self.ns_start)

    def as_dict(self) -> dict[str, object]:
        """Return the line, JSON-ready."""
        facts = self.container.columns if self.container else ("",) * len(CONTAINER_COLUMNS)
        about = dict(zip(CONTAINER_COLUMNS, facts, strict=True))
        values = {
            **about,
            "host": self.host,
            "nsid": self.nsid,
            "ns_start": self.ns_start,
            "init_pid": self.init_pid or None,
            "init_comm": self.init_comm,
            "signal": self.signal,
            "signal_name": signals.name(self.signal),
            "sender_comm": self.sender_comm,
            "origin": self.origin,
            "verdict": self.verdict,
            "count": self.count,
            "first": _iso(self.first),
            "last": _iso(self.last),
        }
        return {key: values[key] for key in KEYS}


@dataclass(frozen=True)
class Summary:
    """The summary of a recording."""

    lines: list[SummaryLine]
    """Drops first, then by count."""
    stops: list[Attempt]
    """The attempts that ended with the init's exit, by the selected signals."""
    losses: Losses
    """Of the selected time."""
    hosts: list[str] = field(default_factory=list)
    of_counts: bool = True
    """The totals are the kernel's counts; False: they are of the recorded events."""

    thinned: int = 0
    """Signals that were counted without a record of their own; the totals have them."""

    @property
    def dropped(self) -> int:
        """The number of signals dropped by init protection."""
        return sum(line.count for line in self.lines if line.verdict.startswith("dropped"))

    def as_dict(self) -> dict[str, Any]:
        """Return the totals, JSON-ready; durations in seconds, null without a stop."""
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
            "signals_thinned": self.thinned,
            "records_lost": self.losses.total,
            "signals_uncounted": self.losses.uncounted + self.losses.missed,
            "recorders_cut_short": self.losses.cut,
            "totals_exact": exact(self.losses, self.of_counts),
        }


def summarise(recording: Recording, selection: Selection) -> Summary:
    """Summarise a part of a recording. With `since` or `until`, only events are used: counts do not have times.

    Raises BadInput as `Selection.filter` does.
    """
    where = recording.filter(selection)
    sent: dict[tuple[Any, ...], list[_Sent]] = {}
    ended: list[Attempt] = []
    thinned = 0
    # `attempts` needs all possible requests and the exits (0), whichever signals are selected.
    read = (0, *POSSIBLE, *where.signal) if where.signal else ()
    for boot, batch in recording.boots(replace(selection, signal=read, verdict=())):
        stops = (each for each in attempts(batch) if each.exited is not None)
        ended += [each for each in stops if not where.signal or each.signal in where.signal]
        wanted = _wanted(batch, where)
        thinned += int(wanted.records["thinned"].sum())
        for (nsid, start, signal, code), who in _by_sender(wanted):
            sent.setdefault((*boot, nsid, start, signal, verdict.VERDICTS[code]), []).append(who)
    if where.since is None and where.until is None:
        table = where.of_counts(recording.counts())
        table = table[table["stage"].isin(["generate", "deliver"])]
        thinned = int(table["thinned"].sum())
        sent = _with_counts(table, sent)
    spaces, lines = recording.spaces, []
    for key, senders in sent.items():
        host, boot_id, nsid, start, signal, name = key
        namespace = spaces.find(HostNs(host, boot_id, NsKey.of(nsid, start)))
        init = (namespace.init_pid, namespace.init_comm) if namespace else (0, "")
        container = namespace.container if namespace else None
        for comm, origin, count, first, last in senders:
            lines.append(
                SummaryLine(
                    host, nsid, start, *init, container, signal, comm, origin, name, count, first, last
                )
            )
    lines.sort(key=lambda line: (not line.verdict.startswith("dropped"), -line.count, line.nsid, line.signal))
    losses = recording.losses_between(where.since, where.until)
    return Summary(lines, ended, losses, recording.hosts(), not selection.timed, thinned)


def _wanted(batch: Batch, where: Filter) -> Batch:
    """Return the records of the selected signals and verdicts."""
    if where.signal:
        batch = batch[np.isin(batch.records["signal"], where.signal)]
    return batch[np.isin(batch.verdicts, where.verdict)] if where.verdict else batch


def _with_counts(
    table: pd.DataFrame, sent: dict[tuple[Any, ...], list[_Sent]]
) -> dict[tuple[Any, ...], list[_Sent]]:
    """Return the senders by key, with an entry without a sender for signals of the counts table that have no event."""
    out = {key: list(who) for key, who in sent.items()}
    for key, (count, first, last) in _counted(table).items():
        rest = count - sum(each.times for each in out.get(key, []))
        if rest > 0:
            out.setdefault(key, []).append(_Sent(None, "", rest, first, last))
    return out


def _counted(table: pd.DataFrame) -> dict[tuple[Any, ...], tuple[int, int, int]]:
    """Return by key the kernel's count, and the times of its first and last sample."""
    out: dict[tuple[Any, ...], tuple[int, int, int]] = {}
    columns = [table[name].tolist() for name in (*_GROUP, "count")]
    times = [table[name].astype("i8").tolist() for name in ("first", "last")]
    for *key, count, first, last in zip(*columns, *times, strict=True):
        before = out.get(tuple(key), (0, first, last))
        out[tuple(key)] = before[0] + count, min(before[1], first), max(before[2], last)
    return out


def _by_sender(batch: Batch) -> Iterator[tuple[tuple[int, int, int, int], _Sent]]:
    """Yield ((nsid, ns_start, signal, verdict code), sent) of the signals in a batch."""
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
            "origin": origins(r),
            "known": (r["sender_pid"] != 0) | (r["relation"] == wire.RELATION["kernel"]),
            "time": batch.time.astype("i8"),
            "weight": batch.weights,
        }
    ).filter(pa.array(r["stage"] <= wire.STAGE["deliver"]))
    groups = table.group_by(table.column_names[:7], use_threads=False)
    found = groups.aggregate([("weight", "sum"), ("time", "min"), ("time", "max")])
    names = (*table.column_names[:7], "weight_sum", "time_min", "time_max")
    for *key, sender, origin, known, count, first, last in zip(
        *(found[name].to_pylist() for name in names), strict=True
    ):
        yield tuple(key), _Sent(decode(sender) if known else None, ORIGINS[origin], count, first, last)


def _flat(column: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return np.ascontiguousarray(column)


def _iso(time: int) -> str:
    return f"{np.datetime64(time, 'ns')}Z"
