"""Analyses of signals as pandas: pure functions from a recording, or its event table, to a table.

    import sigtrace
    from sigtrace import frames

    recording = sigtrace.open("/var/tmp/signals")
    frames.df_drops(recording)                               # everything
    frames.df_drops(recording.events(since="2026-11-22"))    # a part of it

Each docstring lists the columns with their dtypes and units. Times are `datetime64[ns, UTC]`, spans `timedelta64[ns]`.
Of a recording, only the columns that the result needs are read.
"""

from sigtrace.frames.latency import df_kill_latency
from sigtrace.frames.namespaces import df_namespaces
from sigtrace.frames.senders import df_matrix, df_senders
from sigtrace.frames.source import nice_bin
from sigtrace.frames.startup import df_startup
from sigtrace.frames.stops import df_stop_durations, df_stops
from sigtrace.frames.time import df_drops, df_verdicts
from sigtrace.recording.labels import container_labels

__all__ = [
    "container_labels",
    "df_drops",
    "df_kill_latency",
    "df_matrix",
    "df_namespaces",
    "df_senders",
    "df_startup",
    "df_stop_durations",
    "df_stops",
    "df_verdicts",
    "nice_bin",
]
