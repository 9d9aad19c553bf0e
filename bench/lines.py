"""What a line of `watch --format json` costs: CPU time of `Batch.json_lines`, without the writing.

.venv/bin/python -m bench.lines
"""

from __future__ import annotations

import time

import numpy as np
import numpy.typing as npt

from sigtrace.events import wire
from sigtrace.events.batch import Batch

_EVENTS, _ROUNDS = 20_000, 9
_UTC = 1_800_000_000_000_000_000


def main() -> None:
    """Print microseconds per line, the least of some rounds, for each kind of events and size of batches."""
    print(f"{'events':<30} {'in batches of':>13} {'us a line':>9}")
    for name, records in (("that differ in time only", storm()), ("of many processes", mixed())):
        for size in (200, _EVENTS):
            print(f"{name:<30} {size:>13} {min(_round(records, size) for _ in range(_ROUNDS)):>9.2f}")


def storm() -> npt.NDArray[np.void]:
    """SIGTERM to one init, dropped, again and again."""
    records = np.zeros(_EVENTS, wire.EVENT.dtype())
    for name, value in {
        "stage": wire.STAGE["generate"],
        "signal": 15,
        "result": 1,
        "nsid": 4026532000,
    }.items():
        records[name] = value
    records["flags"] = wire.FLAG["init"] | wire.FLAG["unkillable"]
    records["sender_comm"], records["target_comm"] = b"containerd-shim", b"app"
    records["sender_pid"], records["target_pid"], records["ns_level"] = 1234, 4321, 1
    records["time"] = np.arange(_EVENTS) * 1000
    return records


def mixed() -> npt.NDArray[np.void]:
    """Other processes, signals and namespaces in each."""
    records, chance = storm(), np.random.default_rng(1)
    for name, most in {"target_pid": 30_000, "sender_pid": 30_000, "signal": 31, "cpu": 64}.items():
        records[name] = chance.integers(1, most, _EVENTS)
    records["target_start"] = chance.integers(0, 1 << 40, _EVENTS)
    records["nsid"] += chance.integers(0, 50, _EVENTS).astype("u4")
    records["ns_start"] = records["nsid"].astype("u8") * 1000
    records["target_comm"] = [b"app-%d" % number for number in chance.integers(0, 200, _EVENTS)]
    return records


def _round(records: npt.NDArray[np.void], size: int) -> float:
    began = time.process_time()
    for start in range(0, len(records), size):
        for _ in Batch(records[start : start + size], _UTC, "host").json_lines():
            pass
    return (time.process_time() - began) / len(records) * 1e6


if __name__ == "__main__":
    main()
