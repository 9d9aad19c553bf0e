"""Which PID namespaces there are, how many signals each gets and drops a second, and its last events: for `top`.

All numbers are from the kernel's exact counts, read once a sample: a storm costs no more than a calm. Records only
tell who sent the last drops, and are looked at as arrays.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from sigtrace import clock
from sigtrace.events import verdict, wire
from sigtrace.events.batch import Batch, join
from sigtrace.events.columns import flag
from sigtrace.events.nskey import NsKey
from sigtrace.procfs import process
from sigtrace.procfs.namespaces import Survey, survey
from sigtrace.text import decode
from sigtrace.units import SECOND

if TYPE_CHECKING:
    from sigtrace.events.container import Container
    from sigtrace.live.collector import Collector
    from sigtrace.live.kernel.counts import Losses

LAST_EVENTS = 200
"""How many events of a namespace are kept to look at."""
_SURVEY_SECONDS = (2.0, 60.0)
"""A pass over /proc at most and at least that often; in between only for a namespace whose birth was not seen."""
_SURVEY_SHARE = 0.005
"""Of a core at most, on average: a pass takes long where there are many processes."""
_GONE_SECONDS = 60.0
"""How long a namespace that has ended stays in the list."""
_STATES = {
    **{"R": "runs", "S": "sleeps", "D": "disk", "T": "stopped", "t": "traced"},
    **{"Z": "zombie", "X": "ended", "I": "idle", "P": "parked"},
}
"""/proc/PID/stat's letters as words of seven characters at most."""


@dataclass(frozen=True)
class Drop:
    """The last signal that a namespace's init dropped."""

    signal: int
    sender: str
    """Its name; empty for the kernel, or when it is not known."""
    time: int
    """ns of CLOCK_BOOTTIME."""

    @property
    def ago(self) -> float:
        """Seconds since."""
        return max(clock.kernel_ns() - self.time, 0) / SECOND


@dataclass(frozen=True)
class Row:
    """One PID namespace in a sample. Rates are signals a second since the sample before."""

    key: NsKey
    init_pid: int | None = None
    comm: str = ""
    container: Container | None = None
    rate: float = 0.0
    drop_rate: float = 0.0
    signals: int = 0
    """Generated so far."""
    drops: int = 0
    last: Drop | None = None
    gone: float = 0.0
    """When it was found to have ended (monotonic); 0: it has not."""

    @property
    def label(self) -> str:
        """Its container's label, or its inode; not made safe for a terminal."""
        if self.container:
            return self.container.label
        return "host" if self.key.inode == process.INITIAL_PID_NS else str(self.key.inode)


@dataclass(frozen=True)
class Sample:
    """What there was to see at one moment."""

    rows: tuple[Row, ...]
    seconds: float
    """Since the sample before."""
    losses: Losses
    time: float = field(default_factory=time.time)

    def find(self, key: NsKey | None) -> Row | None:
        """The namespace, if it is still listed."""
        return next((row for row in self.rows if row.key == key), None)


class Sampler:
    """Looks at an attached collector whenever asked, from one thread.

    `named`, `descendants`: the namespaces that the collector was told of, to be listed from the start.
    """

    def __init__(self, live: Collector, named: Collection[int] = (), descendants: bool = False) -> None:
        self._live = live
        self._named = named
        self._descendants = descendants
        self._rows: dict[NsKey, Row] = {}
        self._events: dict[NsKey, Batch] = {}
        self._forgotten: set[NsKey] = set()
        """Ended, and no longer listed; the counts know them longer."""
        self._before = time.monotonic()
        self._surveyed = self._cost = 0.0
        self._new = True
        self._survey()

    def sample(self) -> Sample:
        """Everything as it is now."""
        self.listen()
        now = time.monotonic()
        self._count(max(now - self._before, 1e-3))
        seconds, self._before = now - self._before, now
        if now > self._due(self._new):
            self._survey()
        forgotten = {key for key, row in self._rows.items() if row.gone and now - row.gone > _GONE_SECONDS}
        self._forgotten |= forgotten
        for key in forgotten:
            del self._rows[key]
        for key, row in self._rows.items():
            if row.container is None and (container := self._live.names.of(key)):
                self._rows[key] = replace(row, container=container)
        for key in self._events.keys() - self._rows.keys():
            del self._events[key]
        return Sample(tuple(self._rows.values()), seconds, self._live.losses())

    def events(self, key: NsKey) -> Batch | None:
        """The last events of a namespace's init, at most LAST_EVENTS; None without any."""
        return self._events.get(key)

    def listen(self) -> None:
        """Take what is in the ring: the last drop and the last events of each namespace.

        To be called more often than containers come and go: whose they are is found out while they live.
        """
        batch = self._live.drain()
        records = batch.records
        for record in records[flag(records, "init") & (records["stage"] > wire.STAGE["deliver"])]:
            self._live_on(record)
        keys, which = NsKey.from_records(records["nsid"], records["ns_start"])
        order = np.argsort(which, kind="stable")
        ends = np.searchsorted(which[order], np.arange(len(keys)), side="right")
        begin = 0
        for key, end in zip(keys, ends.tolist(), strict=True):
            own, begin = order[begin:end], end
            part = batch[own[-LAST_EVENTS:]]
            before = [self._events[key]] if key in self._events else []
            self._events[key] = join([*before, part])[-LAST_EVENTS:]
            dropped = own[verdict.is_dropped(batch.verdicts[own])]
            if len(dropped):
                last = records[dropped[-1]]
                self._set(key, _drop(last))

    def _live_on(self, record: np.void) -> None:
        """A birth, an exec or the exit of an init."""
        key = NsKey.of(record["nsid"], record["ns_start"])
        row = self._rows.get(key) or Row(key)
        ended = record["stage"] == wire.STAGE["exit"]
        self._rows[key] = replace(
            row,
            init_pid=int(record["target_pid"]),
            comm=decode(bytes(record["target_comm"])),
            gone=row.gone or (time.monotonic() if ended else 0.0),
        )

    def _count(self, seconds: float) -> None:
        """Totals and rates, from the counts."""
        counts = self._live.counts()
        r = counts.records
        generated = r["stage"] == wire.STAGE["generate"]
        dropped = verdict.is_dropped(counts.verdicts)
        keys, which = NsKey.from_records(r["nsid"], r["ns_start"])
        totals, drops = (
            np.bincount(which, weights=r["count"] * mask, minlength=len(keys)).tolist()
            for mask in (generated, dropped)
        )
        self._forgotten &= set(keys)
        for key, total, drop in zip(keys, totals, drops, strict=True):
            if key in self._forgotten:
                continue
            row = self._rows.get(key) or self._set(key)
            rate, drop_rate = max(total - row.signals, 0) / seconds, max(drop - row.drops, 0) / seconds
            if rate or row.rate or drop_rate or row.drop_rate:
                self._rows[key] = replace(
                    row, rate=rate, drop_rate=drop_rate, signals=int(total), drops=int(drop)
                )

    def _set(self, key: NsKey, last: Drop | None = None) -> Row:
        """The namespace's row, made if need be."""
        if key not in self._rows:
            self._rows[key] = Row(key)
            self._new = True
        if last:
            self._rows[key] = replace(self._rows[key], last=last)
        return self._rows[key]

    def _survey(self) -> None:
        """See which namespaces there are, and who their inits are."""
        self._surveyed, used = time.monotonic(), time.thread_time()
        seen = survey()
        inits = {
            NsKey.from_proc(each.nsid, each.ns_start): each.init_pid
            for each in seen.namespaces
            if each.nsid is not None and each.ns_start is not None and each.init_pid is not None
        }
        for key, passes in zip(inits, self._pass(list(inits), seen), strict=True):
            if passes or key in self._rows:
                self._rows[key] = replace(self._set(key), init_pid=inits[key], comm=_comm(inits[key]))
        for key, row in self._rows.items():
            if key not in inits and not row.gone:
                self._rows[key] = replace(row, gone=self._surveyed)
        self._new = False
        self._cost = time.thread_time() - used

    def _due(self, wanted: bool) -> float:
        """When to survey again, on the monotonic clock; `wanted`: somebody new is there."""
        least, most = _SURVEY_SECONDS
        return self._surveyed + max(least if wanted else most, self._cost / _SURVEY_SHARE)

    def _pass(self, keys: list[NsKey], seen: Survey) -> list[bool]:
        """Which of these namespaces the collector's filters let pass."""
        if self._live.followed:
            kind = np.dtype([("nsid", "u4"), ("ns_start", "u8")])
            rows = np.array([(key.inode, key.start_ns) for key in keys], kind)
            passes: list[bool] = self._live.followed.of_them(rows).tolist()
            return passes
        parents = {each.nsid: each.parent_nsid for each in seen.namespaces}
        return [
            not self._named or bool(set(self._lineage(nsid, parents)) & set(self._named)) for nsid, _ in keys
        ]

    def _lineage(self, nsid: int | None, parents: Mapping[int | None, int | None]) -> Iterator[int]:
        """The namespace and, when descendants are followed, those above it."""
        while nsid is not None:
            yield nsid
            nsid = parents.get(nsid) if self._descendants else None


def state_of(row: Row) -> str:
    """What the namespace's init does now, in a word; empty when that cannot be seen. Costs one file of /proc."""
    if row.gone or row.init_pid is None:
        return "ended" if row.gone else ""
    try:
        stat = process.read_stat(row.init_pid)
    except PermissionError:
        return ""
    except OSError:
        return "ended"
    same = NsKey.from_proc(row.key.inode, stat.start_ticks) == row.key
    return _STATES.get(stat.state, stat.state) if same else "ended"


def _comm(pid: int) -> str:
    with contextlib.suppress(OSError):
        return process.read_stat(pid).comm
    return ""


def _drop(record: np.void) -> Drop:
    sender = decode(bytes(record["sender_comm"])) if record["sender_pid"] else ""
    return Drop(int(record["signal"]), sender, int(record["time"]))
