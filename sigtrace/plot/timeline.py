"""The timeline of one PID namespace: signals with their senders and outcomes, the grace period, the kill."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import altair as alt
import pandas as pd

from sigtrace.errors import BadInput
from sigtrace.events.outcome import DROPPED_KINDS, GREY, KINDS, VERMILLION
from sigtrace.frames.source import Source, columns_of, weights
from sigtrace.frames.stops import df_stops
from sigtrace.frames.time import DROPS
from sigtrace.moments import Time, nanoseconds
from sigtrace.plot.axes import colour, domain_of, hint, time_axis, zoom
from sigtrace.plot.marks import Marks, marks
from sigtrace.plot.requests import asking, bands
from sigtrace.plot.style import WIDTH, Picture, nothing, picture
from sigtrace.plot.text import duration_text, for_people, milliseconds, shown
from sigtrace.recording.labels import container_labels
from sigtrace.recording.reader import Recording
from sigtrace.units import number

_LANE = 38
"""Pixels between lanes."""
_ABOVE = ""
"""The lane above the first."""
_LABELS = 14
"""The most signals that are labelled."""
_LETTER = 7
"""Pixels of a letter of a label."""
_DRAWN = tuple(KINDS.values())[::-1]
"""The kinds in drawing order: the most important last, on top."""
_SIZES = {
    **{kind.words: 25 if kind.faint else 60 for kind in KINDS.values()},
    **{KINDS["exited"].words: 220, KINDS["dropped"].words: 150, KINDS["late"].words: 150},
}
_ASKED = 420
"""Square pixels of the mark of a request to stop: the largest."""
_DROPPED = tuple(KINDS[name].words for name in DROPPED_KINDS)
_UNUSUAL = tuple(KINDS[name].words for name in ("dropped", "late", "ignored", "kill", "sent", "other"))
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
    since, until: UTC, as text, datetime or ns. The signal that asked to stop has the largest mark, and the time from
    it to the SIGKILL or the exit is shaded. More than 1500 events are counted by kind in bins of time, beside marks for
    requests, SIGKILLs and exits. Wheel and drag zoom and pan.
    Raises BadInput if there are several namespaces.
    """
    events = _events(source, ns, since, until)
    if not len(events):
        return nothing("Signals over time", "no events")
    name, nsid = str(container_labels(events).iloc[0]), int(events["nsid"].iloc[0])
    title = f"Signals over time: {name}" + ("" if name == str(nsid) else f" (PID namespace {nsid})")
    stops = df_stops(events)
    found = marks(events, asking(events, stops))
    axis = time_axis(events["time"])
    strips = [] if found.every is None else [*_strips(found, axis)]
    layers = [*bands(events, stops, events["time"].max(), axis), *strips, *_arrows(found, axis)]
    layers += [*_marks(found, axis), *_labels(found, axis)]
    if not strips:
        layers[0] = layers[0].add_params(zoom())
    return picture(
        layers, title, list(_subtitle(events, found, stops)), height=_LANE * (len(found.order) + 1)
    )


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
    """Return the axis of lanes; above them, one without a name is left for the names of attempts to stop."""
    axis = alt.Axis(
        title=None,
        grid=True,
        tickBand="center",
        domain=False,
        ticks=False,
        labelPadding=8,
        values=found.order,
    )
    domain = [_ABOVE, *found.order]
    return alt.Y("lane:N", sort=domain, scale=alt.Scale(domain=domain, padding=0.1), axis=axis)


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
    if not len(found.marks):
        return
    asks = found.marks["asks"]
    marks = found.marks.assign(
        when=for_people(found.marks["time"]),
        time=milliseconds(found.marks["time"]),
        size=found.marks["outcome"].map(_SIZES).mask(asks, _ASKED),
    )
    present = set(marks["outcome"])
    kinds = [kind for kind in KINDS.values() if kind.words in present]
    names, colours = [kind.words for kind in kinds], [kind.colour for kind in kinds]
    fills = [kind.colour if kind.filled else "transparent" for kind in kinds]
    shapes = alt.Scale(domain=names, range=[kind.glyph for kind in kinds])
    legend = alt.Legend(title=None) if found.every is None else None  # bins have one
    for kind in (kind for kind in _DRAWN if kind.words in present):
        points = alt.Chart(marks[marks["outcome"] == kind.words])
        yield points.mark_point(
            opacity=0.35 if kind.faint else 0.95,
            strokeWidth=1 if kind.faint else 3 if kind.words in _DROPPED else 2,
            clip=True,
        ).encode(
            x=axis,
            y=_y(found),
            size=alt.Size("size:Q", scale=None, legend=None),
            shape=alt.Shape("outcome:N", scale=shapes, legend=legend),
            stroke=alt.Stroke("outcome:N", scale=alt.Scale(domain=names, range=colours), legend=legend),
            fill=alt.Fill("outcome:N", scale=alt.Scale(domain=names, range=fills), legend=legend),
            tooltip=hint("when", "lane", "signal", "what", "who"),
        )


def _strips(found: Marks, axis: alt.X) -> Iterator[Any]:
    """Yield the numbers of each outcome in bins of time, on a strip for each outcome in the lane."""
    marks = found.counts.assign(
        when=for_people(found.counts["time"]),
        time=milliseconds(found.counts["time"]),
        until=milliseconds(found.counts["until"]),
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
    if not len(found.marks):
        return
    marks = found.marks[(found.marks["lane"] == found.init) & (found.marks["signal"] != "")]
    marks = marks[marks["outcome"].isin(_UNUSUAL) | marks["asks"]]
    began, ended = domain_of(axis)
    places = (milliseconds(marks["time"]) - began) / max(ended - began, 1e-6) * WIDTH
    widths = _LETTER * marks["signal"].str.len() + 8
    kept: list[Any] = []
    for row in marks.sort_values(
        "asks", ascending=False, kind="stable"
    ).index:  # the request has the first claim
        apart = all(abs(places[row] - places[each]) >= (widths[row] + widths[each]) / 2 for each in kept)
        if apart and len(kept) < _LABELS:
            kept.append(row)
    for asks, size in ((True, 12), (False, 10)):
        data = marks.loc[[row for row in kept if marks["asks"][row] == asks], ["time", "lane", "signal"]]
        if len(data):
            text = alt.Chart(data.assign(time=milliseconds(data["time"])))
            weight: Literal[600, 400] = 600 if asks else 400
            above = text.mark_text(baseline="bottom", dy=-10, fontSize=size, fontWeight=weight, clip=True)
            yield above.encode(x=axis, y=_y(found), text="signal:N")
