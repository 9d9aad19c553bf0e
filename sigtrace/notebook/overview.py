"""An overview of a recording as HTML: hosts, time, namespaces, drops, losses."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from sigtrace.clock import TICK_NS
from sigtrace.events.losses import Losses, missing
from sigtrace.frames.time import DROPS
from sigtrace.notebook.table import table, text
from sigtrace.recording.labels import container_labels
from sigtrace.units import duration, number

if TYPE_CHECKING:
    from sigtrace.recording.reader import Recording

_MOST = 10
"""The most lines of a table."""


def overview(recording: Recording) -> str:
    """Return the overview that a notebook shows. Numbers are the kernel's exact counts if the recording has them."""
    counts, namespaces = recording.counts(), recording.namespaces()
    counts = counts if len(counts) else _from_events(recording)
    parts = [
        f"<b>Recording</b> of {text(', '.join(recording.hosts()) or 'an unknown host')}{_live(recording)}"
    ]
    parts += [text(line, 200) for line in _facts(recording, counts, namespaces)]
    drops = counts[counts["verdict"].isin(DROPS)]
    if len(drops):
        parts.append(_drops(drops, namespaces))
    parts += [f"⚠ {text(problem, 300)}" for problem in [*_losses(recording.losses), *recording.problems]]
    return f"<div>{'<br>'.join(parts)}</div>"


def _from_events(recording: Recording) -> pd.DataFrame:
    """Return the events as counts of one each, for a recording whose counts were not written."""
    events = recording.events(
        columns=["time", "host", "nsid", "target_start", "stage", "signal_name", "verdict"]
    )
    return events.rename(columns={"target_start": "ns_start", "time": "last"}).assign(count=1)


def _live(recording: Recording) -> str:
    return " (being written)" if recording.live else ""


def _facts(recording: Recording, counts: pd.DataFrame, namespaces: pd.DataFrame) -> Iterator[str]:
    span = _span(recording, counts)
    if span:
        began, ended = span
        lasted = duration(round((ended - began).value, -9))
        yield f"{began:%Y-%m-%d %H:%M:%S} to {ended:%Y-%m-%d %H:%M:%S} UTC, {lasted}"
    named = namespaces.loc[namespaces["container_id"] != "", "container_id"].nunique()
    containers = f", {number(named, 'container')}" if named else ""
    seen = int(counts.loc[counts["stage"] == "generate", "count"].sum())
    dropped = int(counts.loc[counts["verdict"].isin(DROPS), "count"].sum())
    yield f"{number(len(namespaces), 'PID namespace')}{containers}; {number(seen, 'signal')} seen, {dropped:,} dropped"


def _span(recording: Recording, counts: pd.DataFrame) -> tuple[pd.Timestamp, pd.Timestamp] | None:
    """Return the beginning and the end of the recording, from its manifests and counts; None if they have neither."""
    segments = [each for manifest in recording.manifests for each in manifest["segments"].values()]
    moments = [moment for each in segments for moment in (each["began"], each["ended"]) if moment]
    moments += counts["last"].astype("int64").tolist()
    if not moments:
        return None
    began, ended = np.min(moments), np.max(moments)
    return pd.Timestamp(int(began), tz="UTC"), pd.Timestamp(int(ended), tz="UTC")


def _drops(drops: pd.DataFrame, namespaces: pd.DataFrame) -> str:
    """Return the table of the namespaces with the most drops."""
    place = ["host", "nsid", "tick"]
    kinds = drops.assign(host=drops["host"].astype(str), tick=drops["ns_start"] // TICK_NS)
    sums = kinds.groupby([*place, "signal_name"], observed=True)["count"].sum().reset_index()
    known = namespaces.assign(
        container=container_labels(namespaces).astype(str),
        init_comm=namespaces["init_comm"].astype(str),
        host=namespaces["host"].astype(str),
        tick=namespaces["ns_start"] // TICK_NS,
    ).drop_duplicates(place)
    rows = sums.astype({"signal_name": str}).merge(
        known[[*place, "container", "init_comm"]], on=place, how="left"
    )
    rows = rows.sort_values("count", ascending=False, kind="stable")
    rows["container"] = rows["container"].fillna(rows["nsid"].astype(str))
    names = ["host", "container", "init_comm", "signal_name", "count"]
    shown = (
        rows[names].fillna("").head(_MOST).assign(count=[f"{count:,}" for count in rows["count"].head(_MOST)])
    )
    more = f"<br>and {len(rows) - _MOST:,} more" if len(rows) > _MOST else ""
    return table(["host", "namespace", "init", "signal", "dropped"], shown.itertuples(index=False)) + more


def _losses(losses: Losses) -> Iterator[str]:
    return iter(()) if losses.nothing else missing(losses)
