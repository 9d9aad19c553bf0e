"""Stops: a row per attempt to stop an init, and statistics of their durations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

import numpy as np
import pandas as pd

from sigtrace.errors import BadInput
from sigtrace.events import wire
from sigtrace.events.batch import Batch
from sigtrace.events.container import COLUMNS as CONTAINER
from sigtrace.events.container import Container
from sigtrace.events.origin import CODE as ORIGIN
from sigtrace.events.origin import restore
from sigtrace.events.residents import Residents
from sigtrace.frames.source import Source, columns_of, trimmed
from sigtrace.recording.labels import PLACE
from sigtrace.recording.reader import Recording
from sigtrace.recording.schema import kernel_bytes
from sigtrace.recording.stop_table import COLUMNS, stop_table
from sigtrace.stops.request import POSSIBLE

_FACTS = (
    *("stage", "signal", "result", "disposition", "unkillable", "blocked", "exiting", "kthread"),
    *("relation", "nsid"),
    *("target_pid", "target_comm", "target_start", "sender_pid", "sender_comm"),
    *("sender_parent_pid", "sender_parent_comm", "code", "origin", "context_pid", "context_comm"),
    *("exit_code", "exit_signal"),
)
_QUANTILES = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "longest": 1.0}


def df_stops(source: Source) -> pd.DataFrame:
    """Return the attempts to stop an init: a row per attempt, in the order of time, as `Recording.stops()` does.

    `sigtrace.stops.attempt` defines an attempt. An init that is asked again more than ten minutes later has two rows.
    source: a recording or its event table. Spans of a table are differences of wall time, those of a recording of the
    kernel's clock, which does not step. A table lacks the configured stop signals of containers: a signal with another
    meaning is then a request only if SIGKILL follows it.

    host             category             host name
    nsid             uint32               inode of the PID namespace
    ns_start         uint64               start of its init, ns of CLOCK_BOOTTIME: tells reused inodes apart
    container        category             its container's name, else the inode as text
    init_pid         int32                the init, as the host numbers it
    init_comm        category             its name
    asked            datetime64[ns, UTC]  the signal that asked it to end; of several, the one SIGKILL followed up
    signal           int8                 which; 9 if it was SIGKILL right away
    signal_name      category             SIGTERM
    asked_by         category             comm of its sender; empty: the kernel
    asked_by_parent  category             comm of the sender's parent
    verdict          category             what became of that signal as it was sent: dropped_at_generate, queued
    requests         int64                how many signals asked it to end, SIGKILL included
    dropped          bool                 the kernel dropped one of them
    grace            timedelta64[ns]      from asked to the SIGKILL that it obeyed; NaT: without one, or if it was
                                          the kernel's
    killed           bool                 SIGKILL ended it, or will: it obeyed one
    exited           datetime64[ns, UTC]  when it exited; NaT: it has not, as far as was recorded
    duration         timedelta64[ns]      from asked to exited; NaT: it has not exited
    exit_code        Int32                what it passed to exit(2); <NA>: it has not exited
    exit_signal      Int32                the signal that ended it, or 0
    container_id, container_name, runtime, image, pod, pod_namespace
                     category             its container; empty if not known
    """
    if isinstance(source, Recording):
        return source.stops()
    events = columns_of(source, ["time", "is_init", *_FACTS, *PLACE])
    inits = events[events["is_init"] & events["signal"].isin((0, *POSSIBLE))]
    return stop_table((str(host), _batch(part)) for host, part in inits.groupby("host", observed=True))


def df_stop_durations(source: Source, by: str | Sequence[str] = "container") -> pd.DataFrame:
    """Return statistics of the durations of stops by container (or image, host, ...: `by`), the slowest first.

    source: the result of `df_stops` or `Recording.stops()`, a recording, or its event table.

    (by)                     as in df_stops   one or several of its columns
    stops                    int64            attempts that ended with the init's exit
    unfinished               int64            attempts without an exit
    dropped                  int64            attempts in which the kernel dropped a request
    killed                   int64            attempts that SIGKILL ended
    p50, p90, p99, longest   timedelta64[ns]  from asked to the exit
    """
    keys = [by] if isinstance(by, str) else list(by)
    given = isinstance(source, pd.DataFrame) and set(COLUMNS) <= set(source.columns)
    table = source if given else df_stops(source)
    assert isinstance(table, pd.DataFrame)
    if unknown := [name for name in keys if name not in table]:
        raise BadInput(f"stops have no column {', '.join(unknown)}: they have {', '.join(COLUMNS)}.")
    seconds = table["duration"].dt.total_seconds()
    groups = table.assign(_ended=table["exited"].notna(), _seconds=seconds).groupby(keys, observed=True)
    found: pd.DataFrame = groups.agg(
        stops=("_ended", "sum"),
        unfinished=("_ended", lambda ended: (~ended).sum()),
        dropped=("dropped", "sum"),
        killed=("killed", "sum"),
        **{name: ("_seconds", _quantile(share)) for name, share in _QUANTILES.items()},
    )
    counts = dict.fromkeys(("stops", "unfinished", "dropped", "killed"), "int64")
    spans = {name: pd.to_timedelta(found[name], unit="s").astype("timedelta64[ns]") for name in _QUANTILES}
    found = found.astype(counts).assign(**spans)
    found = found.sort_values("longest", ascending=False, kind="stable")
    return trimmed(found.reset_index())


def _quantile(share: float) -> Callable[[pd.Series], float]:
    return lambda seconds: seconds.quantile(share)


def _batch(events: pd.DataFrame) -> Batch:
    """Return rows of the event table, of one host, as records with the members that `attempts` reads; in UTC."""
    events = events.sort_values("time", kind="stable")
    r = np.zeros(len(events), wire.EVENT.dtype())
    r["time"] = events["time"].astype("datetime64[ns, UTC]").astype("int64")
    r["ns_start"] = r["target_start"] = events["target_start"]
    for name in ("signal", "result", "nsid", "target_pid", "code"):
        r[name] = events[name]
    r["target_tid"] = r["target_pid"]  # the table's names are taken as they are
    for name in ("sender_pid", "sender_parent_pid", "exit_code", "exit_signal"):
        numbers = events[name].fillna(0).to_numpy("i8")
        if name.startswith("sender"):
            r[name] = numbers
        else:
            r["exit_code"] |= numbers.astype("i4") << (8 if name == "exit_code" else 0)
    for name, enum in (("stage", wire.STAGE), ("disposition", wire.DISPOSITION), ("relation", wire.RELATION)):
        r[name] = events[name].astype(object).map(enum).fillna(0)
    r["context_pid"] = events["context_pid"].fillna(0).to_numpy("i8")
    for name in ("target_comm", "sender_comm", "sender_parent_comm", "context_comm"):
        r[name] = [kernel_bytes(comm) for comm in events[name].astype(object)]
    for name in ("unkillable", "blocked", "exiting", "kthread", "is_init"):
        r["flags"] |= np.where(events[name], wire.FLAG["init" if name == "is_init" else name], 0).astype("u1")
    restore(r, events["origin"].astype(object).map(ORIGIN).fillna(0).to_numpy("u1"))
    groups = events.groupby(list(CONTAINER), observed=True, sort=False, dropna=False)
    homes = [Container(*cast("tuple[str, ...]", facts)) if facts[0] else None for facts, _ in groups]
    return Batch(
        r, 0, str(events["host"].iloc[0]), Residents(groups.ngroup().to_numpy().astype(np.intp), homes)
    )
