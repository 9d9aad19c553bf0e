"""Attempts to stop an init: the requests, their outcome, and the time they took. The only definition of a stop.

An attempt to stop a PID namespace begins with a stop request to its init and ends with the init's exit, however much
later. `request.asking` decides which signals count as a stop request; SIGKILL is one.

    several requests    They belong to one attempt; one that comes more than APART_NS after the last begins another.
    several senders     For example a person and, later, the runtime. The attempt is counted from one request, which
                        `request.counted` chooses: its signal, verdict and sender are those of the attempt, and its
                        grace period and duration start there. The other requests are only counted.
    SIGKILL             The first that is queued for the init ends it, whoever sent it. The grace period is the time
                        from the counted request to this SIGKILL, if that is a request itself.
    ... by the kernel   The kernel sends SIGKILL when memory runs out, and at the end of a namespace above or of a
                        parent (PR_SET_PDEATHSIG). It ends the attempt, but it does not end a grace period: nobody
                        granted one. `killed` includes it, `needed_kill` does not.
    ... for reboot(2)   The container shuts itself down: its init, or a member for it, calls reboot(2) when everything
                        is done, and the kernel ends the init by SIGKILL. That is the end that was asked for: `rebooted`
                        has the caller, and `killed` does not include it.
    ... coalesced       A SIGKILL that finds another pending has no effect. If the pending one was not recorded, its
                        time is unknown, and there is no grace period.
    ... from inside     It is dropped, and is not a request.
    after the exit      A signal to an init that has exited is not a request.
    a failed start      A runtime's SIGKILL to an init that has not run a program yet is not a request.
    no request          An exit, or the kernel's SIGKILL, without a request before it is not an attempt.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from sigtrace import signals
from sigtrace.events import verdict, wire
from sigtrace.events.batch import Batch
from sigtrace.events.column_types import flag
from sigtrace.events.container import Container
from sigtrace.events.leaders import called_by_leaders
from sigtrace.events.nskey import NsKey
from sigtrace.events.origin import CODE as ORIGIN
from sigtrace.events.residents import Residents
from sigtrace.procfs.process import INITIAL_PID_NS
from sigtrace.stops.own_signal import own_stop_signals
from sigtrace.stops.request import (
    ALWAYS,
    TAKEN,
    asking,
    counted,
    exits,
    inits,
    request,
    sender,
)
from sigtrace.stops.sender import KERNEL, Asker
from sigtrace.text import decode
from sigtrace.units import SECOND

APART_NS = 600 * SECOND
"""Requests that are further apart than this belong to two attempts.

This is longer than usual grace periods, so that the SIGKILL at the end of one belongs to the attempt of its request.
"""
_FEW = 64
"""Requests whose senders are determined, from the beginning and from the end of a storm: that takes Python code for
each of them."""
MANY = 4 * _FEW
"""An attempt with more requests is such a storm."""


@dataclass(frozen=True)
class Attempt:
    """One attempt to stop a namespace's init. Times are ns UTC, durations ns of the kernel's clock.

    Rows index the batch from which it was derived.
    """

    key: NsKey
    ns_start: int
    """Start of the init, ns of CLOCK_BOOTTIME."""
    init_pid: int
    init_comm: str
    container: Container | None
    rows: npt.NDArray[np.intp] = field(compare=False, repr=False)
    """The rows of all its requests, in the order of time."""
    first: int = field(compare=False)
    """The row of the counted request."""
    kill: int | None = field(compare=False)
    """The row of the SIGKILL that ended the init; None without one."""
    exit: int | None = field(compare=False)
    """The row of the exit; None without one."""
    asked: int
    """The time of the counted request."""
    signal: int
    """The number of its signal."""
    asker: Asker
    """Its sender."""
    asked_by: str
    """comm of the sender; empty: the kernel."""
    asked_by_pid: int
    asked_by_parent: str
    verdict: str
    """The verdict of the request at generation."""
    dropped: int
    """The number of requests that the kernel dropped, at generation or at delivery."""
    killer: Asker | None
    """The sender of the SIGKILL that ended the init; None without one."""
    rebooted: Asker | None
    """The process whose reboot(2) ended the init, if the container shut itself down."""
    until_kill: int | None
    """From the counted request to that SIGKILL; None without one, or if the SIGKILL is the counted request."""
    needed_kill: bool
    """That SIGKILL was a request; the kernel's own is not."""
    exited: int | None
    """The time of the exit; None if none was recorded."""
    duration: int | None
    """From the counted request to the exit; None without an exit."""
    status: int | None
    """The exit status, as wait(2) reports it; None without an exit."""

    @property
    def nsid(self) -> int:
        """Inode of the namespace."""
        return self.key.inode

    @property
    def requests(self) -> int:
        """The number of requests."""
        return len(self.rows)

    @property
    def grace(self) -> int | None:
        """The grace period in ns; None unless a SIGKILL that is a request followed another request and ended it."""
        return self.until_kill if self.needed_kill else None

    @property
    def by_kernel(self) -> bool:
        """Whether the kernel's own SIGKILL ended the init."""
        return self.killer is not None and self.killer.by == KERNEL

    @property
    def seconds(self) -> float:
        """The duration in seconds; NaN without an exit."""
        return float("nan") if self.duration is None else self.duration / SECOND

    @property
    def killed(self) -> bool:
        """Whether SIGKILL ended the init, whoever sent it; without a recorded exit, whether one was queued for it."""
        if self.rebooted is not None:
            return False
        return self.kill is not None if self.status is None else self.status & 0x7F == signals.KILL


def attempts(batch: Batch, asks: npt.NDArray[np.bool_] | None = None) -> list[Attempt]:
    """Return the attempts in a batch, in the order of their counted requests.

    batch: records of one boot, in the order of kernel time. asks: the result of `request.asking` for it, shape (n,),
    if the caller has it. The init of the initial namespace is left out: nothing stops that from outside.
    """
    records, rows, begins = init_records(batch, asks)
    groups = np.split(rows, begins[1:]) if len(begins) else []
    return sorted((records.attempt(group) for group in groups), key=lambda each: each.asked)


def init_records(
    batch: Batch, asks: npt.NDArray[np.bool_] | None = None
) -> tuple[InitRecords, npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Return the records of inits, the rows of all attempts, one after the other, and where each begins in these.

    Arguments as for `attempts`.
    """
    r = batch.records
    own = np.flatnonzero(flag(r, "init") & (r["nsid"] != INITIAL_PID_NS))
    part = batch[own]
    part.known = part.residents  # looked up once
    numbers = own_stop_signals(part)
    asks = asking(part, numbers) if asks is None else asks[own]
    r, verdicts = part.records, part.verdicts
    meant = np.isin(r["signal"], ALWAYS) | (r["signal"] == numbers)
    late = meant & (verdicts == verdict.CODE["dropped_at_deliver"])
    dropped, obeyed = verdict.is_dropped(verdicts), _obeyed(part)
    rebooted = obeyed & (part.origins == ORIGIN["reboot"])
    obeyed &= ~rebooted
    # Only the first exit of an init counts, and nothing after it; see `exits`.
    codes = inits(r)
    end = exits(r, codes)
    row = np.arange(len(r))
    chosen = (asks | late | obeyed | rebooted) & (row < end) | (row == end)
    order = np.argsort(codes, kind="stable")
    order = order[chosen[order]]
    records = InitRecords(part, own, part.residents, asks, dropped, obeyed, rebooted)
    return records, *_cut(r["time"][order].astype("i8"), codes[order], asks[order], order)


def _obeyed(batch: Batch) -> npt.NDArray[np.bool_]:
    """Mark the SIGKILLs that were queued: shape (n,).

    complete_signal() ends the thread group as it queues a SIGKILL, so the first one ends an init that is alive.
    """
    r = batch.records
    obeyed: npt.NDArray[np.bool_] = (r["signal"] == signals.KILL) & (batch.verdicts == verdict.CODE["queued"])
    return obeyed


def _cut(
    times: npt.NDArray[np.int64],
    codes: npt.NDArray[np.intp],
    asks: npt.NDArray[np.bool_],
    rows: npt.NDArray[np.intp],
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Return the rows that belong to attempts, and where each attempt begins in these.

    All arrays: shape (n,), grouped by init (`codes`), each group in the order of time.
    """
    requests = np.flatnonzero(asks)
    begins = np.ones(len(requests), bool)
    begins[1:] = (np.diff(codes[requests]) != 0) | (np.diff(times[requests]) > APART_NS)
    first = requests[begins]
    if not len(first):
        return rows[:0], first
    number = np.searchsorted(first, np.arange(len(rows)), side="right") - 1
    # What precedes an init's first request (a SIGKILL of the kernel, an exit) does not belong to an attempt.
    belongs = np.flatnonzero((number >= 0) & (codes == codes[first[np.maximum(number, 0)]]))
    return rows[belongs], np.searchsorted(number[belongs], np.arange(len(first)))


@dataclass(frozen=True)
class InitRecords:
    """The records of inits from which `attempts` makes attempts; the arrays have shape (n,)."""

    batch: Batch
    places: npt.NDArray[np.intp]
    """Their rows in the batch that `attempts` was given."""
    homes: Residents
    asks: npt.NDArray[np.bool_]
    dropped: npt.NDArray[np.bool_]
    obeyed: npt.NDArray[np.bool_]
    rebooted: npt.NDArray[np.bool_]

    def attempt(self, rows: npt.NDArray[np.intp]) -> Attempt:
        """Make the attempt of these rows."""
        r = self.batch.records
        requests = rows[self.asks[rows]]
        kill, reboot = _first(rows, self.obeyed[rows]), _first(rows, self.rebooted[rows])
        end = int(rows[-1]) if r["stage"][rows[-1]] == wire.STAGE["exit"] else None
        container = self.homes.containers[int(self.homes.codes[rows[0]])]
        start, who = self.counted(requests, kill, container)
        one, began = r[start], int(r["time"][start])
        return Attempt(
            key=NsKey.of(one["nsid"], one["ns_start"]),
            ns_start=int(one["ns_start"]),
            init_pid=int(one["target_pid"]),
            init_comm=self._name(start),
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
            rebooted=None if reboot is None else sender(self.batch, reboot, container),
            until_kill=None if kill in (None, start) else int(r["time"][kill]) - began,
            needed_kill=kill is not None and bool(self.asks[kill]),
            exited=None if end is None else self._utc(end),
            duration=None if end is None else int(r["time"][end]) - began,
            status=None if end is None else int(r["exit_code"][end]),
        )

    def _name(self, row: int) -> str:
        """Return the name of the init in a record."""
        one = self.batch.records[row]
        if one["target_tid"] != one["target_pid"]:
            pids, starts = self.batch.records["target_pid"], self.batch.records["target_start"]
            own = np.flatnonzero((pids == one["target_pid"]) & (starts == one["target_start"]))
            one = called_by_leaders(self.batch.records[own])[np.searchsorted(own, row)]
        return decode(bytes(one["target_comm"]))

    def _utc(self, row: int) -> int:
        offset = self.batch.boot_to_utc
        return int(self.batch.records["time"][row]) + int(offset if isinstance(offset, int) else offset[row])

    def counted(
        self, requests: npt.NDArray[np.intp], kill: int | None, container: Container | None
    ) -> tuple[int, Asker]:
        """Return the row of the request from which the attempt is counted, and its sender."""
        before = requests if kill is None else requests[: np.searchsorted(requests, kill, side="right")]
        few = (before if len(before) <= MANY else self._sample(before)).tolist()
        known = [request(self.batch, row, container) for row in few]
        which = counted(known)
        return few[which], known[which].asker

    def _sample(self, requests: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
        """Return a few of many requests for `counted`, which chooses the first or the last by the last sender.

        These are the first and the last ones, and the first, the last and the first queued one by senders with the
        same names as the last one. A sender that asked only in the middle of a storm is not considered.
        """
        r, last = self.batch.records, requests[-1]
        same = np.ones(len(requests), bool)
        for name in ("relation", "sender_comm", "sender_parent_comm"):
            same &= r[name][requests] == r[name][last]
        by_last = requests[same]
        taken = by_last[np.isin(self.batch.verdicts[by_last], [verdict.CODE[name] for name in TAKEN])]
        few = [part for each in (requests, by_last) for part in (each[:_FEW], each[-_FEW:])]
        return np.unique(np.concatenate([*few, taken[:1]]))


def _first(rows: npt.NDArray[np.intp], which: npt.NDArray[np.bool_]) -> int | None:
    found = rows[which]
    return int(found[0]) if len(found) else None
