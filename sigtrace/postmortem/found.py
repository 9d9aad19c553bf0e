"""What the stops of many namespaces are found in: all their records at once, and then the part of each.

The functions of `sigtrace.stops` judge the records of each init apart from all others. To call them for each of many
namespaces costs more than what they do.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from sigtrace.events.batch import Batch
from sigtrace.events.leaders import called_by_leaders
from sigtrace.events.nskey import NsKey
from sigtrace.stops.attempt import Attempt, attempts
from sigtrace.stops.own_signal import own_stop_signals
from sigtrace.stops.request import asking, failed_starts


@dataclass(frozen=True)
class Found:
    """Records in the order of kernel time, of one boot, and what they say of stops; rows index `batch`."""

    batch: Batch
    """Processes are called by their leaders."""
    asks: npt.NDArray[np.bool_]
    """Which records are requests: shape (n,)."""
    failed_starts: tuple[int, ...]
    attempts: tuple[Attempt, ...]


def find(batch: Batch) -> Found:
    """Find the requests and attempts in records of any namespaces, in the order of kernel time."""
    batch = Batch(called_by_leaders(batch.records), batch.boot_to_utc, batch.host, batch.residents)
    failed = failed_starts(batch)
    asks = asking(batch, own_stop_signals(batch), failed)
    return Found(batch, asks, tuple(failed), tuple(attempts(batch, asks)))


def by_namespace(found: Found) -> Iterator[tuple[NsKey, Found]]:
    """Yield the part of each namespace, in the order of their keys."""
    r = found.batch.records
    keys, which = NsKey.from_records(r["nsid"], r["ns_start"])
    order, sizes = np.argsort(which, kind="stable"), np.bincount(which, minlength=len(keys))
    ends = np.cumsum(sizes)
    within = np.empty(len(r), np.intp)
    within[order] = np.arange(len(r)) - np.repeat(ends - sizes, sizes)
    failed: dict[int, list[int]] = {}
    for row in found.failed_starts:
        failed.setdefault(int(which[row]), []).append(int(within[row]))
    own: dict[int, list[Attempt]] = {}
    for each in found.attempts:
        own.setdefault(int(which[each.first]), []).append(_moved(each, within))
    parts = np.split(order, ends[:-1]) if keys else []
    for code in sorted(range(len(keys)), key=lambda number: keys[number]):
        rows = parts[code]
        part = Found(
            found.batch[rows], found.asks[rows], tuple(failed.get(code, ())), tuple(own.get(code, ()))
        )
        yield keys[code], part


def _moved(attempt: Attempt, within: npt.NDArray[np.intp]) -> Attempt:
    """Return an attempt whose rows index the records of its namespace; within: the row there of each row."""
    kill, exit = (None if row is None else int(within[row]) for row in (attempt.kill, attempt.exit))
    return replace(attempt, rows=within[attempt.rows], first=int(within[attempt.first]), kill=kill, exit=exit)
