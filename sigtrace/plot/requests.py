"""The attempts to stop, in a timeline: what asked and what became of it, the time that it took, and the SIGKILL."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import altair as alt
import numpy as np
import numpy.typing as npt
import pandas as pd

from sigtrace import signals
from sigtrace.events import outcome
from sigtrace.events.outcome import PURPLE, VERMILLION
from sigtrace.plot.axes import domain_of, hint
from sigtrace.plot.text import duration_text, for_people, milliseconds

_WAITS = ("queued", "coalesced")


def asking(events: pd.DataFrame, stops: pd.DataFrame) -> npt.NDArray[np.bool_]:
    """Mark the events from which an attempt to stop is counted: shape (n,)."""
    sent = (events["stage"] == "generate").to_numpy() & events["is_init"].to_numpy(bool)
    keys = set(zip(stops["asked"], stops["signal"].astype(int), strict=True))
    found: npt.NDArray[np.bool_] = sent & events["time"].isin(stops["asked"]).to_numpy()
    for row in np.flatnonzero(found):
        found[row] = (events["time"].iloc[row], int(events["signal"].iloc[row])) in keys
    return found


def bands(events: pd.DataFrame, stops: pd.DataFrame, end: pd.Timestamp, axis: alt.X) -> Iterator[Any]:
    """Yield each attempt as a band with its name at the top, and each SIGKILL as a line. end: of the last event."""
    if not len(stops):
        return
    killed = stops["asked"] + stops["grace"]
    values = [
        {"time": begin, "until": until, "when": when, "lines": list(lines), "stop": "; ".join(lines)}
        for begin, until, when, lines in zip(
            milliseconds(stops["asked"]),
            milliseconds(killed.fillna(stops["exited"]).fillna(end)),
            for_people(stops["asked"]),
            (_lines(events, stop) for stop in stops.itertuples()),
            strict=True,
        )
    ]
    band = alt.Chart(alt.InlineData(values=values)).mark_rect(color=VERMILLION, opacity=0.14, clip=True)
    yield band.encode(x=axis, x2="until:T", tooltip=hint("when", "stop"))
    longest = max(values, key=lambda each: each["until"] - each["time"])
    yield _name(longest, axis)
    kills = killed.mask(stops["signal"] == signals.KILL, stops["asked"]).dropna()
    if len(kills):
        data = pd.DataFrame({"time": milliseconds(kills), "when": for_people(kills), "stop": "SIGKILL"})
        line = alt.Chart(data).mark_rule(color=PURPLE, strokeWidth=2, strokeDash=[6, 3], clip=True)
        yield line.encode(x=axis, tooltip=hint("when", "stop"))


def _name(band: dict[str, Any], axis: alt.X) -> Any:
    """Return the name of a band, on the side of its beginning on which there is room."""
    right = band["time"] > sum(domain_of(axis)) / 2
    label = alt.Chart(alt.InlineData(values=[band])).mark_text(
        align="right" if right else "left",
        baseline="top",
        dx=-5 if right else 5,
        dy=4,
        fontSize=12,
        fontWeight=600,
        lineHeight=14,
        clip=True,
    )
    return label.encode(x=axis, y=alt.value(0), text="lines:N")


def _lines(events: pd.DataFrame, stop: Any) -> tuple[str, ...]:
    """Return what asked and what became of it, and the time that it took, as the report has them."""
    asked = outcome.asked(_fate(events, stop), int(stop.signal))
    if pd.notna(stop.grace):
        return asked, outcome.grace(duration_text(stop.grace), given=True)
    if pd.notna(stop.exited):
        return asked, f"{duration_text(stop.duration)} to exit"
    return (asked,)


def _fate(events: pd.DataFrame, stop: Any) -> str:
    """Return the verdict on the request: of a queued one, on its delivery."""
    if stop.verdict not in _WAITS:
        return str(stop.verdict)
    later = events[events["is_init"] & (events["stage"] == "deliver") & (events["signal"] == stop.signal)]
    later = later[later["time"] >= stop.asked]
    return str(later["verdict"].iloc[0]) if len(later) else str(stop.verdict)
