"""Attempts: who was asked to end, what became of that, and how long it took. The only place that says what a stop is.

An attempt to stop a PID namespace begins with a signal that asks its init to end, and ends with the init's exit,
however much later. What asks, and what does not, says `request.asking`; a SIGKILL asks too.

    several requests    They are one attempt, until one comes more than APART_NS after the last: it begins another.
    several parties     Such as a person and, later, the runtime. The stop is counted from one request,
                        `request.counted`: with SIGKILL the last one before by the same party. Its signal, verdict and
                        sender are the attempt's, and its grace period and duration run from it. The others only count.
    SIGKILL             The first that is queued for the init is the one that it obeys, whoever sent it. With it the
                        grace period ends, if there was one: it is from the request that is counted to a SIGKILL that
                        is a request itself.
    ... by the kernel   For want of memory, for the end of a namespace above, or of a parent. It ends the attempt, and
                        no grace period: nobody gave one. `killed` counts it, `needed_kill` does not.
    ... pending already One that meets another in the queue adds nothing. The init obeys that other one; where that was
                        not recorded, nobody knows since when, and there is no grace period.
    ... from inside     No init obeys it: it is dropped, and no request.
    after the exit      Nobody is there to be asked: no request.
    a failed start      A runtime's SIGKILL to an init that it has made and that never ran is no request.
    nobody asked        An exit, or the kernel's SIGKILL, without a request before is no attempt.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from sigtrace import signals
from sigtrace.events import verdict, wire
from sigtrace.events.batch import Batch
from sigtrace.events.columns import flag
from sigtrace.events.container import Container
from sigtrace.events.nskey import NsKey
from sigtrace.events.residents import Residents
from sigtrace.procfs.process import INITIAL_PID_NS
from sigtrace.stops.request import (
    ALWAYS,
    TAKEN,
    asking,
    counted,
    exits,
    inits,
    own_stop_signals,
    request,
    sender,
)
from sigtrace.stops.sender import KERNEL, Asker
from sigtrace.text import decode
from sigtrace.units import SECOND

APART_NS = 600 * SECOND
"""Two requests this far apart are two attempts."""
_FEW = 64
"""Of a storm of requests, so many of the first and the last ones are looked at to tell who asked."""


@dataclass(frozen=True)
class Attempt:
    """One attempt to stop a namespace's init. Moments are ns UTC, spans ns of the kernel's clock.

    Rows are places in the batch that it was cut from.
    """

    key: NsKey
    ns_start: int
    """Start of the init, ns of CLOCK_BOOTTIME."""
    init_pid: int
    init_comm: str
    container: Container | None
    rows: npt.NDArray[np.intp] = field(compare=False, repr=False)
    """All its requests, in the order of time."""
    first: int = field(compare=False)
    """The row of the request that it is counted from."""
    kill: int | None = field(compare=False)
    """The row of the SIGKILL that the init obeyed."""
    exit: int | None = field(compare=False)
    """The row of its exit."""
    asked: int
    """When it was asked by the request that it is counted from."""
    signal: int
    """Which signal that was."""
    asker: Asker
    """Who sent it."""
    asked_by: str
    """comm of its sender; empty: the kernel."""
    asked_by_pid: int
    asked_by_parent: str
    verdict: str
    """What became of that request as it was sent."""
    dropped: int
    """How many requests the kernel dropped, as they were sent or at delivery."""
    killer: Asker | None
    """Who sent the SIGKILL that the init obeyed; None without one."""
    until_kill: int | None
    """From that request to that SIGKILL; None without one, or if it is counted from that."""
    needed_kill: bool
    """That SIGKILL was a request: somebody had to send it. The kernel's own is none."""
    exited: int | None
    """None: it has not, as far as was recorded."""
    duration: int | None
    """From that request to the exit."""
    status: int | None
    """As wait(2) reports it."""

    @property
    def nsid(self) -> int:
        """Inode of the namespace."""
        return self.key.inode

    @property
    def requests(self) -> int:
        """How many requests there were in all."""
        return len(self.rows)

    @property
    def grace(self) -> int | None:
        """How long it was given until SIGKILL; None if nobody sent one that it obeyed, or nothing before."""
        return self.until_kill if self.needed_kill else None

    @property
    def by_kernel(self) -> bool:
        """The SIGKILL that the init obeyed was the kernel's own."""
        return self.killer is not None and self.killer.by == KERNEL

    @property
    def seconds(self) -> float:
        """How long it took; NaN while it has not ended."""
        return float("nan") if self.duration is None else self.duration / SECOND

    @property
    def killed(self) -> bool:
        """SIGKILL ended it, whoever sent that; or will, if it obeyed one and its exit is not recorded."""
        return self.kill is not None if self.status is None else self.status & 0x7F == signals.KILL


def attempts(batch: Batch, asks: npt.NDArray[np.bool_] | None = None) -> list[Attempt]:
    """The attempts in a batch, which is of one boot and in the order of kernel time; by when they were asked.

    The initial namespace's init is no container's and left out.
    asks: which records are requests, where `request.asking` has been asked already: shape (n,).
    """
    r = batch.records
    own = np.flatnonzero(flag(r, "init") & (r["nsid"] != INITIAL_PID_NS))
    part = batch[own]
    numbers = own_stop_signals(part)
    asks = asking(part, numbers) if asks is None else asks[own]
    if not asks.any():
        return []
    r, verdicts = part.records, part.verdicts
    meant = np.isin(r["signal"], ALWAYS) | (r["signal"] == numbers)
    late = meant & (verdicts == verdict.CODE["dropped_at_deliver"])
    dropped, obeyed = verdict.is_dropped(verdicts), _obeyed(part)
    # Of one's exits the first alone, and nothing after it.
    codes = inits(r)
    end = exits(r, codes)
    row = np.arange(len(r))
    chosen = (asks | late | obeyed) & (row < end) | (row == end)
    order = np.argsort(codes, kind="stable")
    order = order[chosen[order]]
    table = _InitRecords(part, own, part.residents, asks, dropped, obeyed)
    found = [
        table.attempt(its) for its in _cut(r["time"][order].astype("i8"), codes[order], asks[order], order)
    ]
    return sorted(found, key=lambda each: each.asked)


def _obeyed(batch: Batch) -> npt.NDArray[np.bool_]:
    """Which records are SIGKILLs that were queued: shape (n,). To an init that lives, the first is obeyed."""
    r = batch.records
    obeyed: npt.NDArray[np.bool_] = (r["signal"] == signals.KILL) & (batch.verdicts == verdict.CODE["queued"])
    return obeyed


def _cut(
    times: npt.NDArray[np.int64],
    codes: npt.NDArray[np.intp],
    asks: npt.NDArray[np.bool_],
    rows: npt.NDArray[np.intp],
) -> list[npt.NDArray[np.intp]]:
    """The rows of each attempt; all shapes (n,): init by init in the order of time."""
    requests = np.flatnonzero(asks)
    begins = np.ones(len(requests), bool)
    begins[1:] = (np.diff(codes[requests]) != 0) | (np.diff(times[requests]) > APART_NS)
    first = requests[begins]
    number = np.searchsorted(first, np.arange(len(rows)), side="right") - 1
    # What precedes an init's first request belongs to no attempt.
    belongs = np.flatnonzero((number >= 0) & (codes == codes[first[np.maximum(number, 0)]]))
    return np.split(rows[belongs], np.searchsorted(number[belongs], np.arange(1, len(first))))


@dataclass(frozen=True)
class _InitRecords:
    """What `attempts` cuts: records of inits; the arrays have a value for each, shape (n,)."""

    batch: Batch
    places: npt.NDArray[np.intp]
    """Where they are in the batch that was given."""
    homes: Residents
    asks: npt.NDArray[np.bool_]
    dropped: npt.NDArray[np.bool_]
    obeyed: npt.NDArray[np.bool_]

    def attempt(self, rows: npt.NDArray[np.intp]) -> Attempt:
        """The attempt that these rows are."""
        r = self.batch.records
        requests = rows[self.asks[rows]]
        kill = _first(rows, self.obeyed[rows])
        end = int(rows[-1]) if r["stage"][rows[-1]] == wire.STAGE["exit"] else None
        container = self.homes.containers[int(self.homes.codes[rows[0]])]
        start, who = self._counted(requests, kill, container)
        one, began = r[start], int(r["time"][start])
        return Attempt(
            key=NsKey.of(one["nsid"], one["ns_start"]),
            ns_start=int(one["ns_start"]),
            init_pid=int(one["target_pid"]),
            init_comm=decode(bytes(one["target_comm"])),
            container=container,
            rows=self.places[requests],
            first=int(self.places[start]),
            kill=None if kill is None else int(self.places[kill]),
            exit=None if end is None else int(self.places[end]),
            asked=self._utc(start),
            signal=int(one["signal"]),
            asker=who,
            asked_by=decode(bytes(one["sender_comm"])),
            asked_by_pid=int(one["sender_pid"]),
            asked_by_parent=decode(bytes(one["sender_parent_comm"])),
            verdict=verdict.VERDICTS[self.batch.verdicts[start]],
            dropped=int(self.dropped[rows].sum()),
            killer=None if kill is None else sender(self.batch, kill, container),
            until_kill=None if kill in (None, start) else int(r["time"][kill]) - began,
            needed_kill=kill is not None and bool(self.asks[kill]),
            exited=None if end is None else self._utc(end),
            duration=None if end is None else int(r["time"][end]) - began,
            status=None if end is None else int(r["exit_code"][end]),
        )

    def _utc(self, row: int) -> int:
        offset = self.batch.boot_to_utc
        return int(self.batch.records["time"][row]) + int(offset if isinstance(offset, int) else offset[row])

    def _counted(
        self, requests: npt.NDArray[np.intp], kill: int | None, container: Container | None
    ) -> tuple[int, Asker]:
        """The one of these requests that the stop is counted from, and who sent it."""
        before = requests if kill is None else requests[: np.searchsorted(requests, kill, side="right")]
        few = (before if len(before) <= 4 * _FEW else self._sample(before)).tolist()
        known = [request(self.batch, row, container) for row in few]
        which = counted(known)
        return few[which], known[which].asker

    def _sample(self, requests: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
        """Of many requests the first and the last ones, and those by senders that are called as the last one is."""
        r, last = self.batch.records, requests[-1]
        same = np.ones(len(requests), bool)
        for name in ("relation", "sender_comm", "sender_parent_comm"):
            same &= r[name][requests] == r[name][last]
        its = requests[same]
        taken = its[np.isin(self.batch.verdicts[its], [verdict.CODE[name] for name in TAKEN])]
        few = [part for each in (requests, its) for part in (each[:_FEW], each[-_FEW:])]
        return np.unique(np.concatenate([*few, taken[:1]]))


def _first(rows: npt.NDArray[np.intp], which: npt.NDArray[np.bool_]) -> int | None:
    found = rows[which]
    return int(found[0]) if len(found) else None
