"""Which processes a stop request was passed on to: small inits, supervisors and shells with a trap send it to others.

A process passes a request on if it was sent one, which was queued, and then itself sends a stop signal to another
process, in the same attempt and within SOON_NS of the last request: the same signal, or any of
`signals.STOP_REQUESTS`. Whoever got it may pass it on in turn. The init is never a target: the kernel does not let the
members of its namespace end it, so that a signal to it is another request.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from sigtrace import signals
from sigtrace.events import verdict, wire
from sigtrace.events.batch import Batch
from sigtrace.events.column_types import flag
from sigtrace.stops.attempt import Attempt
from sigtrace.stops.request import SOON_NS, TAKEN
from sigtrace.text import decode, shorten

MOST = 64
"""Processes that are followed in one attempt."""
_KEPT = 8
"""Signals by which one process passes requests on to another that are kept."""
_SHOWN = 20
"""Records of one followed process that are kept from the beginning, and as many from the end."""

_Identity = tuple[int, int]
"""(PID, start of the process in ns of CLOCK_BOOTTIME)."""


@dataclass(frozen=True)
class Passed:
    """A process that a request was passed on to, or would be (see `expected`). Rows index the batch."""

    pid: int
    start: int
    """Its start, ns of CLOCK_BOOTTIME; 0: any."""
    name: str
    """`app[4242]`."""
    attempt: int
    """The index of the attempt; -1: nobody asked yet."""
    path: tuple[str, ...]
    """The processes that the request went through, the init first: `("tini[4230]", "sh[4236]")`."""
    by: Passed | None
    """The last of them; None if that is the init."""
    signal: int
    """The signal that passed it on, the first of several."""
    rows: tuple[int, ...]
    """The signals that passed it on; empty if that is only to be expected."""
    kill: int | None
    """The first SIGKILL that a process sent it; None without one."""
    exit: int | None
    """Its exit; None if none was recorded."""
    shown: tuple[int, ...] = field(repr=False)
    """The rows of its records that explain what it did with the signal: the first and the last of them."""
    sure: bool = True
    """Whether it got the signal, or would get it; False: a trap of a shell may pass it on, or not."""

    @property
    def hops(self) -> tuple[int, ...]:
        """The rows of the first signal of each step from the init to it, without the last step."""
        return (*self.by.hops, *self.by.rows[:1]) if self.by else ()

    def ended_before(self, row: int) -> bool:
        """Whether it ended by itself before this row of the batch: not by the SIGKILL of a process."""
        return self.exit is not None and self.exit < row and (self.kill is None or self.exit < self.kill)


def passed_on(batch: Batch, attempts: Sequence[Attempt]) -> tuple[Passed, ...]:
    """Return the processes that the requests of these attempts were passed on to, in the order of time.

    batch: records in the order of kernel time. attempts: of one init; their rows index the batch.
    """
    found: list[Passed] = []
    for number, attempt in enumerate(attempts):
        found += _in_attempt(batch, attempt, number)
    return tuple(found)


def _in_attempt(batch: Batch, attempt: Attempt, number: int) -> list[Passed]:
    sent = _passing(batch, attempt)
    if not len(sent):
        return []
    r = batch.records
    init = f"{shorten(attempt.init_comm, 16)}[{attempt.init_pid}]"
    reached: dict[_Identity, Passed | None] = {(attempt.init_pid, attempt.ns_start): None}
    # In the order of time: whoever passes a request on was reached before.
    for rows in _by_pair(r[sent], sent):
        one = r[rows[0]]
        target, by = _identity(one, "target"), _identity(one, "sender")
        if by not in reached or target in reached or len(reached) > MOST:
            continue
        before = reached[by]
        path = (*before.path, before.name) if before else (init,)
        name = f"{shorten(decode(bytes(one['target_comm'])), 16)}[{target[0]}]"
        kill, exit, shown = _fate(batch, target, rows)
        signal = int(one["signal"])
        reached[target] = Passed(*target, name, number, path, before, signal, tuple(rows), kill, exit, shown)
    return [each for each in reached.values() if each]


def _passing(batch: Batch, attempt: Attempt) -> npt.NDArray[np.intp]:
    """Return the rows of the stop signals that processes sent to others after the init had got a request."""
    r = batch.records
    taken = np.isin(batch.verdicts[attempt.rows], [verdict.CODE[name] for name in TAKEN])
    taken &= r["signal"][attempt.rows] != signals.KILL
    if not taken.any():
        return np.zeros(0, np.intp)
    begin = int(attempt.rows[taken][0])
    ends = [row for row in (attempt.kill, attempt.exit) if row is not None]
    part = r[begin : min(ends, default=len(r))]
    last = int(r["time"][attempt.rows[taken]].max())
    meant = {*signals.members(signals.STOP_REQUESTS), *r["signal"][attempt.rows].tolist()} - {signals.KILL}
    sent = (part["stage"] == wire.STAGE["generate"]) & np.isin(part["signal"], sorted(meant))
    sent &= (part["sender_start"] > 0) & (part["relation"] != wire.RELATION["self"])
    sent &= part["time"].astype("i8") <= last + SOON_NS
    sent &= ~(flag(part, "init") & (part["nsid"] == attempt.nsid))
    return np.flatnonzero(sent) + begin


def _by_pair(sent: npt.NDArray[np.void], rows: npt.NDArray[np.intp]) -> list[list[int]]:
    """Return the first rows of each pair of a sender and a target, the pairs in the order of their first rows."""
    names = ("sender_pid", "sender_start", "target_pid", "target_start")
    key = np.stack([sent[name].astype("i8") for name in names], axis=1)
    _, first, which = np.unique(key, axis=0, return_index=True, return_inverse=True)
    order = np.argsort(which.ravel(), kind="stable")
    groups = np.split(rows[order], np.cumsum(np.bincount(which.ravel()))[:-1])
    return [groups[pair][:_KEPT].tolist() for pair in np.argsort(first)]


def _identity(record: np.void, whose: str) -> _Identity:
    return int(record[f"{whose}_pid"]), int(record[f"{whose}_start"])


def _fate(batch: Batch, target: _Identity, rows: list[int]) -> tuple[int | None, int | None, tuple[int, ...]]:
    """Return `Passed.kill`, `exit` and `shown` of the process that got the signals of these rows."""
    r, (pid, start) = batch.records, target
    own = np.flatnonzero((r["target_pid"] == pid) & (r["target_start"] == start))
    own = own[own >= rows[0]]
    part = r[own]
    killed = (part["stage"] == wire.STAGE["generate"]) & (part["signal"] == signals.KILL)
    killed &= (part["sender_pid"] != 0) & (batch.verdicts[own] == verdict.CODE["queued"])
    telling = own[part["signal"] != signals.CHLD]
    kill, exit = _first(own[killed]), _first(own[part["stage"] == wire.STAGE["exit"]])
    shown = {*rows, *telling[:_SHOWN].tolist(), *telling[-_SHOWN:].tolist()}
    shown |= {row for row in (kill, exit) if row is not None}
    return kill, exit, tuple(sorted(shown))


def _first(rows: npt.NDArray[np.intp]) -> int | None:
    return int(rows[0]) if len(rows) else None
