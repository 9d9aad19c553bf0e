"""Signals counted in bins of time."""

from __future__ import annotations

import pandas as pd

from sigtrace.events.verdict import DROPPED, VERDICTS
from sigtrace.frames.source import Source, columns_of, counted, floored
from sigtrace.recording.labels import PLACE, container_labels

DROPS = tuple(VERDICTS[code] for code in DROPPED)
_SENT = ("generate", "deliver")


def df_drops(source: Source, every: str | pd.Timedelta | None = None) -> pd.DataFrame:
    """Count the signals dropped for namespace inits by namespace and signal over time.

    source: a recording or its event table; every: the width of a bin (`"10s"`), by default a round one that gives at
    most 120 bins. Only bins with drops have rows. `Recording.counts()` includes drops whose records were lost.

    time         datetime64[ns, UTC]  the beginning of the bin
    host         category             host name
    nsid         uint32               inode of the PID namespace
    container    category             its container's name, else the inode as text
    signal_name  category             SIGTERM
    verdict      category             dropped_at_generate or dropped_at_deliver
    count        int64                signals
    """
    events = columns_of(source, ["time", "signal_name", "verdict", "thinned", *PLACE])
    drops = events[events["verdict"].isin(DROPS)]
    placed = drops[["host", "nsid", "signal_name", "verdict", "thinned"]].assign(
        time=floored(drops["time"], every), container=container_labels(drops)
    )
    return counted(placed, ["time", "host", "nsid", "container", "signal_name", "verdict"])


def df_verdicts(source: Source, every: str | pd.Timedelta | None = None) -> pd.DataFrame:
    """Count signals by verdict over time; arguments as for `df_drops`. Only bins with signals have rows.

    A signal that is queued and later handled counts twice: at generation and at delivery.

    time     datetime64[ns, UTC]  the beginning of the bin
    stage    category             generate or deliver
    verdict  category             see docs/events.md
    count    int64                signals
    """
    events = columns_of(source, ["time", "stage", "verdict", "thinned"])
    sent = events[events["stage"].isin(_SENT)]
    placed = sent[["stage", "verdict", "thinned"]].assign(time=floored(sent["time"], every))
    return counted(placed, ["time", "stage", "verdict"])
