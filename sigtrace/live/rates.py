"""Sample the PID namespaces, the rates of signals and drops of each, and its last events, for `top`.

All numbers come from the kernel's exact counts, read once per sample, so the cost does not grow with the number of
signals. Records only provide the senders of the last drops, and are processed as arrays.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from sigtrace import clock
from sigtrace.events import verdict, wire
from sigtrace.events.batch import Batch, join
from sigtrace.events.column_types import flag
from sigtrace.events.counts import Counts
from sigtrace.events.groups import members
from sigtrace.events.nskey import NsKey
from sigtrace.procfs import process
from sigtrace.procfs.namespaces import Survey, survey
from sigtrace.text import decode
from sigtrace.units import SECOND

if TYPE_CHECKING:
    from sigtrace.events.container import Container
    from sigtrace.events.losses import Losses
    from sigtrace.live.collector import Collector

LAST_EVENTS = 200
"""Events kept per namespace."""
_SURVEY_SECONDS = (2.0, 60.0)
"""Least and greatest time between two passes over /proc; the least applies after a namespace of unknown birth."""
_SURVEY_SHARE = 0.005
"""Greatest average share of one CPU for passes over /proc, which are slow if there are many processes."""
_GONE_SECONDS = 60.0
"""How long an ended namespace stays in the list."""
_STATES = {
    **{"R": "runs", "S": "sleeps", "D": "disk", "T": "stopped", "t": "traced"},
    **{"Z": "zombie", "X": "ended", "I": "idle", "P": "parked"},
}
"""Words for the states of /proc/PID/stat, of at most seven characters: the width of the column."""


@dataclass(frozen=True)
class Drop:
    """The last signal that was dropped for a namespace's init."""

    signal: int
    sender: str
    """comm of the sender; empty for the kernel, and if not known."""
    time: int
    """ns of CLOCK_BOOTTIME."""

    @property
    def ago(self) -> float:
        """Seconds since then."""
        return max(clock.kernel_ns() - self.time, 0) / SECOND


@dataclass(frozen=True)
class RateRow:
    """One PID namespace in a sample. Rates are signals per second since the previous sample."""

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
    """When its end was found (monotonic clock, s); 0: it has not ended."""

    @property
    def label(self) -> str:
        """Its container's label, or its inode; not safe for a terminal."""
        if self.container:
            return self.container.label
        return "host" if self.key.inode == process.INITIAL_PID_NS else str(self.key.inode)


@dataclass(frozen=True)
class Sample:
    """The state of all namespaces at one time."""

    rows: tuple[RateRow, ...]
    seconds: float
    """Since the previous sample."""
    losses: Losses
    time: float = field(default_factory=time.time)

    def find(self, key: NsKey | None) -> RateRow | None:
        """Return the row of the namespace, or None if it is no longer listed."""
        return next((row for row in self.rows if row.key == key), None)


class Sampler:
    """Takes samples of an attached collector. Use it from one thread.

    `named`, `descendants`: the namespaces that the collector was given, which are listed from the start: inode -> start
    of the init in clock ticks, as /proc shows it; 0: not known.
    """

    def __init__(
        self, live: Collector, named: Mapping[int, int] | None = None, descendants: bool = False
    ) -> None:
        self._live = live
        self._named = {
            NsKey.from_proc(*each) if each[1] else NsKey(each[0], 0) for each in (named or {}).items()
        }
        self._descendants = descendants
        self._rows: dict[NsKey, RateRow] = {}
        self._events: dict[NsKey, Batch] = {}
        self._forgotten: set[NsKey] = set()
        """Ended and no longer listed. The counts still contain them, so they have to be skipped there."""
        self._before = time.monotonic()
        self._surveyed = self._cost = 0.0
        self._unknown_birth = True
        """A namespace has appeared in the counts whose init is not known: survey soon."""
        self._survey()

    def sample(self) -> Sample:
        """Take a sample of all namespaces now."""
        self.listen()
        now = time.monotonic()
        self._count(max(now - self._before, 1e-3))
        seconds, self._before = now - self._before, now
        if now > self._next_survey(self._unknown_birth):
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
        """Return the last events of a namespace, at most LAST_EVENTS; None if there are none."""
        return self._events.get(key)

    def listen(self) -> None:
        """Read the ring: the last drop and the last events of each namespace.

        Call it often, also between samples: the container of a namespace can only be resolved while its init lives.
        """
        batch = self._live.drain()
        records = batch.records
        for record in records[flag(records, "init") & (records["stage"] > wire.STAGE["deliver"])]:
            self._update_init(record)
        keys, which = NsKey.from_records(records["nsid"], records["ns_start"])
        for key, own in zip(keys, members(which, len(keys)), strict=True):
            part = batch[own[-LAST_EVENTS:]]
            before = [self._events[key]] if key in self._events else []
            self._events[key] = join([*before, part])[-LAST_EVENTS:]
            dropped = own[verdict.is_dropped(batch.verdicts[own])]
            if len(dropped):
                last = records[dropped[-1]]
                self._set(key, _drop(last))

    def _update_init(self, record: np.void) -> None:
        """Apply the birth, exec or exit of an init."""
        key = NsKey.of(record["nsid"], record["ns_start"])
        row = self._rows.get(key) or RateRow(key)
        ended = record["stage"] == wire.STAGE["exit"]
        self._rows[key] = replace(
            row,
            init_pid=int(record["target_pid"]),
            comm=decode(bytes(record["target_comm"])),
            gone=row.gone or (time.monotonic() if ended else 0.0),
        )

    def _count(self, seconds: float) -> None:
        """Update totals and rates from the counts."""
        records = self._live.counts().records
        counts = Counts(records[records["nsid"] != 0])  # without the sums over what ended long ago
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

    def _set(self, key: NsKey, last: Drop | None = None) -> RateRow:
        """Return the namespace's row, which is created if necessary, with the last drop if given."""
        if key not in self._rows:
            self._rows[key] = RateRow(key)
            self._unknown_birth = True
        if last:
            self._rows[key] = replace(self._rows[key], last=last)
        return self._rows[key]

    def _survey(self) -> None:
        """Find the existing namespaces and their inits in /proc."""
        self._surveyed, used = time.monotonic(), time.thread_time()
        seen = survey()
        inits = {
            NsKey.from_proc(each.nsid, each.ns_start): each.init_pid
            for each in seen.namespaces
            if each.nsid is not None and each.ns_start is not None and each.init_pid is not None
        }
        for key, passes in zip(inits, self._passing(list(inits), seen), strict=True):
            if passes or key in self._rows:
                self._rows[key] = replace(self._set(key), init_pid=inits[key], comm=_comm(inits[key]))
        for key, row in self._rows.items():
            if key not in inits and not row.gone:
                self._rows[key] = replace(row, gone=self._surveyed)
        self._unknown_birth = False
        self._cost = time.thread_time() - used

    def _next_survey(self, soon: bool) -> float:
        """Return the time of the next survey on the monotonic clock."""
        least, most = _SURVEY_SECONDS
        return self._surveyed + max(least if soon else most, self._cost / _SURVEY_SHARE)

    def _passing(self, keys: list[NsKey], seen: Survey) -> list[bool]:
        """Return which of these namespaces pass the collector's filters."""
        if self._live.container_filter:
            kind = np.dtype([("nsid", "u4"), ("ns_start", "u8")])
            rows = np.array([(key.inode, key.start_ns) for key in keys], kind)
            passes: list[bool] = self._live.container_filter.selects(rows).tolist()
            return passes
        parents = {each.nsid: each.parent_nsid for each in seen.namespaces}
        # An inode that was named may have been another's by now.
        meant = {key.inode for key in self._named if not key.start or key in keys}
        return [not self._named or not meant.isdisjoint(self._lineage(key.inode, parents)) for key in keys]

    def _lineage(self, nsid: int | None, parents: Mapping[int | None, int | None]) -> Iterator[int]:
        """Yield the namespace and, if descendants are included, those above it."""
        while nsid is not None:
            yield nsid
            nsid = parents.get(nsid) if self._descendants else None


def state_of(row: RateRow) -> str:
    """Return the current state of the namespace's init as a word; empty if not readable. Reads one file of /proc."""
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
