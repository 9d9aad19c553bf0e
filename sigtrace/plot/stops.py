"""The histogram of the durations of stops."""

from __future__ import annotations

import altair as alt
import numpy as np
import pandas as pd

from sigtrace.events.outcome import BLUE, VERMILLION
from sigtrace.frames.source import Source
from sigtrace.frames.stops import df_stops
from sigtrace.plot.axes import colour, count_axis, hint, stacked
from sigtrace.plot.style import Picture, nothing, picture
from sigtrace.plot.text import duration_text
from sigtrace.recording.stop_table import COLUMNS
from sigtrace.units import number

_PER_DECADE = 6
_LEAST, _MOST = 1e-4, 100.0
_TICKS = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1, 10, 60, 600, 3600, 36000, 360000)
_WORDS = {True: "ended by SIGKILL", False: "exited by itself"}
_COLOURS = {"ended by SIGKILL": VERMILLION, "exited by itself": BLUE}
_AXIS = (
    "datum.value >= 3600 ? format(datum.value / 3600, '~g') + ' h' : datum.value >= 60 ? "
    "format(datum.value / 60, '~g') + ' min' : datum.value >= 1 ? format(datum.value, '~g') + ' s' : "
    "datum.value >= 0.001 ? format(datum.value * 1000, '~g') + ' ms' : format(datum.value * 1e6, '~g') + ' us'"
)


def stop_durations(source: Source) -> Picture:
    """Plot a histogram of the times from the stop request to the exit.

    source: a recording, its event table, or the result of `Recording.stops()`. Bars are of equal width on a
    logarithmic axis, six per power of ten.
    """
    title = "How long stops took"
    given = isinstance(source, pd.DataFrame) and set(COLUMNS) <= set(source.columns)
    table = source if given else df_stops(source)
    assert isinstance(table, pd.DataFrame)
    ended = table[table["duration"].notna()]
    unfinished = number(len(table) - len(ended), "request") + " without an exit"
    if not len(ended):
        return nothing(title, f"no stop was recorded; {unfinished}" if len(table) else "no stop was recorded")
    seconds = ended["duration"].dt.total_seconds().clip(lower=1e-6)
    bins = np.floor(np.log10(seconds) * _PER_DECADE + 1e-9).astype(int)
    bars = pd.DataFrame({"bin": bins, "end": ended["killed"].map(_WORDS)})
    bars = stacked(
        bars.groupby(["bin", "end"]).size().reset_index(name="count"), "bin", "end", list(_COLOURS)
    )
    bars["from"], bars["to"] = (10 ** ((bars["bin"] + step) / _PER_DECADE) for step in (0, 1))
    bars["took"] = [_between(low, high) for low, high in zip(bars["from"], bars["to"], strict=True)]
    low, high = min(_LEAST, bars["from"].min()), max(_MOST, bars["to"].max())
    x = alt.X(
        "from:Q",
        scale=alt.Scale(type="log", domain=[low, high], nice=False),
        axis=alt.Axis(
            title="from the request to the exit",
            values=[tick for tick in _TICKS if low <= tick <= high],
            labelExpr=_AXIS,
        ),
    )
    kinds = {kind: _COLOURS[kind] for kind in _COLOURS if kind in set(bars["end"])}
    chart = alt.Chart(bars).mark_rect()
    chart = chart.encode(
        x=x,
        x2="to:Q",
        y=count_axis("stops", int(bars["high"].max())),
        y2="low:Q",
        color=colour("end", kinds),
        tooltip=hint("took", "end", "count"),
    )
    lines = [_summary(ended), *([unfinished] if len(table) > len(ended) else [])]
    return picture([chart], title, lines, height=220)


def _summary(ended: pd.DataFrame) -> str:
    spans = ended["duration"]
    dropped = (
        f"of {int(ended['dropped'].sum()):,} the kernel dropped a request" if ended["dropped"].any() else ""
    )
    if len(spans) == 1:
        one = f"1 stop, of {duration_text(spans.iloc[0])}"
        return f"{one}; the kernel dropped a request" if dropped else one
    shares = {"median": 0.5, "p90": 0.9, "longest": 1.0}
    times = ", ".join(
        f"{name} {duration_text(pd.Timedelta(spans.quantile(share)))}" for name, share in shares.items()
    )
    return f"{number(len(spans), 'stop')}: {times}" + (f"; {dropped}" if dropped else "")


def _between(low: float, high: float) -> str:
    return f"{duration_text(pd.Timedelta(low, 's'))} to {duration_text(pd.Timedelta(high, 's'))}"
