"""The start-up window: until an init has installed its handler, the kernel drops the signals for it."""

from __future__ import annotations

import pandas as pd

from sigtrace.frames.source import Source, columns_of, trimmed, weights
from sigtrace.frames.time import DROPS
from sigtrace.recording.labels import PLACE, container_labels
from sigtrace.recording.reader import Recording

_INIT = ["host", "nsid", "target_start"]
_NO_HANDLER = ("SIGKILL", "SIGSTOP")


def df_startup(source: Source) -> pd.DataFrame:
    """Return when each init was born, when a signal was dropped for it, and when it first had a handler for it.

    A row is an init and a signal with a drop or a handler. The handler was installed between `dropped_last` and
    `handled_first`: the init was deaf to that signal for between `deaf_at_least` and `deaf_at_most` after its birth.
    source: a recording or its event table, which has the birth only of inits that were born while recording.

    host           category             host name
    nsid           uint32               inode of its PID namespace
    container      category             its container's name, else the inode as text
    init_comm      category             the init's name when that signal was last seen
    signal_name    category             SIGTERM
    born           datetime64[ns, UTC]  its birth; NaT: not known
    executed       datetime64[ns, UTC]  when it last ran a new program before the first such signal; NaT: not seen
    dropped        int64                how many such signals it dropped before it had a handler, or at all
    dropped_first  datetime64[ns, UTC]  the first of these; NaT: none
    dropped_last   datetime64[ns, UTC]  the last of these
    handled_first  datetime64[ns, UTC]  first seen with a handler for it; NaT: never
    deaf_at_least  timedelta64[ns]      from born to dropped_last
    deaf_at_most   timedelta64[ns]      from born to handled_first
    """
    needed = [
        "time",
        "stage",
        "signal_name",
        "verdict",
        "disposition",
        "is_init",
        "target_pid",
        "target_tid",
        "target_comm",
        "target_start",
        "thinned",
    ]
    events = columns_of(source, [*needed, *PLACE])
    inits = events[events["is_init"] & (events["target_start"] > 0)]
    signals = inits[inits["stage"].isin(["generate", "deliver"]) & ~inits["signal_name"].isin(_NO_HANDLER)]
    keys = [*_INIT, "signal_name"]
    with_handler = signals[signals["disposition"] == "handler"]
    handled = with_handler.groupby(keys, observed=True)["time"].min().rename("handled_first").reset_index()
    drops = signals[signals["verdict"].isin(DROPS)].merge(handled, on=keys, how="left")
    drops = drops[drops["handled_first"].isna() | (drops["time"] < drops["handled_first"])]
    groups = drops.assign(_weight=weights(drops)).groupby(keys, observed=True)
    dropped = groups.agg(
        dropped=("_weight", "sum"), dropped_first=("time", "min"), dropped_last=("time", "max")
    ).reset_index()
    table = handled.merge(dropped, on=keys, how="outer")
    table["dropped"] = table["dropped"].fillna(0).astype("int64")
    table = table.merge(_named(signals, keys), on=keys, how="left").merge(
        _births(source, inits), on=_INIT, how="left"
    )
    first = table[["dropped_first", "handled_first"]].min(axis=1)
    table["executed"] = _last_before(inits[inits["stage"] == "exec"], table, first)
    table["deaf_at_least"] = table["dropped_last"] - table["born"]
    table["deaf_at_most"] = table["handled_first"] - table["born"]
    table = table.sort_values(["dropped_first", "handled_first"], kind="stable", ignore_index=True)
    table["host"] = table["host"].astype("category")
    return trimmed(
        table[
            [
                *("host", "nsid", "container", "init_comm", "signal_name", "born", "executed", "dropped"),
                *("dropped_first", "dropped_last", "handled_first", "deaf_at_least", "deaf_at_most"),
            ]
        ]
    )


def _named(signals: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """Return the last name of each init, by its group leader if an event is about that, and its container."""
    leader = signals["target_tid"] == signals["target_pid"]
    last = pd.concat([signals[~leader], signals[leader]]).drop_duplicates(keys, keep="last")
    named: pd.DataFrame = last[keys].assign(init_comm=last["target_comm"], container=container_labels(last))
    return named


def _births(source: Source, inits: pd.DataFrame) -> pd.DataFrame:
    """Return when each init was born: the time of its event, or else that of the recording's namespaces table."""
    events = inits[inits["stage"] == "init"]
    seen = events[_INIT].assign(born=events["time"])
    if isinstance(source, Recording):
        known = source.namespaces()
        known = known[["host", "nsid"]].assign(target_start=known["ns_start"], born=known["born"])
        seen = pd.concat([seen.astype({"host": object}), known.astype({"host": object})])
    births: pd.DataFrame = seen.dropna().drop_duplicates(_INIT)
    return births


def _last_before(execs: pd.DataFrame, table: pd.DataFrame, moments: pd.Series) -> pd.Series:
    """Return when the init of each row last ran a new program before its moment."""
    rows = table[_INIT].assign(_row=range(len(table)), _moment=moments.to_numpy())
    found = execs[[*_INIT, "time"]].merge(rows, on=_INIT)
    found["_moment"] = pd.to_datetime(found["_moment"], utc=True)
    last: pd.Series = found[found["time"] <= found["_moment"]].groupby("_row")["time"].max()
    return last.reindex(range(len(table)))
