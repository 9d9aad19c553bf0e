"""Latency: the time from kill(2) to the delivery of a signal, and to the exit of its target."""

from __future__ import annotations

import pandas as pd

from sigtrace import signals
from sigtrace.errors import BadInput
from sigtrace.frames.source import Source, columns_of, trimmed
from sigtrace.recording.labels import PLACE, container_labels

_PROCESS = ["host", "nsid", "target_pid", "target_start"]
_KEPT = (
    "host",
    "nsid",
    "container",
    "target_pid",
    "target_comm",
    "is_init",
    "sender_comm",
    "sender_parent_comm",
)


def df_kill_latency(source: Source, signal: int | str = "KILL") -> pd.DataFrame:
    """Return when a signal was sent, delivered, and when its target exited: a row per process, in the order of time.

    source: a recording or its event table; signal: by name or number. A row is a process for which the signal was
    queued, with the first such signal; only inits, unless everything was recorded (`sigtrace record --all`).

    host                category             host name
    nsid                uint32               inode of its PID namespace
    container           category             its container's name, else the inode as text
    target_pid          int32                the process
    target_comm         category             its name
    is_init             bool                 it is its namespace's init
    sender_comm         category             who sent it; empty: the kernel
    sender_parent_comm  category             the sender's parent
    sent                datetime64[ns, UTC]  generate
    delivered           datetime64[ns, UTC]  deliver: the first thread about to act on it; NaT: not seen
    exited              datetime64[ns, UTC]  the process was gone; NaT: not seen
    to_deliver          timedelta64[ns]      from sent to delivered
    to_exit             timedelta64[ns]      from delivered to exited
    total               timedelta64[ns]      from sent to exited
    exit_signal         Int32                the signal that ended it, 0 for none; <NA>: it has not exited
    """
    number = signals.parse(signal) if isinstance(signal, str) else signal
    if not 1 <= number <= signals.SIGRTMAX:
        raise BadInput(f"signal numbers run from 1 to {signals.SIGRTMAX}, not {number}.")
    facts = ["time", "stage", "signal", "verdict", "target_pid", "target_start", "target_comm", "is_init"]
    needed = [*facts, "sender_comm", "sender_parent_comm", "exit_signal", *PLACE]
    events = columns_of(source, needed)
    events = events[needed][events["signal"].isin([0, number])]
    sent = events[(events["stage"] == "generate") & (events["verdict"] == "queued")]
    sent = sent.sort_values("time", kind="stable").drop_duplicates(_PROCESS)
    sent = sent.assign(container=container_labels(sent)).rename(columns={"time": "sent"})
    sent = sent[[*_KEPT, "target_start", "sent"]]
    delivered = _first_after(events[events["stage"] == "deliver"], sent, "delivered")
    exited = _first_after(events[events["stage"] == "exit"], sent, "exited", "exit_signal")
    table = sent.merge(delivered, on=_PROCESS, how="left").merge(exited, on=_PROCESS, how="left")
    table = table.assign(
        to_deliver=table["delivered"] - table["sent"],
        to_exit=table["exited"] - table["delivered"],
        total=table["exited"] - table["sent"],
        exit_signal=table["exit_signal"].astype("Int32"),
    )
    order = [*_KEPT, "sent", "delivered", "exited", "to_deliver", "to_exit", "total", "exit_signal"]
    return trimmed(table[order])


def _first_after(events: pd.DataFrame, sent: pd.DataFrame, name: str, *more: str) -> pd.DataFrame:
    """Return the first of these events of each process after its signal was sent: its time as `name`, and `more`."""
    found = events[[*_PROCESS, "time", *more]].merge(sent[[*_PROCESS, "sent"]], on=_PROCESS)
    found = found[found["time"] >= found["sent"]].sort_values("time", kind="stable")
    first: pd.DataFrame = found.drop_duplicates(_PROCESS).rename(columns={"time": name})
    return first[[*_PROCESS, name, *more]]
