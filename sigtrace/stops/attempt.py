"""Stops: who was asked to end, what became of that, and how long it took. The only place that says what a stop is.

An attempt to stop a PID namespace begins with a signal that asks its init to end, and ends with the init's exit. A
SIGKILL asks too. What asks, and what does not, says `requests.asking`: a reload does not, nor the end of an init that
failed to start. One that is asked again after more than APART_NS is asked anew.

An attempt may have requests of several parties, such as a person's and, later, the runtime's. The stop is counted from
one of them, `requests.counted`: with SIGKILL the last one before by the same party. That it is, whose signal, verdict
and sender a `Stop` has, and from which its grace period and its duration run. The others are in `requests` only.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sigtrace import signals
from sigtrace.events import verdict, wire
from sigtrace.events.batch import Batch
from sigtrace.events.columns import flag
from sigtrace.events.container import Container
from sigtrace.events.residents import Residents
from sigtrace.procfs.process import INITIAL_PID_NS
from sigtrace.stops.request import ALWAYS, asking, counted, own_stop_signal, request
from sigtrace.text import decode
from sigtrace.units import SECOND

APART_NS = 600 * SECOND
"""Two requests this far apart are two attempts."""
_FEW = 64
"""Of a storm of requests, so many of the first and the last ones are looked at to tell who asked."""


@dataclass(frozen=True)
class Stop:
    """One attempt to stop a namespace's init. Moments are ns UTC, spans ns of the kernel's clock."""

    nsid: int
    ns_start: int
    """Start of the init, ns of CLOCK_BOOTTIME."""
    init_pid: int
    init_comm: str
    asked: int
    """The request that it is counted from."""
    signal: int
    """Which it was."""
    asked_by: str
    """comm of its sender; empty: the kernel."""
    asked_by_pid: int
    asked_by_parent: str
    verdict: str
    """What became of that request as it was sent."""
    requests: int
    """How many there were in all."""
    dropped: int
    """How many of them the kernel dropped, as they were sent or at delivery."""
    grace: int | None
    """From that request to the first SIGKILL that it obeys; None without one, or if it is counted from that."""
    exited: int | None
    """None: it has not, as far as was recorded."""
    duration: int | None
    """From that request to the exit."""
    status: int | None
    """As wait(2) reports it."""
    container: Container | None

    @property
    def seconds(self) -> float:
        """How long it took; NaN while it has not ended."""
        return float("nan") if self.duration is None else self.duration / SECOND

    @property
    def killed(self) -> bool:
        """SIGKILL ended it."""
        return self.status is not None and self.status & 0x7F == signals.KILL


def stops(batch: Batch) -> list[Stop]:
    """The attempts in a batch, which is of one boot and in the order of kernel time; by their first request.

    The initial namespace's init is no container's and left out.
    """
    r = batch.records
    own = np.flatnonzero(flag(r, "init") & (r["nsid"] != INITIAL_PID_NS))
    if not len(own):
        return []
    own = own[np.lexsort((own, r["ns_start"][own], r["nsid"][own]))]
    part = batch[own]
    numbers = _own_stop_signals(part)
    asks = asking(part, numbers)
    meant = np.isin(part.records["signal"], ALWAYS) | (part.records["signal"] == numbers)
    late = meant & (part.verdicts == verdict.CODE["dropped_at_deliver"])
    chosen = asks | late | (part.records["stage"] == wire.STAGE["exit"])
    return _attempts(part[chosen], asks[chosen])


def _own_stop_signals(batch: Batch) -> npt.NDArray[np.int64]:
    """What the container of each record is stopped with: shape (n,); -1 for the usual, and where it is not known."""
    homes = batch.residents
    numbers = [own_stop_signal(each) for each in homes.containers]
    found: npt.NDArray[np.int64] = np.array(numbers, "i8")[homes.codes]
    return found


def _attempts(batch: Batch, asks: npt.NDArray[np.bool_]) -> list[Stop]:
    """`batch`: requests, late drops and exits of inits, init by init in the order of time."""
    if not asks.any():
        return []
    r = batch.records
    requests = np.flatnonzero(asks)
    begins = np.ones(len(requests), bool)
    pause = np.diff(r["time"][requests].astype("i8"))
    begins[1:] = ~_same_init(r, requests[1:], requests[:-1]) | (pause > APART_NS)
    first = requests[begins]
    number = np.searchsorted(first, np.arange(len(r)), side="right") - 1
    # What precedes an init's first request belongs to no attempt.
    belongs = (number >= 0) & _same_init(r, np.arange(len(r)), first[np.maximum(number, 0)])
    rows = np.flatnonzero(belongs)
    members = np.split(rows, np.searchsorted(number[rows], np.arange(1, len(first))))
    table = _Rows(batch, batch.residents, batch.time.astype("i8"), asks, verdict.is_dropped(batch.verdicts))
    return sorted((table.stop(its) for its in members), key=lambda stop: stop.asked)


def _same_init(
    records: npt.NDArray[np.void], one: npt.NDArray[np.intp], other: npt.NDArray[np.intp]
) -> npt.NDArray[np.bool_]:
    """Whether these records and those, pair by pair, are of the same init."""
    same: npt.NDArray[np.bool_] = np.ones(len(one), bool)
    for name in ("nsid", "ns_start"):
        same &= records[name][one] == records[name][other]
    return same


@dataclass(frozen=True)
class _Rows:
    """What `_attempts` cuts into attempts; the arrays have a value for each record, shape (n,)."""

    batch: Batch
    homes: Residents
    times: npt.NDArray[np.int64]
    asks: npt.NDArray[np.bool_]
    dropped: npt.NDArray[np.bool_]

    def stop(self, rows: npt.NDArray[np.intp]) -> Stop:
        """The attempt that these rows are."""
        r = self.batch.records
        kill = _first(rows, self.asks[rows] & (r["signal"][rows] == signals.KILL) & ~self.dropped[rows])
        container = self.homes.containers[int(self.homes.codes[rows[0]])]
        start = self._counted(rows[self.asks[rows]], kill, container)
        one, began = r[start], int(r["time"][start])
        end = _first(rows, r["stage"][rows] == wire.STAGE["exit"])
        return Stop(
            nsid=int(one["nsid"]),
            ns_start=int(one["ns_start"]),
            init_pid=int(one["target_pid"]),
            init_comm=decode(bytes(one["target_comm"])),
            asked=int(self.times[start]),
            signal=int(one["signal"]),
            asked_by=decode(bytes(one["sender_comm"])),
            asked_by_pid=int(one["sender_pid"]),
            asked_by_parent=decode(bytes(one["sender_parent_comm"])),
            verdict=verdict.VERDICTS[self.batch.verdicts[start]],
            requests=int(self.asks[rows].sum()),
            dropped=int(self.dropped[rows].sum()),
            grace=None if kill in (None, start) else int(r["time"][kill]) - began,
            exited=None if end is None else int(self.times[end]),
            duration=None if end is None else int(r["time"][end]) - began,
            status=None if end is None else int(r["exit_code"][end]),
            container=container,
        )

    def _counted(self, requests: npt.NDArray[np.intp], kill: int | None, container: Container | None) -> int:
        """The one of these requests that the stop is counted from."""
        before = requests if kill is None else requests[: np.searchsorted(requests, kill, side="right")]
        few = before if len(before) <= 2 * _FEW else np.concatenate([before[:_FEW], before[-_FEW:]])
        return int(few[counted([request(self.batch, row, container) for row in few.tolist()])])


def _first(rows: npt.NDArray[np.intp], which: npt.NDArray[np.bool_]) -> int | None:
    found = rows[which]
    return int(found[0]) if len(found) else None
