"""The chart of drops over time, of all namespaces together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from sigtrace.events.outcome import KINDS
from sigtrace.events.verdict import DROPPED, is_dropped
from sigtrace.postmortem.case import Case
from sigtrace.report.facts import Bar, Chart
from sigtrace.report.moment import clock, step
from sigtrace.units import SECOND, duration

_BINS = 120
_NAMED = 3
_KINDS = ("dropped", "late")
"""The kinds in `outcome.KINDS` of the two verdicts of `DROPPED`, in the same order."""


def drops_over_time(cases: Sequence[tuple[str, Case]], begin: int, end: int) -> Chart | None:
    """Return a chart of the drops between two times (ns UTC), stacked by kind; None without drops.

    cases: each with its name.
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
        for kind, code in zip(_KINDS, DROPPED, strict=True):
            count = int(many[in_bin][codes[in_bin] == code].sum())
            if count:
                first, last = number * width, (number + 1) * width
                text = f"{clock(first)} to {clock(last)}: {count:,} {KINDS[kind].words}; {about}"
                bars.append(Bar(first, last, 0, kind, count / most, text, base))
                base += count / most
    whole = min(begin, int(bins[0]) * width), max(end, int(bins[-1] + 1) * width)
    return Chart(
        *whole, whole, ("",), bars=bars, most=most, note=f"signals dropped in each {duration(width)}"
    )


def _about(names: Sequence[str], numbers: npt.NDArray[np.intp], many: npt.NDArray[np.int64]) -> str:
    which, place = np.unique(numbers, return_inverse=True)
    counts = np.bincount(place, many).astype("i8")
    order = np.argsort(-counts, kind="stable")
    words = [f"{names[which[place]]} {counts[place]:,}" for place in order[:_NAMED].tolist()]
    return ", ".join(words) + (f" and {len(which) - _NAMED} more" if len(which) > _NAMED else "")
