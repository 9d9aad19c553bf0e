"""Single events, for people and checks: a bounded selection of the records of a namespace."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from sigtrace import signals, text
from sigtrace.events import origin, outcome, wire
from sigtrace.events.batch import Batch
from sigtrace.events.column_types import Labels, enum_labels, flag, text_labels
from sigtrace.events.groups import ranks
from sigtrace.events.verdict import CODE, VERDICTS

MEANT_TO_STOP = frozenset(signals.members(signals.STOP_REQUESTS))
"""The signals that ask a program to end, whoever sends them."""

OF_INIT, OF_OTHERS = 30, 6
"""Events of one kind that are kept from the beginning, and as many from the end.

They bound the time and the memory of a postmortem of a storm; the exact numbers are in `totals`.
"""


class Event(NamedTuple):
    """One record. Times are ns UTC."""

    number: int
    """Its row in the case's batch."""
    time: int
    stage: str
    signal: int
    code: int
    """si_code."""
    verdict: str
    disposition: str
    relation: str
    blocked: bool
    traced: bool
    is_init: bool
    nsid: int
    ns_level: int
    target_pid: int
    target_tid: int
    target_ns_pid: int
    target_comm: str
    """The name of its group leader."""
    target_start: int
    """ns UTC."""
    sender_pid: int
    sender_comm: str
    sender_parent_pid: int
    sender_parent_comm: str
    context_pid: int
    """The process in whose context the kernel sent it; 0 if a process sent it, or if it is not known."""
    context_comm: str
    origin: str
    """How it was sent: one of `origin.ORIGINS`."""
    exit_code: int
    """As wait(2) reports it."""
    asks: bool = False
    """It is a stop request, as `sigtrace.stops.request` defines it; False if that was not determined."""

    @property
    def signal_name(self) -> str:
        """`SIGTERM`; empty for stages without a signal."""
        return signals.name(self.signal)

    @property
    def target(self) -> str:
        """`app[4242]`."""
        return f"{text.shorten(self.target_comm, 16)}[{self.target_pid}]"

    @property
    def sender(self) -> str:
        """`runc[1809], child of containerd-shim[1700]`, or `the kernel`, and how it was sent if not by kill(2)."""
        if not self.sender_pid and self.relation != "kernel":
            return "an unknown sender"
        sender = f"{text.shorten(self.sender_comm, 16)}[{self.sender_pid}]" if self.sender_pid else ""
        if self.sender_parent_pid and self.origin != "parent_death":
            sender += f", child of {text.shorten(self.sender_parent_comm, 16)}[{self.sender_parent_pid}]"
        return origin.words(self.origin, sender, self.context, self.signal, self.code)

    @property
    def context(self) -> str:
        """The process in whose context the kernel sent it: `busybox[4242]`; empty if there is none."""
        return f"{text.shorten(self.context_comm, 16)}[{self.context_pid}]" if self.context_pid else ""

    @property
    def outcome(self) -> str:
        """The outcome in a few words."""
        if self.stage == "exit":
            return outcome.ended(self.exit_code >> 8 & 0xFF, self.exit_code & 0x7F)
        found = outcome.of(self.verdict, self.signal)
        return found.label if self.verdict == "queued" else found.sentence

    def __str__(self) -> str:
        when = np.datetime_as_string(np.datetime64(self.time, "ns"), unit="ms")[11:]
        if self.stage in ("generate", "deliver"):
            what = f"{self.stage} {self.signal_name} to {self.target}"
            by = f" from {self.sender}" if self.stage == "generate" or self.sender_pid else ""
            return f"{when} {what}{by}: {self.outcome}"
        return f"{when} {self.stage} {self.target}: {self.outcome}"


def selected(
    batch: Batch, nsid: int, asks: npt.NDArray[np.bool_], always: npt.NDArray[np.intp]
) -> list[Event]:
    """Select the events of a batch that explain what happened in `nsid`, in the order of the batch (kernel time).

    asks: which records are requests, shape (n,). always: rows that are kept in any case.

    Signals that are ignored by default (SIGCHLD and others) are left out, and all but the first and the last few
    events of each kind: stage, signal, relation, verdict, and whether it is the init's.
    """
    r, verdicts = batch.records, batch.verdicts
    if not len(r):
        return []
    own = (r["nsid"] == nsid) & flag(r, "init")
    from_above = (r["relation"] == wire.RELATION["ancestor"]) & own & (r["stage"] == wire.STAGE["generate"])
    chosen = np.flatnonzero((verdicts != CODE["default_ignored"]) | from_above)
    chosen = chosen[(r["signal"][chosen] != signals.CHLD)]
    kinds = r[["stage", "signal", "relation"]][chosen]
    key = (
        kinds["stage"].astype("u8") << 32
        | kinds["signal"].astype("u8") << 24
        | kinds["relation"].astype("u8") << 16
        | verdicts[chosen].astype("u8") << 8
        | own[chosen]
    )
    kept = np.union1d(chosen[first_and_last(key, np.where(own[chosen], OF_INIT, OF_OTHERS))], always)
    return events(batch, kept, asks[kept])


def totals(batch: Batch, nsid: int) -> dict[tuple[str, int, str], int]:
    """Count the events of the namespace's own init by stage, signal and verdict, thinned ones included."""
    r = batch.records
    own = np.flatnonzero((r["nsid"] == nsid) & flag(r, "init"))
    key = r["stage"][own].astype("u4") << 16 | r["signal"][own].astype("u4") << 8 | batch.verdicts[own]
    kinds, which = np.unique(key, return_inverse=True)
    counts = np.bincount(which, batch.weights[own], len(kinds)).astype("i8")
    stages = enum_labels(kinds >> 16, wire.STAGE).tolist()
    rest = zip(stages, (kinds >> 8 & 0xFF).tolist(), (kinds & 0xFF).tolist(), counts.tolist(), strict=True)
    return {(stage, signal, VERDICTS[verdict]): count for stage, signal, verdict, count in rest}


def events(
    batch: Batch, which: npt.NDArray[np.int64], asks: npt.NDArray[np.bool_] | None = None
) -> list[Event]:
    """Return rows of a batch as events; `asks`: which of them are requests, shape (len(which),)."""
    part = batch[which]
    r, times = part.records, part.time.astype("i8")
    columns = [
        which,
        times,
        enum_labels(r["stage"], wire.STAGE),
        r["signal"],
        r["code"],
        Labels(part.verdicts, VERDICTS),
        enum_labels(r["disposition"], wire.DISPOSITION),
        enum_labels(r["relation"], wire.RELATION),
        flag(r, "blocked"),
        flag(r, "traced"),
        flag(r, "init"),
        *(r[name] for name in ("nsid", "ns_level", "target_pid", "target_tid", "target_ns_pid")),
        text_labels(r["target_comm"]),
        times - r["time"].astype("i8") + r["target_start"].astype("i8"),
        r["sender_pid"],
        text_labels(r["sender_comm"]),
        r["sender_parent_pid"],
        text_labels(r["sender_parent_comm"]),
        r["context_pid"],
        text_labels(r["context_comm"]),
        Labels(part.origins, origin.ORIGINS),
        r["exit_code"],
        np.zeros(len(which), bool) if asks is None else asks,
    ]
    return [Event._make(row) for row in zip(*(column.tolist() for column in columns), strict=True)]


def first_and_last(key: npt.NDArray[np.uint64], few: npt.NDArray[np.int64] | int) -> npt.NDArray[np.bool_]:
    """Mark the first and the last rows of each key: shape (n,). few: how many of each, one number or shape (n,)."""
    keys, group = np.unique(key, return_inverse=True)
    rank, sizes = ranks(group, len(keys))
    keep: npt.NDArray[np.bool_] = (rank < few) | (rank >= sizes[group] - few)
    return keep
