"""Senders: the numbers of signals by sender, target and signal."""

from __future__ import annotations

import numpy as np
import pandas as pd

from sigtrace.errors import BadInput
from sigtrace.frames.source import Source, columns_of, trimmed, weights
from sigtrace.frames.time import DROPS
from sigtrace.recording.labels import PLACE, container_labels

KERNEL, UNKNOWN = "(kernel)", "(unknown)"
"""The names of the kernel as sender, and of a sender that is not known."""
_KEYS = ["host", "sender", "sender_parent", "nsid", "container", "target", "is_init", "signal_name"]


def df_senders(source: Source) -> pd.DataFrame:
    """Count signals by sender, target and signal: a row for each, the most dropped first, then the most sent.

    source: a recording or its event table. `dropped` includes drops at delivery, whose sender sigtrace remembers.

    host           category             host name
    sender         category             comm; (kernel), or (unknown)
    sender_parent  category             comm of its parent: who is behind a short-lived `runc`; empty if not known
    nsid           uint32               inode of the target's PID namespace
    container      category             its container's name, else the inode as text
    target         category             comm of the target
    is_init        bool                 whether the target is its namespace's init
    signal_name    category             SIGTERM
    count          int64                signals sent
    dropped        int64                signals dropped by init protection
    first, last    datetime64[ns, UTC]  when the first and the last was sent or dropped
    """
    needed = ["time", "stage", "verdict", "signal_name", "relation", "sender_pid", "sender_comm", "thinned"]
    events = columns_of(source, [*needed, "sender_parent_comm", "target_comm", "is_init", *PLACE])
    dropped = events["verdict"].isin(DROPS)
    sent = events["stage"] == "generate"
    many = weights(events)
    table = events.assign(_sent=sent * many, _dropped=dropped * many)[sent | dropped]
    table = table.assign(
        sender=sender_names(table),
        container=container_labels(table),
        target=table["target_comm"],
        sender_parent=table["sender_parent_comm"],
    )
    groups = table.groupby(_KEYS, observed=True, sort=True)
    found: pd.DataFrame = groups.agg(
        count=("_sent", "sum"), dropped=("_dropped", "sum"), first=("time", "min"), last=("time", "max")
    ).reset_index()
    found = found.astype({"count": "int64", "dropped": "int64"})
    return trimmed(found.sort_values(["dropped", "count"], ascending=False, kind="stable", ignore_index=True))


def df_matrix(source: Source, value: str = "count") -> pd.DataFrame:
    """Return `df_senders` as a matrix: a row for each sender, a column for each container (or inode); int64.

    source: as for `df_senders`, or its result; value: `"count"` or `"dropped"`. The greatest sums come first.
    """
    if value not in ("count", "dropped"):
        raise BadInput(f"{value!r} is not a value of the matrix: use count or dropped.")
    known = isinstance(source, pd.DataFrame) and set(_KEYS) <= set(source.columns)
    senders = source if known else df_senders(source)
    assert isinstance(senders, pd.DataFrame)
    matrix: pd.DataFrame = senders.pivot_table(
        index="sender", columns="container", values=value, aggfunc="sum", fill_value=0, observed=True
    )
    if not len(senders):
        return pd.DataFrame(index=pd.Index([], name="sender"), columns=pd.Index([], name="container"))
    rows = matrix.sum(axis=1).sort_values(ascending=False, kind="stable").index
    columns = matrix.sum(axis=0).sort_values(ascending=False, kind="stable").index
    matrix = matrix.loc[rows, columns].astype("int64")
    matrix.index, matrix.columns = (axis.astype(str) for axis in (matrix.index, matrix.columns))
    matrix.index.name, matrix.columns.name = "sender", "container"
    return matrix


def sender_names(table: pd.DataFrame) -> pd.Series:
    """Return the comm of each event's sender, or KERNEL or UNKNOWN: dtype category."""
    comms = table["sender_comm"].astype("category")
    names = pd.Index([*comms.cat.categories, KERNEL, UNKNOWN], dtype=object)
    codes = comms.cat.codes.to_numpy("i4", copy=True)
    codes[table["sender_pid"].isna().to_numpy()] = len(names) - 1
    codes[(table["relation"] == "kernel").to_numpy()] = len(names) - 2
    unique, first = np.unique(names.astype(str), return_inverse=True)  # a process may be called (kernel)
    labels = pd.Categorical.from_codes(first[codes], pd.Index(unique))  # type: ignore[arg-type]  # the stubs want lists
    return pd.Series(labels, index=table.index)
