"""The chart of drops over time, of all namespaces together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from sigtrace.events.outcome import DROPPED_KINDS, KINDS
from sigtrace.events.verdict import DROPPED, is_dropped
from sigtrace.postmortem.case import Case
from sigtrace.report.facts import Bar, Chart, EventMark
from sigtrace.report.moment import clock, step
from sigtrace.units import SECOND, duration

_BINS = 120
_NAMED = 3
_MOST_REQUESTS = 100
"""Marks of dropped requests."""


def drops_over_time(
    cases: Sequence[tuple[str, Case]], requests: Sequence[EventMark], begin: int, end: int
) -> Chart | None:
    """Return a chart of the drops between two times (ns UTC), stacked by kind; None without drops.

    cases: each with its name. requests: the dropped requests for which a namespace hung, the worst first; each has a
    mark of its own, as beside the thousands of a storm its bar could not be seen.
    """
    drops = [case.batch[is_dropped(case.batch.verdicts)] for _, case in cases]
    times = np.concatenate([np.zeros(0, "i8"), *(batch.time.astype("i8") for batch in drops)])
    if not len(times):
        return None
    codes = np.concatenate([batch.verdicts for batch in drops])
    case_of = np.repeat(np.arange(len(drops)), [len(batch) for batch in drops])
    if end - begin < SECOND:
        begin, end = begin - SECOND // 2, end + SECOND // 2
    width = step(begin, end, _BINS)
    place = times // width
    many = np.concatenate([batch.weights for batch in drops])
    bins, which = np.unique(place, return_inverse=True)
    most = int(np.bincount(which, many).max())
    bars = []
    for number in bins.tolist():
        in_bin = place == number
        about = _about([name for name, _ in cases], case_of[in_bin], many[in_bin])
        base = 0.0
        for kind, code in zip(DROPPED_KINDS, DROPPED, strict=True):
            count = int(many[in_bin][codes[in_bin] == code].sum())
            if count:
                first, last = number * width, (number + 1) * width
                text = f"{clock(first)} to {clock(last)}: {count:,} {KINDS[kind].words}; {about}"
                bars.append(Bar(first, last, 0, kind, count / most, text, base))
                base += count / most
    whole = min(begin, int(bins[0]) * width), max(end, int(bins[-1] + 1) * width)
    note = f"signals dropped in each {duration(width)}"
    if requests:
        few = "" if len(requests) <= _MOST_REQUESTS else f" (the worst {_MOST_REQUESTS} of {len(requests):,})"
        note += f"; above the bars, each dropped request to stop for which a namespace hung{few}"
    marks = requests[:_MOST_REQUESTS]
    return Chart(*whole, whole, ("",), marks=marks, bars=bars, most=most, note=note)


def _about(names: Sequence[str], numbers: npt.NDArray[np.intp], many: npt.NDArray[np.int64]) -> str:
    which, place = np.unique(numbers, return_inverse=True)
    counts = np.bincount(place, many).astype("i8")
    order = np.argsort(-counts, kind="stable")
    words = [f"{names[which[place]]} {counts[place]:,}" for place in order[:_NAMED].tolist()]
    return ", ".join(words) + (f" and {len(which) - _NAMED} more" if len(which) > _NAMED else "")
