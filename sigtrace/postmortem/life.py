"""What of a batch is of one namespace, and of those that were born inside it; and whose the namespace is."""

from __future__ import annotations

import numpy as np

from sigtrace.clock import TICK_NS
from sigtrace.events import wire
from sigtrace.events.batch import Batch
from sigtrace.events.columns import flag
from sigtrace.events.container import Container
from sigtrace.events.nskey import NsKey
from sigtrace.events.residents import Residents

_NEVER = np.iinfo("i8").max // TICK_NS


def life(batch: Batch, ns: NsKey) -> tuple[Batch, NsKey]:
    """What happened in one namespace and in those born inside it; and which it is, if its start is to be found.

    Another had its inode before or after it, or has one that a namespace inside it had: that is none of its.
    """
    r = batch.records
    own, starts = r["nsid"] == ns.inode, r["ns_start"] // TICK_NS
    there = starts[own & (starts > 0)]
    key = NsKey(ns.inode, int(there[-1])) if len(there) and not ns.start else ns
    if not key.start:
        return batch, key
    mine = own & (starts == key.start)
    next_one = int(there[there > key.start].min(initial=_NEVER)) * TICK_NS
    during = (r["time"] >= key.start_ns) & (r["time"] < next_one)
    inside = ~own & (r["ns_level"] > r["ns_level"][mine].max(initial=0)) & (starts >= key.start)
    ends = r["time"][mine & (r["stage"] == wire.STAGE["exit"]) & flag(r, "init")]
    inside &= r["ns_start"] <= ends.min(initial=next_one)
    its = mine | during & (inside | own & (starts == 0))
    return (batch if its.all() else batch[its]), key


def resident(batch: Batch, key: NsKey) -> Container | None:
    """The container of the namespace, as far as the batch knows."""
    if batch.known is None:
        return None
    if not isinstance(batch.known, Residents):
        return batch.known(key)
    own = np.flatnonzero(batch.records["nsid"] == key.inode)
    return batch.known.containers[int(batch.known.codes[own[-1]])] if len(own) else None


def at_home(batch: Batch, key: NsKey, container: Container | None) -> Batch:
    """The batch, knowing whose the namespace is."""
    homes, own = batch.residents, batch.records["nsid"] == key.inode
    codes = np.where(own, len(homes.containers), homes.codes)
    known = Residents(codes, [*homes.containers, container])
    return Batch(batch.records, batch.boot_to_utc, batch.host, known)
