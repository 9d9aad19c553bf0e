"""The lanes of a timeline: one per sender, one for the init, one per member. No loop over events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from sigtrace.events import outcome, wire
from sigtrace.events.batch import Batch
from sigtrace.events.column_types import Labels, flag, text_labels
from sigtrace.events.verdict import VERDICTS
from sigtrace.text import shorten

KERNEL, UNKNOWN = "the kernel", "an unknown sender"
_MOST = {False: (5, 8), True: (3, 3)}
"""The most lanes for senders and for members, by whether events are counted in bins; the others share one."""
_WIDEST = 20
"""The most columns of a name."""


@dataclass(frozen=True)
class Parties:
    """The sender and the target of each of n events: arrays of shape (n,)."""

    sent: npt.NDArray[np.bool_]
    """The event is the generation of a signal: only these have a sender's lane."""
    init: npt.NDArray[np.bool_]
    """The target is the namespace's own init."""
    sender: Labels
    """comm; empty: not known."""
    by_kernel: npt.NDArray[np.bool_]
    target_pid: npt.NDArray[np.int64]
    target: Labels
    """comm."""
    leader: npt.NDArray[np.bool_]
    """The event is about the target's group leader, by which the process is called."""


@dataclass(frozen=True)
class Lanes:
    """Lanes from top to bottom, and the lanes of each event; arrays of shape (n,) that index `names`."""

    names: list[str]
    init: int
    """The index of the init's lane."""
    target: npt.NDArray[np.intp]
    sender: npt.NDArray[np.intp]
    """-1: none."""


def parties(batch: Batch) -> Parties:
    """Return the parties of a batch of events of one namespace."""
    r = batch.records
    return Parties(
        sent=r["stage"] == wire.STAGE["generate"],
        init=flag(r, "init"),
        sender=text_labels(r["sender_comm"]),
        by_kernel=r["relation"] == wire.RELATION["kernel"],
        target_pid=r["target_pid"].astype("i8"),
        target=text_labels(r["target_comm"]),
        leader=r["target_tid"] == r["target_pid"],
    )


def lanes(who: Parties, counted: bool) -> Lanes:
    """Return the lanes of one namespace's events: senders by name, the init, members by PID.

    who: in the order of time. counted: events are shown as counts in bins of time, which makes lanes taller.
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
    """Return the kind of each event's mark, as its index in `outcome.KINDS`: shape (n,). Lower is more important."""
    found: npt.NDArray[np.intp] = _kinds()[verdicts, signal]
    return found


@cache
def _kinds() -> npt.NDArray[np.intp]:
    """Return the kinds by verdict and signal: shape (verdicts, 256)."""
    order = list(outcome.KINDS)
    table = [[order.index(outcome.kind(verdict, signal)) for signal in range(256)] for verdict in VERDICTS]
    return np.array(table, np.intp)


def _sorted(names: Sequence[str], codes: npt.NDArray[np.intp]) -> tuple[list[str], npt.NDArray[np.intp]]:
    """Return the distinct names, sorted, and the index of each event's name."""
    order = sorted(set(names))
    place = np.array([order.index(name) for name in names], np.intp)
    return order, place[codes]


def _fewest(
    codes: npt.NDArray[np.intp], names: Sequence[str], counted: npt.NDArray[np.bool_], most: int, rest: str
) -> tuple[list[str], npt.NDArray[np.intp]]:
    """Return the names with the most of the `counted` events, in their order, and the index of each event's name.

    If there are more than `most` and one, the last name is `rest`, for all others.
    """
    counts = np.bincount(codes[counted], minlength=len(names))
    present = np.flatnonzero(counts)
    few = len(present) <= most + 1
    own = present if few else np.sort(present[np.argsort(-counts[present], kind="stable")][:most])
    where = np.full(len(names), len(own), np.intp)
    where[own] = np.arange(len(own))
    return [names[code] for code in own.tolist()] + ([] if few else [rest]), where[codes]


def _last_names(who: Parties) -> list[str]:
    """Return the last name of each target's group leader, or of any thread, in the order of their PIDs."""
    order = np.lexsort((who.leader, who.target_pid))
    pids = who.target_pid[order]
    last = order[np.flatnonzero(np.diff(pids, append=-1))]
    names = [shorten(name, _WIDEST) for name in who.target.names]
    return [names[code] for code in who.target.codes[last].tolist()]
