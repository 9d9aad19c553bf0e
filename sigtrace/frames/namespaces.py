"""PID namespaces with the number of signals dropped for their inits."""

from __future__ import annotations

from typing import Any

import pandas as pd

from sigtrace.clock import TICK_NS
from sigtrace.frames.time import DROPS
from sigtrace.recording.labels import container_labels
from sigtrace.recording.reader import Recording

_KEYS = ["host", "nsid", "ns_start"]


def df_namespaces(recording: Recording) -> pd.DataFrame:
    """Return the namespaces of a recording with their drops, the most first.

    The columns are those of `Recording.namespaces()` (docs/library.md), and

    container  category  its container's name, else the inode as text
    dropped    int64     signals dropped for its init: the kernel's exact count, or the number of events if greater
    """
    table = recording.namespaces()
    counts = recording.counts()
    counts = counts[counts["verdict"].isin(DROPS)]
    events = recording.events(columns=["host", "nsid", "target_start", "is_init", "verdict"])
    events = events[events["verdict"].isin(DROPS)]
    events = events.assign(ns_start=events["target_start"], count=1)
    exact, seen = _sums(counts), _sums(events)
    starts = table["ns_start"] // TICK_NS
    keys = list(zip(table["host"].astype(str), table["nsid"], starts, strict=True))
    dropped = [max(exact.get(key, 0), seen.get(key, 0)) for key in keys]
    table = table.assign(
        container=container_labels(table), dropped=pd.Series(dropped, table.index, dtype="int64")
    )
    return table.sort_values("dropped", ascending=False, kind="stable", ignore_index=True)


def _sums(table: pd.DataFrame) -> dict[tuple[str, int, int], int]:
    """Return sums by host, inode and start of the init in clock ticks, the resolution of /proc."""
    ticks = table.assign(host=table["host"].astype(str), ns_start=table["ns_start"] // TICK_NS)
    sums: dict[Any, Any] = ticks.groupby(_KEYS)["count"].sum().to_dict()
    return {(host, int(nsid), int(tick)): int(count) for (host, nsid, tick), count in sums.items()}
