"""Make the rows of the namespaces table: existing namespaces, births, execs and exits of inits, and containers."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from sigtrace.events import wire
from sigtrace.events.batch import Batch
from sigtrace.events.container import Container
from sigtrace.events.nskey import NsKey
from sigtrace.procfs import process
from sigtrace.procfs.namespaces import survey
from sigtrace.recording.schema import container_row
from sigtrace.text import decode


def standing(now: int, boot_to_utc: int) -> Iterator[dict[str, Any]]:
    """Yield a row for each namespace that has an init now (ns UTC), from /proc, which rounds starts down to 10 ms.

    A namespace without an init is left out: nothing would distinguish it from a later one with the same inode.
    """
    for each in survey().namespaces:
        if each.nsid is None or each.ns_start is None or each.init_pid is None:
            continue
        start = NsKey.from_proc(each.nsid, each.ns_start).start_ns
        comm = None
        with contextlib.suppress(OSError):
            comm = process.read_stat(each.init_pid).comm
        yield {
            "time": now,
            "nsid": each.nsid,
            "ns_start": start,
            "parent_nsid": each.parent_nsid,
            "ns_level": each.level,
            "init_pid": each.init_pid,
            "init_comm": comm,
            "born": start + boot_to_utc,
        }


def named(now: int, containers: Iterable[tuple[NsKey, Container]]) -> Iterator[dict[str, Any]]:
    """Yield a row for each namespace that belongs to a container, at `now` (ns UTC)."""
    for key, container in containers:
        yield {"time": now, "nsid": key.inode, "ns_start": key.start_ns, **container_row(container)}


def changes(batch: Batch) -> Iterator[dict[str, Any]]:
    """Yield a row for each birth, exec and exit of a namespace's init in a batch."""
    r = batch.records
    of_init = (r["flags"] & wire.FLAG["init"]) != 0
    moments = np.isin(r["stage"], [wire.STAGE[name] for name in ("init", "exec", "exit")])
    picked = batch[of_init & moments]
    for record, time in zip(picked.records, picked.time.astype("i8").tolist(), strict=True):
        offset = time - int(record["time"])
        row: dict[str, Any] = {
            "time": time,
            "nsid": int(record["nsid"]),
            "ns_start": int(record["ns_start"]),
            "ns_level": int(record["ns_level"]),
            "init_pid": int(record["target_pid"]),
            "init_comm": decode(bytes(record["target_comm"])),
            "born": int(record["ns_start"]) + offset,
        }
        if record["stage"] == wire.STAGE["exit"]:
            row["died"] = time
        if record["stage"] == wire.STAGE["init"] and record["sender_ns_level"] + 1 == record["ns_level"]:
            row["parent_nsid"] = int(record["sender_nsid"])
        yield row
