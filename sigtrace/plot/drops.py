"""Drops over time."""

from __future__ import annotations

import altair as alt
import pandas as pd

from sigtrace.events.outcome import KINDS, OUTCOMES
from sigtrace.frames.source import Source, columns_of, nice_bin
from sigtrace.frames.time import DROPS, df_verdicts
from sigtrace.plot.axes import colour, count_axis, hint, stacked, time_axis, zoom
from sigtrace.plot.style import Picture, nothing, picture
from sigtrace.plot.text import duration_text, for_people, milliseconds
from sigtrace.units import number

_ORDER = ("dropped", "late", "handled", "acted", "sent", "other")
"""Kinds of signals from the bottom up."""


def drops_over_time(
    source: Source, every: str | pd.Timedelta | None = None, *, everything: bool = False
) -> Picture:
    """Plot the number of signals that the kernel dropped for namespace inits over time, stacked by verdict.

    source: a recording or its event table; every: the width of a bar (`"10s"`), by default a round one that gives at
    most 120 bars. everything: plot the outcomes of all signals; one that is queued and then handled counts twice.
    """
    title = "What became of signals" if everything else "Signals dropped for namespace inits"
    events = columns_of(source, ["time", "stage", "verdict", "thinned"])
    events = events[events["stage"].isin(["generate", "deliver"])]
    shown = events if everything else events[events["verdict"].isin(DROPS)]
    if not len(shown):
        return nothing(title, f"none among {number(len(events), 'signal event')}")
    width = nice_bin(events["time"]) if every is None else pd.Timedelta(every)
    counts = df_verdicts(shown, width)
    words = {name: KINDS[each.kind].words for name, each in OUTCOMES.items()}
    colours = {KINDS[each].words: KINDS[each].colour for each in _ORDER}
    bars = counts.assign(kind=counts["verdict"].astype(str).map(words))
    bars = stacked(bars.groupby(["time", "kind"])["count"].sum().reset_index(), "time", "kind", list(colours))
    data = bars.assign(
        time=milliseconds(bars["time"]),
        until=milliseconds(bars["time"] + width),
        when=for_people(bars["time"]),
    )
    ends = pd.concat([events["time"], bars["time"], bars["time"] + width])
    kinds = [kind for kind in colours if kind in set(bars["kind"])]
    chart = (
        alt.Chart(data)
        .mark_rect(clip=True)
        .encode(
            x=time_axis(ends, padding=4),
            x2="until:T",
            y=count_axis(f"signals per {duration_text(width)}", int(bars["high"].max())),
            y2="low:Q",
            color=colour("kind", {kind: colours[kind] for kind in kinds}),
            tooltip=hint("when", "kind", "count"),
        )
    )
    text = f"{number(int(bars['count'].sum()), 'signal')} in bins of {duration_text(width)}"
    return picture([chart.add_params(zoom())], title, [text], height=220)
