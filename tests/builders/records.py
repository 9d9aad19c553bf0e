"""Wire records made by hand, for tests that need no kernel."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from sigtrace.events import wire
from sigtrace.events.counts import COUNT

FACTS = {
    "stage": "generate",
    "signal": 15,
    "result": 1,
    "disposition": "default",
    "relation": "ancestor",
    "flags": ("unkillable", "init", "group"),
}
"""What `docker stop` makes of a PID 1 without a handler."""


def record(**changes: Any) -> npt.NDArray[np.void]:
    """One record, shape (1,): the facts of FACTS and zeros, but for `changes`; enums and flags by name."""
    values = {**FACTS, **changes}
    out = np.zeros(1, wire.EVENT.dtype())
    for field, value in values.items():
        enum = {"stage": wire.STAGE, "disposition": wire.DISPOSITION, "relation": wire.RELATION}.get(field)
        if field == "flags":
            out[field] = sum(wire.FLAG[flag] for flag in value)
        else:
            out[field] = enum[value] if enum and isinstance(value, str) else value
    return out


def reloaded(nsid: int, time: int) -> npt.NDArray[np.void]:
    """A SIGHUP that the handler of some member of a namespace gets."""
    facts = {"stage": "deliver", "result": -1, "disposition": "handler", "flags": (), "relation": 0}
    return record(nsid=nsid, time=time, signal=1, **facts)


def counted(one: npt.NDArray[np.void], count: int) -> npt.NDArray[np.void]:
    """One row of the counts, shape (1,): so many records like this one."""
    out = np.zeros(1, COUNT)
    for field in set(COUNT.names or ()) & set(one.dtype.names or ()):
        if not field.startswith("pad"):
            out[field] = one[field]
    out["count"] = count
    return out


EVERYTHING = [
    record(time=1, sender_pid=5, sender_comm=b"runc", sender_uid=7, seq=9, cpu=3, ns_start=4, nsid=77),
    record(time=2, sender_comm=b"\xff\x1b\\x41", stage="deliver", disposition="handler", result=-1),
    record(time=3, stage="exit", signal=0, exit_code=0x89, flags=("init",), disposition=0, relation=0),
    record(time=4, target_comm=b"caf\xc3\xa9", signal=64, sender_start=1 << 60, sender_ns_level=3, code=-6),
]
"""Four records that have little in common, the first of them a drop."""
