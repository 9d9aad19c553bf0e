"""The chart of one namespace: events on the lanes of senders, the init and members, and the grace period."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from sigtrace.events import outcome, wire
from sigtrace.events.batch import Batch
from sigtrace.events.column_types import flag
from sigtrace.events.lanes import Lanes, kinds, lanes, parties
from sigtrace.events.outcome import KINDS
from sigtrace.events.verdict import CODE
from sigtrace.postmortem.case import SETTLED, Case
from sigtrace.postmortem.event import events
from sigtrace.postmortem.stop import Stop
from sigtrace.report.facts import Band, Bar, Chart, EventMark
from sigtrace.report.moment import clock
from sigtrace.signals import KILL
from sigtrace.units import duration, number

MOST_MARKS = 150
"""If there are more events than this, they are counted in bins of time: the file must stay small."""
_BINS, _BINS_AROUND = 80, 15
_KINDS = tuple(KINDS)
_WHOLE = 4
"""If the history is this many times longer than the attempt that is told, only the attempt is visible at first."""
_MARGIN = 0.08
_LEAST = 20_000_000


def timeline(case: Case, told: Stop | None) -> Chart | None:
    """Return the chart of a case, which at first shows the attempt that is told to stop it. None without events."""
    rows = np.flatnonzero(_is_shown(case.batch))
    batch = case.batch[rows]
    if not len(batch):
        return None
    many = len(batch) > MOST_MARKS
    found, times = lanes(parties(batch), counted=many), batch.time.astype("i8")
    kind = kinds(batch.verdicts, batch.records["signal"])
    begin, end = int(times.min()), int(times.max())
    focus = _focus(begin, end, told, case.until)
    asks = np.isin(rows, [stop.attempt.first for stop in case.stops])
    marked = _milestones(batch, asks) if many else np.arange(len(batch))
    bars, most = _bars(found, kind, times, batch.weights, _edges(begin, end, focus)) if many else ([], 0)
    note = number(int(batch.weights.sum()), "event")
    if thinned := int(batch.records["thinned"].sum()):
        note += f", {thinned:,} of them without a record of their own"
    if many:
        note += (
            f", counted in bins of time: the height of a bar is the logarithm of their number, up to {most:,}; "
            "requests, SIGKILLs and exits have marks"
        )
    return Chart(
        begin=min(begin, focus[0]),
        end=max(end, focus[1]),
        focus=focus,
        lanes=found.names,
        marks=list(_marks(batch, marked, asks, found, kind)),
        bars=bars,
        bands=list(_bands(case, end)),
        most=most,
        note=note,
    )


def _is_shown(batch: Batch) -> npt.NDArray[np.bool_]:
    """Mark the events to show: shape (n,). Left out are signals ignored by default, and SIGKILL at dying threads.

    Each thread of a process that dies of a fatal signal "delivers" a SIGKILL.
    """
    r = batch.records
    dies = (r["stage"] == wire.STAGE["deliver"]) & (r["signal"] == KILL) & flag(r, "exiting")
    shown: npt.NDArray[np.bool_] = (batch.verdicts != CODE["default_ignored"]) & ~dies
    return shown


def _focus(begin: int, end: int, told: Stop | None, until: int) -> tuple[int, int]:
    """Return the part to show at first: the attempt that is told, or everything if that is not much longer."""
    first, last = begin, end
    if told:
        asked = told.earlier or told.first
        over = last = end if told.exit else max(end, until)
        if over - begin > _WHOLE * max(over - asked.time, 1):
            first, last = asked.time, over
    margin = max(int((last - first) * _MARGIN), _LEAST)
    return first - margin, last + margin


def _milestones(batch: Batch, asks: npt.NDArray[np.bool_]) -> npt.NDArray[np.intp]:
    """Return the rows that always get a mark: requests, SIGKILLs, births and exits of inits, the first of a kind."""
    r = batch.records
    own = flag(r, "init")
    steps = np.flatnonzero(own & (r["stage"] > wire.STAGE["deliver"]))
    kills = np.flatnonzero(own & (r["stage"] == wire.STAGE["generate"]) & (r["signal"] == KILL))
    key = r["stage"].astype("u4") << 16 | r["signal"].astype("u4") << 8 | batch.verdicts
    _, firsts = np.unique(key[own], return_index=True)
    few = MOST_MARKS // 3
    chosen = [steps[-few:], kills[:few], np.flatnonzero(asks)[-few:], np.flatnonzero(own)[firsts][:few]]
    return np.unique(np.concatenate(chosen))


def _marks(
    batch: Batch,
    which: npt.NDArray[np.intp],
    asks: npt.NDArray[np.bool_],
    found: Lanes,
    kind: npt.NDArray[np.intp],
) -> Iterator[EventMark]:
    for event, row in zip(events(batch, which), which.tolist(), strict=True):
        sender = int(found.sender[row])
        sender_lane = None if sender < 0 else sender
        name, lane = _KINDS[kind[row]], int(found.target[row])
        yield EventMark(event.time, lane, name, str(event), sender_lane, bool(asks[row]))


def _edges(begin: int, end: int, focus: tuple[int, int]) -> npt.NDArray[np.int64]:
    """Return the edges of the bins: narrow ones in the part that is visible at first."""
    base = min(begin, focus[0])
    first, last = focus[0] - base, focus[1] - base
    parts = [
        np.linspace(0, first, _BINS_AROUND, endpoint=False),
        np.linspace(first, last, _BINS + 1),
        np.linspace(last, max(end - base + 1, last), _BINS_AROUND + 1),
    ]
    edges: npt.NDArray[np.int64] = np.unique(np.concatenate(parts).astype("i8")) + base
    return edges


def _bars(
    found: Lanes,
    kind: npt.NDArray[np.intp],
    times: npt.NDArray[np.int64],
    many: npt.NDArray[np.int64],
    edges: npt.NDArray[np.int64],
) -> tuple[list[Bar], int]:
    """Return a bar for each lane and bin with events, of the most important kind in it, and the largest count.

    many: how many events each stands for, shape (n,) as the others.
    """
    place = np.minimum(np.searchsorted(edges, times, side="right"), len(edges) - 1) - 1
    sent = found.sender >= 0
    keys = [
        (found.target * len(edges) + place) * len(KINDS) + kind,
        (found.sender[sent] * len(edges) + place[sent]) * len(KINDS) + kind[sent],
    ]
    key, which = np.unique(np.concatenate(keys), return_inverse=True)
    counts = np.bincount(which, np.concatenate([many, many[sent]])).astype("i8")
    bins: dict[int, list[tuple[int, int]]] = {}
    for each, count in zip(key.tolist(), counts.tolist(), strict=True):
        bins.setdefault(each // len(KINDS), []).append((each % len(KINDS), count))
    most = max(sum(count for _, count in kinds_in_bin) for kinds_in_bin in bins.values())
    bars = []
    for where, kinds_in_bin in bins.items():
        lane, first = divmod(where, len(edges))
        begin, end = int(edges[first]), int(edges[first + 1])
        words = ", ".join(f"{count:,} {KINDS[_KINDS[each]].words}" for each, count in kinds_in_bin)
        height = math.log1p(sum(count for _, count in kinds_in_bin)) / math.log1p(most)
        text = f"{clock(begin)} to {clock(end)}, {found.names[lane]}: {words}"
        bars.append(Bar(begin, end, lane, _KINDS[kinds_in_bin[0][0]], height, text))
    return bars, most


def _bands(case: Case, end: int) -> Iterator[Band]:
    """Yield grace periods, the times that the init took to exit, and the time for which others outlived it."""
    if case.exit and end - case.exit.time > SETTLED:
        lasted = duration(end - case.exit.time)
        yield Band(case.exit.time, end, (f"others outlive the init by {lasted}",))
    for stop in case.stops:
        if stop.kill and stop.attempt.until_kill is not None:
            text = outcome.grace(duration(stop.attempt.until_kill), stop.grace is not None)
            yield Band(stop.first.time, stop.kill.time, (_asked(case, stop), text))
        elif stop.exit and stop.took is not None and stop.kill is None:
            yield Band(
                stop.first.time, stop.exit.time, (_asked(case, stop), f"{duration(stop.took)} to exit")
            )
        elif stop.exit is None and stop.kill is None and case.until > stop.first.time:
            lasted = duration(case.until - stop.first.time)
            yield Band(stop.first.time, case.until, (_asked(case, stop), f"still there {lasted} later"))


def _asked(case: Case, stop: Stop) -> str:
    """Return the signal that asked, and what became of it: `SIGTERM dropped as it was sent`."""
    waits = stop.first.verdict in ("queued", "coalesced")
    fate = (case.fate_of(stop.first) if waits else None) or stop.first
    return outcome.asked(fate.verdict, fate.signal)
