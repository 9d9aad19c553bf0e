"""Selects the records of one namespace and of those born inside it, and finds its container."""

from __future__ import annotations

import numpy as np

from sigtrace.clock import TICK_NS
from sigtrace.events import wire
from sigtrace.events.batch import Batch
from sigtrace.events.column_types import flag
from sigtrace.events.container import Container
from sigtrace.events.nskey import NsKey
from sigtrace.events.residents import Residents

_NEVER = np.iinfo("i8").max // TICK_NS


def life(batch: Batch, ns: NsKey) -> tuple[Batch, NsKey]:
    """Return the records of one namespace and of those born inside it, and its key with the start of its init.

    The key's start stays 0 if no record has it; then all records are returned. Records of other namespaces that had
    the same inode, or that of a namespace inside it, before or after are left out.
    """
    r = batch.records
    own, starts = r["nsid"] == ns.inode, r["ns_start"] // TICK_NS
    known_starts = starts[own & (starts > 0)]
    key = NsKey(ns.inode, int(known_starts[-1])) if len(known_starts) and not ns.start else ns
    if not key.start:
        return batch, key
    own_records = own & (starts == key.start)
    next_one = int(known_starts[known_starts > key.start].min(initial=_NEVER)) * TICK_NS
    during = (r["time"] >= key.start_ns) & (r["time"] < next_one)
    inside = ~own & (r["ns_level"] > r["ns_level"][own_records].max(initial=0)) & (starts >= key.start)
    ends = r["time"][own_records & (r["stage"] == wire.STAGE["exit"]) & flag(r, "init")]
    inside &= r["ns_start"] <= ends.min(initial=next_one)
    belongs = own_records | during & (inside | own & (starts == 0))
    return (batch if belongs.all() else batch[belongs]), key


def resident(batch: Batch, key: NsKey) -> Container | None:
    """Return the container that the batch has for the namespace; None if it has none."""
    if batch.known is None:
        return None
    if not isinstance(batch.known, Residents):
        return batch.known(key)
    own = np.flatnonzero(batch.records["nsid"] == key.inode)
    return batch.known.containers[int(batch.known.codes[own[-1]])] if len(own) else None


def at_home(batch: Batch, key: NsKey, container: Container | None) -> Batch:
    """Return the batch with `container` as the container of the namespace."""
    homes, own = batch.residents, batch.records["nsid"] == key.inode
    codes = np.where(own, len(homes.containers), homes.codes)
    known = Residents(codes, [*homes.containers, container])
    return Batch(batch.records, batch.boot_to_utc, batch.host, known)
