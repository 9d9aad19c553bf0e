"""Which processes a stop request was passed on to: small inits, supervisors and shells with a trap send it to others.

A process passes a request on if it was sent one, which was queued, and then itself sends a stop signal to another
process, in the same attempt and within SOON_NS of the last request: the same signal, or any that is a request by the
rules of `sigtrace.stops.request`. Whoever got it may pass it on in turn. The init is never a target: the kernel does
not let the members of its namespace end it, so that a signal to it is another request.
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
from sigtrace.postmortem.event import first_and_last
from sigtrace.postmortem.scope import process_numbers
from sigtrace.stops.attempt import Attempt
from sigtrace.stops.request import SOON_NS, TAKEN
from sigtrace.text import decode, shorten

MOST = 64
"""Processes that are followed in one attempt."""
_KEPT = 8
"""Signals by which one process passes requests on to another that are kept."""
_SHOWN = 20
"""Records of one followed process that are kept from the beginning, and as many from the end."""

_ODD = np.uint64(0x9E3779B97F4A7C15)
"""Multiplies one of two numbers that are combined to one."""

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


def passed_on(batch: Batch, attempts: Sequence[Attempt], asks: npt.NDArray[np.bool_]) -> tuple[Passed, ...]:
    """Return the processes that the requests of these attempts were passed on to, in the order of time.

    batch: records in the order of kernel time. attempts: of one init; their rows index the batch. asks: the result of
    `request.asking` for the batch, shape (n,).
    """
    found: list[Passed] = []
    for number, attempt in enumerate(attempts):
        found += _in_attempt(batch, attempt, number, _passing(batch, attempt, asks))
    return tuple(found)


def _in_attempt(batch: Batch, attempt: Attempt, number: int, sent: npt.NDArray[np.intp]) -> list[Passed]:
    """Return the processes reached in an attempt; sent: the rows of `_passing`."""
    r = batch.records
    init = (attempt.init_pid, attempt.ns_start)
    reached: dict[_Identity, tuple[_Identity, list[int]]] = {init: (init, [])}
    # In the order of time: whoever passes a request on was reached before.
    for row in sent.tolist():
        by, target = _identity(r[row], "sender"), _identity(r[row], "target")
        if by in reached and (target in reached or len(reached) <= MOST):
            _, rows = reached.setdefault(target, (by, []))
            if len(rows) < _KEPT:
                rows.append(row)
    del reached[init]
    targets = process_numbers(r, "target") if reached else r["target_pid"]
    first = f"{shorten(attempt.init_comm, 16)}[{attempt.init_pid}]"
    found: dict[_Identity, Passed] = {}
    for target, (sender, rows) in reached.items():
        one, before = r[rows[0]], found.get(sender)
        name = f"{shorten(decode(bytes(one['target_comm'])), 16)}[{target[0]}]"
        path = (*before.path, before.name) if before else (first,)
        own = np.flatnonzero(targets == targets[rows[0]])
        kill, exit, shown = _fate(batch, own[own >= rows[0]], rows)
        signal = int(one["signal"])
        found[target] = Passed(*target, name, number, path, before, signal, tuple(rows), kill, exit, shown)
    return list(found.values())


def _passing(batch: Batch, attempt: Attempt, asks: npt.NDArray[np.bool_]) -> npt.NDArray[np.intp]:
    """Return the rows of the stop signals that processes sent to others after the init had got a request.

    Of those that one process sent to another, only the first and the last few.
    """
    r = batch.records
    taken = np.isin(batch.verdicts[attempt.rows], [verdict.CODE[name] for name in TAKEN])
    taken &= r["signal"][attempt.rows] != signals.KILL
    if not taken.any():
        return np.zeros(0, np.intp)
    begin = int(attempt.rows[taken][0])
    ends = [row for row in (attempt.kill, attempt.exit) if row is not None]
    part = r[begin : min(ends, default=len(r))]
    last = int(r["time"][attempt.rows[taken]].max())
    meant = asks[begin : begin + len(part)] | np.isin(part["signal"], np.unique(r["signal"][attempt.rows]))
    sent = (part["stage"] == wire.STAGE["generate"]) & meant & (part["signal"] != signals.KILL)
    sent &= (part["sender_start"] > 0) & (part["relation"] != wire.RELATION["self"])
    sent &= part["time"].astype("i8") <= last + SOON_NS
    sent &= ~(flag(part, "init") & (part["nsid"] == attempt.nsid))
    rows = np.flatnonzero(sent)
    pairs = process_numbers(part, "sender")[rows] * _ODD + process_numbers(part, "target")[rows]
    return rows[first_and_last(pairs, _KEPT)] + begin


def _identity(record: np.void, whose: str) -> _Identity:
    return int(record[f"{whose}_pid"]), int(record[f"{whose}_start"])


def _fate(
    batch: Batch, own: npt.NDArray[np.intp], rows: list[int]
) -> tuple[int | None, int | None, tuple[int, ...]]:
    """Return `Passed.kill`, `exit` and `shown` of the process that got the signals of `rows`; own: its rows."""
    part = batch.records[own]
    killed = (part["stage"] == wire.STAGE["generate"]) & (part["signal"] == signals.KILL)
    killed &= (part["sender_pid"] != 0) & (batch.verdicts[own] == verdict.CODE["queued"])
    telling = own[part["signal"] != signals.CHLD]
    kill, exit = _first(own[killed]), _first(own[part["stage"] == wire.STAGE["exit"]])
    shown = {*rows, *telling[:_SHOWN].tolist(), *telling[-_SHOWN:].tolist()}
    shown |= {row for row in (kill, exit) if row is not None}
    return kill, exit, tuple(sorted(shown))


def _first(rows: npt.NDArray[np.intp]) -> int | None:
    return int(rows[0]) if len(rows) else None
