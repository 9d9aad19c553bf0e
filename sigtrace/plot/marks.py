"""The data of a timeline: marks on lanes, or, for many events, their numbers by kind in bins of time. No Altair."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from sigtrace import signals
from sigtrace.events import outcome
from sigtrace.events.column_types import Labels
from sigtrace.events.lanes import Parties, kinds, lanes
from sigtrace.events.outcome import KINDS
from sigtrace.events.verdict import CODE
from sigtrace.frames.source import nice_bin, weights
from sigtrace.plot.text import shown

MOST_MARKS = 1500
"""If there are more events, they are counted in bins, so that the chart stays small."""
_BINS = 100
_FEW = 30
"""Marks at the beginning and at the end that are shown beside bins."""


@dataclass(frozen=True)
class Marks:
    """The marks on the lanes; `order` has the lanes from top to bottom: senders, the init, members.

    marks: a row per mark: `time`, `lane`, `outcome` (the words of its kind), `signal`, `what`, `who`, `asks`; with
    bins, only requests to stop, SIGKILLs to the init and its exit have marks. counts: with bins, `time` to `until`,
    `lane`, `outcome`, `count`. arrows: of the marks, `time`, `lane` (of the sender), `to`, `outcome`. every: the width
    of a bin; None without bins.
    """

    marks: pd.DataFrame
    counts: pd.DataFrame
    arrows: pd.DataFrame
    order: list[str]
    init: str
    every: pd.Timedelta | None


def marks(events: pd.DataFrame, asks: npt.NDArray[np.bool_]) -> Marks:
    """Return the marks of one namespace's events, at least one, in the order of time.

    asks: which of them are requests to stop, shape (n,).
    """
    many = len(events) > MOST_MARKS
    who = _parties(events)
    found = lanes(who, counted=many)
    verdicts = _codes(events["verdict"], CODE)
    signal = events["signal"].fillna(0).to_numpy("u1")
    words = np.array([kind.words for kind in KINDS.values()], object)[kinds(verdicts, signal)]
    order = [shown(name) for name in found.names]
    names = np.array(order, object)
    table = pd.DataFrame(
        {"time": events["time"], "lane": names[found.target], "outcome": words, "weight": weights(events)}
    )
    sent = table.assign(to=table["lane"], lane=names[found.sender])[who.sent]
    init = order[found.init]
    every = nice_bin(events["time"], _BINS) if many else None
    counts = table.iloc[0:0] if every is None else _counted([table, sent], every)
    shown_rows = _milestones(events, asks) if many else np.ones(len(events), bool)
    chosen = events[shown_rows]
    marked = table[shown_rows].assign(
        signal=chosen["signal_name"].astype(str), what=_what(chosen), who=_who(chosen), asks=asks[shown_rows]
    )
    return Marks(marked, counts, sent[shown_rows[who.sent]], order, init, every)


def _milestones(events: pd.DataFrame, asks: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Mark the events that have a mark among thousands: shape (n,)."""
    own, stage = events["is_init"].to_numpy(bool), events["stage"]
    ends = (stage == "exit") | ((stage == "generate") & (events["signal"] == signals.KILL))
    found = np.flatnonzero(asks | own & ends.to_numpy())
    chosen = np.zeros(len(events), bool)
    chosen[np.concatenate([found[:_FEW], found[-_FEW:]])] = True
    return chosen


def _parties(events: pd.DataFrame) -> Parties:
    senders, targets = (events[name].astype("category").cat for name in ("sender_comm", "target_comm"))
    known = [*senders.categories.astype(str), ""]
    unknown = events["sender_pid"].isna().to_numpy()
    return Parties(
        sent=(events["stage"] == "generate").to_numpy(),
        init=events["is_init"].to_numpy(bool),
        sender=Labels(np.where(unknown, len(known) - 1, senders.codes.to_numpy()), known),
        by_kernel=(events["relation"] == "kernel").to_numpy(),
        target_pid=events["target_pid"].to_numpy("i8"),
        target=Labels(targets.codes.to_numpy(), list(targets.categories.astype(str))),
        leader=(events["target_tid"] == events["target_pid"]).to_numpy(bool),
    )


def _codes(column: pd.Series, codes: Mapping[str, int]) -> npt.NDArray[np.uint8]:
    """Return a column of categories as codes; each category is looked up once."""
    known = column.astype("category").cat
    found: npt.NDArray[np.uint8] = np.array([codes[name] for name in known.categories], "u1")[known.codes]
    return found


def _counted(parts: Sequence[pd.DataFrame], every: pd.Timedelta) -> pd.DataFrame:
    table = pd.concat(
        [part[["time", "lane", "outcome", "weight"]].astype({"lane": str, "outcome": str}) for part in parts]
    )
    table["time"] = table["time"].dt.floor(every)
    counted = table.groupby(["time", "lane", "outcome"])["weight"].sum().reset_index(name="count")
    return counted.assign(until=counted["time"] + every)


def _what(events: pd.DataFrame) -> list[str]:
    """Return the outcome of each event: `dropped: no handler`, `killed by SIGKILL`."""
    code, by = (events[name].fillna(0).astype(int) for name in ("exit_code", "exit_signal"))
    columns = (events[name] for name in ("stage", "verdict", "origin"))
    facts = zip(*columns, events["signal"].fillna(0), code, by, strict=True)
    return [
        outcome.ended(code, by) if stage == "exit" else outcome.label(verdict, signal, origin)
        for stage, verdict, origin, signal, code, by in facts
    ]


def _who(events: pd.DataFrame) -> pd.Series:
    """Return the sender of each event and its parent: `runc[1809], child of containerd-shim`; empty without one."""
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
