"""Axes and tooltips that charts share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt
import pandas as pd

from sigtrace.frames.source import nice_bin
from sigtrace.plot.text import milliseconds

_TICKS = 7
"""The approximate number of labels on a time axis."""

_TITLES = {
    "when": "time (UTC)",
    "lane": "who",
    "what": "became",
    "who": "sent by",
    "signal_name": "signal",
    "container": "namespace",
    "sender_label": "sender",
}


def time_axis(times: pd.Series, field: str = "time", padding: int = 30) -> alt.X:
    """Return a time axis in UTC from the first to the last of these times, with the date in its title.

    field: the column with the times in ms. On an axis of a few milliseconds or less, labels count microseconds from
    the first time.
    """
    first, last = times.min(), times.max()
    last = max(last, first + pd.Timedelta(1, "us"))
    step = nice_bin(pd.Series([first, last]), _TICKS + 2)
    days = f"{first:%Y-%m-%d}" if first.date() == last.date() else f"{first:%Y-%m-%d} to {last:%Y-%m-%d}"
    look: dict[str, Any] = {"title": f"time (UTC), {days}", "tickCount": _TICKS, "labelSeparation": 14}
    ends = milliseconds(pd.Series([first, last]))
    scale: dict[str, Any] = {"nice": False, "padding": padding, "domain": ends.tolist()}
    if step < pd.Timedelta(1, "s"):  # Vega's axes of time draw one tick a second at most
        look |= _short_ticks(first, last, step)
        kind, scale = "Q", {**scale, "type": "linear", "zero": False}
    else:
        pattern = "%H:%M:%S" if step < pd.Timedelta(2, "h") else "%m-%d %H:%M"
        kind, scale, look = "T", {**scale, "type": "utc"}, {**look, "format": pattern}
    axis = alt.Axis(**look, labelOverlap="greedy")
    return alt.X(f"{field}:{kind}", axis=axis, scale=alt.Scale(**scale))


def domain_of(axis: alt.X) -> tuple[float, float]:
    """Return the times at the ends of an axis of `time_axis`, in ms since 1970."""
    spec: Any = axis.to_dict()
    first, last = spec["scale"]["domain"]
    return float(first), float(last)


def _short_ticks(first: pd.Timestamp, last: pd.Timestamp, step: pd.Timedelta) -> dict[str, Any]:
    """Return the labels of ticks on an axis of milliseconds since 1970."""
    if step >= pd.Timedelta(1, "ms"):
        return {"labelExpr": "utcFormat(datum.value, '%H:%M:%S.%L')"}
    ticks = milliseconds(pd.Series(pd.date_range(first, last, freq=step)))
    since = f"format(round((datum.value - {float(ticks[0])}) * 1000), ',') + ' us'"
    title = f"microseconds from {first:%H:%M:%S.%f} UTC, {first:%Y-%m-%d}"
    return {"title": title, "values": ticks.tolist(), "labelExpr": since}


def stacked(table: pd.DataFrame, place: str, kind: str, kinds: Sequence[str]) -> pd.DataFrame:
    """Stack bars: add the columns `low` and `high` for the `count` of each kind at each `place`.

    kinds: their order from the bottom.
    """
    ranked = table.assign(_rank=table[kind].map({name: rank for rank, name in enumerate(kinds)}))
    ranked = ranked.sort_values([place, "_rank"], kind="stable", ignore_index=True)
    high = ranked.groupby(place)["count"].cumsum()
    return ranked.drop(columns="_rank").assign(low=high - ranked["count"], high=high)


def count_axis(title: str, most: int, field: str = "high") -> alt.Y:
    """Return an axis of integers from 0 to `most`."""
    few = list(range(most + 1)) if most <= 6 else None
    axis = alt.Axis(title=title, format="~s", **({"values": few} if few else {"tickCount": 6}))
    return alt.Y(f"{field}:Q", axis=axis, scale=alt.Scale(domain=[0, most], nice=most > 6))


def colour(field: str, colours: Mapping[str, str]) -> alt.Color:
    """Return the colours of these names, and a legend without a title."""
    scale = alt.Scale(domain=list(colours), range=list(colours.values()))
    return alt.Color(f"{field}:N", scale=scale, legend=alt.Legend(title=None))


def zoom() -> Any:
    """Return the parameter by which wheel and drag zoom and pan the horizontal axis."""
    return alt.selection_interval(bind="scales", encodings=["x"], name="zoom")


def hint(*names: str) -> list[alt.Tooltip]:
    """Return tooltips with these fields."""
    return [
        alt.Tooltip(name, type="quantitative", title=_TITLES.get(name, name), format=",")
        if name in ("count", "dropped", "sent")
        else alt.Tooltip(name, type="nominal", title=_TITLES.get(name, name))
        for name in names
    ]
