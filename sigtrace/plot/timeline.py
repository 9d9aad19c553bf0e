"""The timeline of one PID namespace: signals with their senders and outcomes, the grace period, the kill."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import altair as alt
import pandas as pd

from sigtrace import signals
from sigtrace.errors import BadInput
from sigtrace.events.outcome import DROPPED_KINDS, GREY, KINDS, PURPLE, VERMILLION
from sigtrace.frames.source import Source, columns_of, weights
from sigtrace.frames.stops import df_stops
from sigtrace.frames.time import DROPS
from sigtrace.moments import Time, nanoseconds
from sigtrace.plot.axes import colour, hint, time_axis, zoom
from sigtrace.plot.marks import Marks, marks
from sigtrace.plot.style import WIDTH, Picture, nothing, picture
from sigtrace.plot.text import duration_text, for_people, milliseconds, shown
from sigtrace.recording.labels import container_labels
from sigtrace.recording.reader import Recording
from sigtrace.units import number

_LANE = 38
"""Pixels between lanes."""
_LABELS = 14
"""The most signals that are labelled."""
_LETTER = 7
"""Pixels of a letter of a label."""
_DRAWN = tuple(KINDS.values())[::-1]
"""The kinds in drawing order: the most important last, on top."""
_SIZES = {KINDS["exited"].words: 220, KINDS["dropped"].words: 150, KINDS["late"].words: 150}
_DROPPED = tuple(KINDS[name].words for name in DROPPED_KINDS)
_UNUSUAL = tuple(KINDS[name].words for name in ("dropped", "late", "kill", "sent", "other"))
"""The kinds whose signals are labelled."""
_COLUMNS = (
    *("time", "stage", "signal", "signal_name", "verdict", "relation", "host", "nsid", "is_init", "result"),
    *("target_pid", "target_tid", "target_comm", "target_start", "sender_pid", "sender_comm", "thinned"),
    *(
        "sender_parent_pid",
        "sender_parent_comm",
        "disposition",
        "unkillable",
        "blocked",
        "exiting",
        "kthread",
    ),
    *("code", "origin", "context_pid", "context_comm"),
    *("exit_code", "exit_signal"),
    *("container_id", "container_name", "runtime", "image", "pod", "pod_namespace"),
)


def timeline(
    source: Source, ns: int | None = None, *, since: Time | None = None, until: Time | None = None
) -> Picture:
    """Plot one namespace's signals over time, on lanes for senders, the init and the other members.

    source: a recording or its event table; ns: the namespace's inode, which may be omitted if there is only one.
    since, until: UTC, as text, datetime or ns. A dropped signal is a cross; the time from the request to the SIGKILL
    or the exit is shaded. More than 1500 events are counted by kind in bins of time. Wheel and drag zoom and pan.
    Raises BadInput if there are several namespaces.
    """
    events = _events(source, ns, since, until)
    if not len(events):
        return nothing("Signals over time", "no events")
    name, nsid = str(container_labels(events).iloc[0]), int(events["nsid"].iloc[0])
    title = f"Signals over time: {name}" + ("" if name == str(nsid) else f" (PID namespace {nsid})")
    found, stops = marks(events), df_stops(events)
    axis = time_axis(events["time"])
    what = _strips(found, axis) if found.every is not None else [*_arrows(found, axis), *_marks(found, axis)]
    layers = [*_stops(stops, found, events["time"].max(), axis), *what, *_labels(found, axis)]
    return picture(layers, title, list(_subtitle(events, found, stops)), height=_LANE * len(found.order))


def _events(source: Source, ns: int | None, since: Time | None, until: Time | None) -> pd.DataFrame:
    if isinstance(source, Recording):
        events = source.events(ns=() if ns is None else ns, since=since, until=until, columns=_COLUMNS)
    else:
        events = columns_of(source, _COLUMNS)
        events = events if ns is None else events[events["nsid"] == ns]
        if since is not None:
            events = events[events["time"] >= pd.Timestamp(nanoseconds(since), tz="UTC")]
        if until is not None:
            events = events[events["time"] < pd.Timestamp(nanoseconds(until), tz="UTC")]
    spaces = events[["host", "nsid"]].drop_duplicates()
    if len(spaces) > 1:
        some = ", ".join(str(inode) for inode in spaces["nsid"].drop_duplicates().head(8))
        raise BadInput(
            f"a timeline shows one PID namespace, and there are {len(spaces)}: give ns, one of {some}."
        )
    return events


def _subtitle(events: pd.DataFrame, found: Marks, stops: pd.DataFrame) -> Iterator[str]:
    many = weights(events)
    dropped = int(many[events["verdict"].isin(DROPS)].sum())
    text = f"{number(int(many.sum()), 'event')}, {dropped:,} dropped by the kernel"
    if found.every is not None:
        text += f"; counted in bins of {duration_text(found.every)}: the fuller the colour, the more"
    yield text
    for stop in stops.tail(1).itertuples(index=False):
        last = "last asked" if len(stops) > 1 else "asked"
        yield f"{last} to stop by {shown(stop.asked_by, 20) or 'the kernel'} with {stop.signal_name}: {_outcome(stop)}"


def _outcome(stop: Any) -> str:
    dropped = "dropped; " if stop.verdict in DROPS else ""
    if pd.isna(stop.exited):
        return f"{dropped}no exit was recorded"
    return f"{dropped}{'killed by SIGKILL' if stop.killed else 'exited'} {duration_text(stop.duration)} later"


def _y(found: Marks) -> alt.Y:
    axis = alt.Axis(title=None, grid=True, tickBand="center", domain=False, ticks=False, labelPadding=8)
    return alt.Y("lane:N", sort=found.order, scale=alt.Scale(domain=found.order, padding=0.1), axis=axis)


def _stops(stops: pd.DataFrame, found: Marks, end: pd.Timestamp, axis: alt.X) -> Iterator[Any]:
    """Yield grace periods as bands and kills as lines."""
    if not len(stops):
        return
    killed = stops["asked"] + stops["grace"]
    bands = alt.InlineData(
        values=[
            {"time": begin, "until": until, "when": when, "stop": _band(stop)}
            for begin, until, when, stop in zip(
                milliseconds(stops["asked"]),
                milliseconds(killed.fillna(stops["exited"]).fillna(end)),
                for_people(stops["asked"]),
                stops.itertuples(),
                strict=True,
            )
        ]
    )
    band = alt.Chart(bands).mark_rect(color=VERMILLION, opacity=0.14, clip=True)
    yield band.encode(x=axis, x2="until:T", tooltip=hint("when", "stop"))
    if found.every is None:
        label = alt.Chart(bands).mark_text(align="left", baseline="top", dx=4, dy=4, fontSize=11, clip=True)
        yield label.encode(x=axis, y=alt.value(0), text="stop:N")
    kills = killed.mask(stops["signal"] == signals.KILL, stops["asked"]).dropna()
    if len(kills):
        data = pd.DataFrame({"time": milliseconds(kills), "when": for_people(kills), "stop": "SIGKILL"})
        line = alt.Chart(data).mark_rule(color=PURPLE, strokeWidth=2, strokeDash=[6, 3], clip=True)
        yield line.encode(x=axis, tooltip=hint("when", "stop"))


def _band(stop: Any) -> str:
    if pd.notna(stop.grace):
        return f"grace period: {duration_text(stop.grace)}"
    return (
        f"asked to stop; exited after {duration_text(stop.duration)}"
        if pd.notna(stop.exited)
        else "asked to stop"
    )


def _arrows(found: Marks, axis: alt.X) -> Iterator[Any]:
    """Yield arrows from each sender to its target."""
    if not len(found.arrows):
        return
    colour = alt.condition(
        alt.FieldOneOfPredicate("outcome", oneOf=list(_DROPPED)), alt.value(VERMILLION), alt.value(GREY)
    )
    base = alt.Chart(found.arrows.assign(time=milliseconds(found.arrows["time"])))
    lines = base.mark_rule(opacity=0.6, strokeWidth=1, clip=True)
    yield lines.encode(x=axis, y=_y(found), y2="to:N", color=colour)
    yield base.mark_point(filled=True, size=18, clip=True).encode(x=axis, y=_y(found), color=colour)


def _marks(found: Marks, axis: alt.X) -> Iterator[Any]:
    """Yield a mark for each event, the most important on top."""
    marks = found.marks.assign(
        when=for_people(found.marks["time"]),
        time=milliseconds(found.marks["time"]),
        size=found.marks["outcome"].map(_SIZES).fillna(60),
    )
    present = set(marks["outcome"])
    glyphs = {kind.words: kind.glyph for kind in KINDS.values() if kind.words in present}
    shapes = alt.Scale(domain=list(glyphs), range=list(glyphs.values()))
    for place, kind in enumerate(kind for kind in _DRAWN if kind.words in present):
        points = alt.Chart(marks[marks["outcome"] == kind.words])
        chart = points.mark_point(
            filled=kind.filled, opacity=0.95, strokeWidth=3 if kind.words in _DROPPED else 2, clip=True
        ).encode(
            x=axis,
            y=_y(found),
            size=alt.Size("size:Q", scale=None, legend=None),
            shape=alt.Shape("outcome:N", scale=shapes, legend=alt.Legend(title=None)),
            color=colour("outcome", _colours(marks)),
            tooltip=hint("when", "lane", "signal", "what", "who"),
        )
        yield chart if place else chart.add_params(zoom())


def _strips(found: Marks, axis: alt.X) -> Iterator[Any]:
    """Yield the numbers of each outcome in bins of time, on a strip for each outcome in the lane."""
    marks = found.marks.assign(
        when=for_people(found.marks["time"]),
        time=milliseconds(found.marks["time"]),
        until=milliseconds(found.marks["until"]),
    )
    most = max(int(marks["count"].max()), 2)
    order = [kind.words for kind in KINDS.values() if kind.words in set(marks["outcome"])]
    strips = (
        alt.Chart(marks)
        .mark_rect(clip=True)
        .encode(
            x=axis,
            x2="until:T",
            y=_y(found),
            yOffset=alt.YOffset("outcome:N", sort=order, scale=alt.Scale(domain=order)),
            color=colour("outcome", _colours(marks)),
            opacity=alt.Opacity(
                "count:Q", scale=alt.Scale(type="log", domain=[1, most], range=[0.3, 1]), legend=None
            ),
            tooltip=hint("when", "lane", "outcome", "count"),
        )
    )
    yield strips.add_params(zoom())


def _colours(marks: pd.DataFrame) -> dict[str, str]:
    """Return the colours of the outcomes that occur."""
    present = set(marks["outcome"])
    return {kind.words: kind.colour for kind in KINDS.values() if kind.words in present}


def _labels(found: Marks, axis: alt.X) -> Iterator[Any]:
    """Yield labels with the names of signals to the init, as far as there is room for them."""
    if found.every is not None:
        return
    marks = found.marks[(found.marks["lane"] == found.init) & (found.marks["signal"] != "")]
    marks = marks[marks["outcome"].isin(_UNUSUAL)]
    began, ended = found.marks["time"].min(), found.marks["time"].max()
    share = (marks["time"] - began) / max(ended - began, pd.Timedelta(1, "ns"))
    kept: list[Any] = []
    free = float("-inf")
    for row, place, signal in zip(marks.index, share * WIDTH, marks["signal"], strict=True):
        if place >= free and len(kept) < _LABELS:
            kept.append(row)
            free = place + _LETTER * len(signal) + 8
    if kept:
        data = marks.loc[kept, ["time", "lane", "signal"]]
        text = alt.Chart(data.assign(time=milliseconds(data["time"])))
        labels = text.mark_text(align="center", baseline="bottom", dy=-9, fontSize=10, clip=True)
        yield labels.encode(x=axis, y=_y(found), text="signal:N")
