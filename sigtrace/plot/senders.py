"""The matrix of senders and namespaces."""

from __future__ import annotations

import altair as alt
import pandas as pd

from sigtrace.events.outcome import BLUE, VERMILLION
from sigtrace.frames.senders import df_senders
from sigtrace.frames.source import Source
from sigtrace.plot.axes import colour, hint
from sigtrace.plot.style import Picture, nothing, picture
from sigtrace.plot.text import brief, shown
from sigtrace.units import number

_MOST = 20
"""The most rows and columns; all others share one."""
_CELL, _WIDE, _HIGH = 46, 720, 26


def senders(source: Source) -> Picture:
    """Plot the number of signals from each sender to each namespace; cells with dropped signals are red.

    source: a recording, its event table, or the result of `frames.df_senders`. The 20 senders and 20 namespaces with
    the most signals have their own row and column.
    """
    title = "Who sends signals to whom"
    known = isinstance(source, pd.DataFrame) and {"sender", "container", "dropped"} <= set(source.columns)
    table = source if known else df_senders(source)
    assert isinstance(table, pd.DataFrame)
    if not len(table):
        return nothing(title, "no signals")
    cells = table[["sender", "container", "count", "dropped"]].assign(
        sender=_named(table, "sender", "other senders"),
        container=_named(table, "container", "other namespaces"),
    )
    cells = cells.groupby(["sender", "container"])[["count", "dropped"]].sum().reset_index()
    cells["drops"] = (cells["dropped"] > 0).map({True: "some dropped", False: "none dropped"})
    cells["text"] = cells["count"].map(brief)
    rows, columns = (_order(cells, name) for name in ("sender", "container"))
    step = max(_CELL, min(110, _WIDE // len(columns)))
    head = alt.Axis(orient="top", labelAngle=-40 if step < 100 else 0, title="to", domain=False, ticks=False)
    base = alt.Chart(cells).encode(
        x=alt.X("container:N", sort=columns, axis=head),
        y=alt.Y("sender:N", sort=rows, axis=alt.Axis(title="from", domain=False, ticks=False)),
        tooltip=hint("sender", "container", "count", "dropped"),
    )
    most = max(int(cells["count"].max()), 2)
    colours = {"some dropped": VERMILLION, "none dropped": BLUE}
    kinds = {kind: colours[kind] for kind in colours if kind in set(cells["drops"])}
    fill = alt.Scale(type="log", domain=[1, most], range=[0.12, 0.6])
    boxes = base.mark_rect(cornerRadius=2).encode(
        opacity=alt.Opacity("count:Q", scale=fill, legend=None), color=colour("drops", kinds)
    )
    texts = base.mark_text(fontSize=11).encode(text="text:N")
    total, dropped = int(cells["count"].sum()), int(cells["dropped"].sum())
    lines = [
        f"{number(total, 'signal')} sent, {dropped:,} dropped by the kernel; the number is how many were sent"
    ]
    return picture(
        [boxes, texts], title, lines, width=step * len(columns), height=max(_HIGH * len(rows), _HIGH * 2)
    )


def _named(table: pd.DataFrame, column: str, rest: str) -> pd.Series:
    """Return the names that have their own row or column; the others become `rest`."""
    names = table[column].astype(str)
    sums = table.groupby(names)["count"].sum().sort_values(ascending=False, kind="stable")
    own = set(sums.index[:_MOST] if len(sums) > _MOST + 1 else sums.index)
    words = {name: shown(name, 24) if name in own else rest for name in sums.index}
    return names.map(words).astype(object)


def _order(cells: pd.DataFrame, column: str) -> list[str]:
    """Return the names with the most signals first, the rest last."""
    sums = cells.groupby(column)["count"].sum().sort_values(ascending=False, kind="stable")
    return sorted(map(str, sums.index), key=lambda name: name.startswith("other "))
