"""Which lane of a timeline each event is on, and what kind of mark it gets; no loop over events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from sigtrace.events import wire
from sigtrace.events.batch import Batch
from sigtrace.events.columns import flag, text_labels
from sigtrace.events.verdict import VERDICTS
from sigtrace.signals import KILL
from sigtrace.text import decode, printable

KINDS: Mapping[str, str] = MappingProxyType(
    {
        "dropped": "dropped as it was sent",
        "late": "dropped at delivery",
        "kill": "SIGKILL",
        "handled": "handler ran",
        "acted": "default action",
        "exited": "exited",
        "sent": "queued",
        "born": "born, or a new program",
        "other": "no effect",
    }
)
"""Kinds of marks, the most telling first -> what the legend calls them."""
_KIND_OF = {
    **{"dropped_at_generate": "dropped", "dropped_at_deliver": "late"},
    **dict.fromkeys(("queued", "coalesced"), "sent"),
    **dict.fromkeys(("born", "executed"), "born"),
    **{"handled": "handled", "default_action": "acted", "exited": "exited"},
}
_ORDER = tuple(KINDS)


@dataclass(frozen=True)
class Lanes:
    """Lanes from top to bottom, and for each event, shape (n,), which is its target's and its sender's (-1: none)."""

    names: list[str]
    target: npt.NDArray[np.intp]
    sender: npt.NDArray[np.intp]
    kind: npt.NDArray[np.intp]
    """The lower, the more telling."""

    def kind_name(self, kind: int) -> str:
        """Its name in KINDS."""
        return _ORDER[kind]


def lanes(batch: Batch, most: int) -> Lanes:
    """The lanes of one namespace's events: senders, the init, members.

    most: how many senders, and members, have a lane of their own; the rest share one.
    """
    r = batch.records
    sent, init = r["stage"] == wire.STAGE["generate"], flag(r, "init")
    codes, names = _senders(batch)
    senders, sender = _fewest(codes, names, sent, most, "other senders")
    pids, place = np.unique(r["target_pid"], return_inverse=True)
    comms = {pid: printable(decode(comm)) for pid, comm in zip(*_last_comms(r), strict=True)}
    called = [f"{comms[pid]}[{pid}]" for pid in pids.tolist()]
    members, member = _fewest(place, called, ~init, most, "other members")
    own = r["target_pid"][init]
    name = f"init: {comms[int(own[-1])]}[{own[-1]}]" if len(own) else "init"
    return Lanes(
        names=[*(f"from {each}" for each in senders), name, *members],
        target=np.where(init, len(senders), len(senders) + 1 + member),
        sender=np.where(sent, sender, -1),
        kind=_kinds(batch),
    )


def _senders(batch: Batch) -> tuple[npt.NDArray[np.intp], list[str]]:
    """For each event which of the names its sender has: shape (n,)."""
    comms = text_labels(batch.records["sender_comm"])
    names = [printable(name) or "an unknown sender" for name in comms.names]
    kernel = batch.records["relation"] == wire.RELATION["kernel"]
    return np.where(kernel, len(names), comms.codes), [*names, "the kernel"]


def _fewest(
    codes: npt.NDArray[np.intp], names: Sequence[str], counted: npt.NDArray[np.bool_], most: int, rest: str
) -> tuple[list[str], npt.NDArray[np.intp]]:
    """The names with the most events that are counted, in the order they appear, and for each event which.

    The last of them, `rest`, stands for all others, where there are more than fit.
    """
    counts = np.bincount(codes[counted], minlength=len(names))
    there = np.flatnonzero(counts)
    few = len(there) <= most + 1
    own = there if few else np.sort(there[np.argsort(-counts[there], kind="stable")][:most])
    where = np.full(len(names), len(own), np.intp)
    where[own] = np.arange(len(own))
    return [names[code] for code in own.tolist()] + ([] if few else [rest]), where[codes]


def _last_comms(records: npt.NDArray[np.void]) -> tuple[list[int], list[bytes]]:
    """Each target's PID, and the name it had last."""
    pids, first = np.unique(records["target_pid"][::-1], return_index=True)
    return pids.tolist(), records["target_comm"][::-1][first].tolist()


def _kinds(batch: Batch) -> npt.NDArray[np.intp]:
    r = batch.records
    of_verdict = np.array([_ORDER.index(_KIND_OF.get(name, "other")) for name in VERDICTS], np.intp)
    kinds = of_verdict[batch.verdicts]
    kill = (r["signal"] == KILL) & (r["stage"] == wire.STAGE["generate"]) & (kinds == _ORDER.index("sent"))
    found: npt.NDArray[np.intp] = np.where(kill, _ORDER.index("kill"), kinds)
    return found
