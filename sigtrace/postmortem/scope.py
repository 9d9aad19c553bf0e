"""Whether the signals to all processes were recorded, or only those to inits and what they pass on to members."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sigtrace.events import wire
from sigtrace.events.batch import Batch
from sigtrace.events.column_types import flag


def has_members(batch: Batch) -> bool:
    """Whether a batch has records that a recorder of inits leaves out; `passed_on` of `bpf/sigtrace.bpf.c` says which.

    False for a recording of all processes in which nothing else happened to happen.
    """
    r = batch.records
    members = ~flag(r, "init")
    if (members & (r["ns_level"] == 0)).any():
        return True
    r = r[members]
    sent = r["stage"] == wire.STAGE["generate"]
    if (sent & (r["relation"] != wire.RELATION["same"])).any():
        return True
    targets, senders = process_numbers(r, "target"), process_numbers(r, "sender")
    # What an init sends to members of its own namespace; then what these send on.
    reached = np.unique(targets[sent & (r["sender_start"] == r["ns_start"])])
    while True:
        further = np.unique(targets[sent & np.isin(senders, reached)])
        if np.isin(further, reached).all():
            break
        reached = np.union1d(reached, further)
    by_init = r["sender_start"] == r["ns_start"]
    passed = np.where(sent, by_init | np.isin(senders, reached), np.isin(targets, reached))
    return not bool(passed.all())


def process_numbers(records: npt.NDArray[np.void], whose: str) -> npt.NDArray[np.uint64]:
    """Return a number for the sender or the target of each record, the same for the same process: shape (n,)."""
    pids: npt.NDArray[np.uint64] = records[f"{whose}_pid"].astype("u8")
    found: npt.NDArray[np.uint64] = records[f"{whose}_start"].astype("u8") ^ pids << np.uint64(42)
    return found
