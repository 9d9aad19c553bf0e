"""On which lane of a timeline each event is: one a sender, one for the init, one a member; no loop over events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from sigtrace.events import outcome, wire
from sigtrace.events.batch import Batch
from sigtrace.events.columns import Labels, flag, text_labels
from sigtrace.events.verdict import VERDICTS
from sigtrace.text import shorten

KERNEL, UNKNOWN = "the kernel", "an unknown sender"
_MOST = {False: (5, 8), True: (3, 3)}
"""Lanes for senders and for members at most, of single events and of counted ones; the rest share one."""
_WIDEST = 20
"""Columns of a name."""


@dataclass(frozen=True)
class Parties:
    """Who is involved in each of n events: arrays of shape (n,)."""

    sent: npt.NDArray[np.bool_]
    """It is a signal being sent: what has a sender's lane."""
    init: npt.NDArray[np.bool_]
    """It is about the namespace's own init."""
    sender: Labels
    """comm; empty: not known."""
    by_kernel: npt.NDArray[np.bool_]
    target_pid: npt.NDArray[np.int64]
    target: Labels
    """comm."""


@dataclass(frozen=True)
class Lanes:
    """Lanes from top to bottom, and for each event, shape (n,), which is its target's and its sender's (-1: none)."""

    names: list[str]
    init: int
    """Which of them is the init's."""
    target: npt.NDArray[np.intp]
    sender: npt.NDArray[np.intp]


def parties(batch: Batch) -> Parties:
    """Those of a batch of events of one namespace."""
    r = batch.records
    return Parties(
        sent=r["stage"] == wire.STAGE["generate"],
        init=flag(r, "init"),
        sender=text_labels(r["sender_comm"]),
        by_kernel=r["relation"] == wire.RELATION["kernel"],
        target_pid=r["target_pid"].astype("i8"),
        target=text_labels(r["target_comm"]),
    )


def lanes(who: Parties, counted: bool) -> Lanes:
    """The lanes of one namespace's events, in the order of time: senders by name, the init, members by PID.

    counted: they are shown as numbers in bins of time, which takes more room a lane.
    """
    most_senders, most_members = _MOST[counted]
    names = [shorten(name, _WIDEST) or UNKNOWN for name in who.sender.names]
    names, codes = _sorted([*names, KERNEL], np.where(who.by_kernel, len(names), who.sender.codes))
    senders, sender = _fewest(codes, names, who.sent, most_senders, "other senders")
    pids, place = np.unique(who.target_pid, return_inverse=True)
    called = [f"{name}[{pid}]" for pid, name in zip(pids.tolist(), _last_names(who), strict=True)]
    members, member = _fewest(place, called, ~who.init, most_members, "other members")
    own = place[who.init]
    return Lanes(
        names=[
            *(f"from {each}" for each in senders),
            f"init: {called[own[-1]]}" if len(own) else "init",
            *members,
        ],
        init=len(senders),
        target=np.where(who.init, len(senders), len(senders) + 1 + member),
        sender=np.where(who.sent, sender, -1),
    )


def kinds(verdicts: npt.NDArray[np.uint8], signal: npt.NDArray[np.integer]) -> npt.NDArray[np.intp]:
    """The kind of each event's mark, as its place in `outcome.KINDS`: shape (n,). The lower, the more telling."""
    found: npt.NDArray[np.intp] = _kinds()[verdicts, signal]
    return found


@cache
def _kinds() -> npt.NDArray[np.intp]:
    """By verdict and signal."""
    order = list(outcome.KINDS)
    table = [[order.index(outcome.kind(verdict, signal)) for signal in range(256)] for verdict in VERDICTS]
    return np.array(table, np.intp)


def _sorted(names: Sequence[str], codes: npt.NDArray[np.intp]) -> tuple[list[str], npt.NDArray[np.intp]]:
    """The different names in their order, and for each event which."""
    order = sorted(set(names))
    place = np.array([order.index(name) for name in names], np.intp)
    return order, place[codes]


def _fewest(
    codes: npt.NDArray[np.intp], names: Sequence[str], counted: npt.NDArray[np.bool_], most: int, rest: str
) -> tuple[list[str], npt.NDArray[np.intp]]:
    """The names with the most events that are counted, in their order, and for each event which.

    The last of them, `rest`, stands for all others, where there are more than fit.
    """
    counts = np.bincount(codes[counted], minlength=len(names))
    present = np.flatnonzero(counts)
    few = len(present) <= most + 1
    own = present if few else np.sort(present[np.argsort(-counts[present], kind="stable")][:most])
    where = np.full(len(names), len(own), np.intp)
    where[own] = np.arange(len(own))
    return [names[code] for code in own.tolist()] + ([] if few else [rest]), where[codes]


def _last_names(who: Parties) -> list[str]:
    """The name that each target, by PID, had last."""
    _, last = np.unique(who.target_pid[::-1], return_index=True)
    names = [shorten(name, _WIDEST) for name in who.target.names]
    return [names[code] for code in who.target.codes[::-1][last].tolist()]
