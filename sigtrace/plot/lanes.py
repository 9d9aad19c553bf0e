"""What a timeline shows: marks on lanes, or, of many events, how many of each kind a bin of time has. No Altair."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from sigtrace.events.verdict import WORDS
from sigtrace.frames.senders import sender_names
from sigtrace.frames.source import nice_bin
from sigtrace.plot.text import OUTCOME_OF, shown

MOST_MARKS = 1500
"""A timeline of more events counts them in bins."""
_BINS = 100
_FEW = {False: (5, 8), True: (3, 3)}
"""Lanes for senders and for members at most, without and with bins; the rest share one."""


@dataclass(frozen=True)
class Lanes:
    """What is on which lane; `order` has the lanes from top to bottom: senders, the init, members.

    marks: one a row: `time`, `lane`, `outcome`, `signal`, `what`, `who`; with bins, `time` to `until`, `lane`,
    `outcome`, `count`. arrows: `time`, `lane` (of the sender), `to`, `outcome`. every: the width of a bin, or None.
    """

    marks: pd.DataFrame
    arrows: pd.DataFrame
    order: list[str]
    init: str
    every: pd.Timedelta | None


def lanes(events: pd.DataFrame) -> Lanes:
    """The lanes of one namespace's events, at least one, in the order of time."""
    many = len(events) > MOST_MARKS
    senders_most, members_most = _FEW[many]
    generated = events["stage"] == "generate"
    outcome = _translated(events["verdict"], {name: OUTCOME_OF.get(name, "no effect") for name in WORDS})
    sender = _few(_prefixed("sender: ", sender_names(events)), senders_most, "other senders")
    target = _targets(events, members_most)
    table = pd.DataFrame({"time": events["time"], "lane": target, "outcome": outcome, "sender": sender})
    init = next((lane for lane in target.unique() if lane.startswith("init: ")), "init")
    members = [lane for lane in target.unique() if lane != init]
    order = [*sorted(sender[generated].unique()), init, *sorted(members, key="other members".__eq__)]
    if many:
        every = nice_bin(events["time"], _BINS)
        sent = table[generated].assign(lane=sender[generated])
        return Lanes(_counted([table, sent], every), table.iloc[0:0], order, init, every)
    marks = table.assign(signal=events["signal_name"].astype(str), what=_what(events), who=_who(events))
    arrows = table[generated].rename(columns={"lane": "to", "sender": "lane"})
    return Lanes(marks.drop(columns="sender"), arrows, order, init, None)


def _counted(parts: Sequence[pd.DataFrame], every: pd.Timedelta) -> pd.DataFrame:
    table = pd.concat(
        [part[["time", "lane", "outcome"]].astype({"lane": str, "outcome": str}) for part in parts]
    )
    table["time"] = table["time"].dt.floor(every)
    counted = table.groupby(["time", "lane", "outcome"]).size().reset_index(name="count")
    return counted.assign(until=counted["time"] + every)


def _translated(column: pd.Series, words: dict[str, str]) -> pd.Series:
    """A column of categories in other words, as text; each category is looked up once."""
    names = column.cat.categories
    texts = pd.Index([words.get(name, name) for name in names], dtype=object)
    return pd.Series(texts.take(column.cat.codes.to_numpy()), index=column.index, dtype=object)


def _prefixed(prefix: str, column: pd.Series) -> pd.Series:
    return _translated(column, {name: prefix + shown(name, 20) for name in column.cat.categories})


def _few(names: pd.Series, most: int, rest: str) -> pd.Series:
    """The names, of which only the most frequent keep theirs."""
    frequent = names.value_counts()
    return names.where(names.isin(frequent.index[:most]), rest) if len(frequent) > most + 1 else names


def _targets(events: pd.DataFrame, most: int) -> pd.Series:
    """The lane of each event's target: `init: app [4242]`, `member: sh [4250]`."""
    last = events[["target_pid", "target_comm", "is_init"]].drop_duplicates("target_pid", keep="last")
    names = {
        pid: f"{'init' if init else 'member'}: {shown(comm, 20)} [{pid}]"
        for pid, comm, init in last.itertuples(index=False)
    }
    targets = events["target_pid"].map(names).astype(object)
    members = _few(targets[~events["is_init"]], most, "other members")
    return targets.where(events["is_init"], members.reindex(targets.index))


def _what(events: pd.DataFrame) -> pd.Series:
    """What became of each, in a few words: `dropped: no handler`, `killed by signal 9`."""
    words = _translated(events["verdict"], {name: label for name, (label, _) in WORDS.items()})
    ends = events["stage"] == "exit"
    codes, by = (events[name].fillna(0).astype(int) for name in ("exit_code", "exit_signal"))
    words = words.mask(ends & (by == 0), "exited with code " + codes.astype(str))
    return words.mask(ends & (by > 0), "killed by signal " + by.astype(str))


def _who(events: pd.DataFrame) -> pd.Series:
    """The sender of each and its parent: `runc[1809], child of containerd-shim`; empty if it has none."""
    facts = zip(
        *(events[name].tolist() for name in ("sender_comm", "sender_pid", "sender_parent_comm", "relation")),
        strict=True,
    )
    texts = [
        "the kernel" if relation == "kernel" else "" if pd.isna(pid) else _named(comm, pid, parent)
        for comm, pid, parent, relation in facts
    ]
    return pd.Series(texts, index=events.index, dtype=object)


def _named(comm: str, pid: int, parent: str) -> str:
    return f"{shown(comm, 20)}[{pid}]" + (f", child of {shown(parent, 20)}" if parent else "")
