"""Records of a stop as the demo performs it, by the second."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from sigtrace.events import wire
from sigtrace.events.batch import Batch
from tests.builders.records import record

WHO = {"nsid": 4026532200, "target_pid": 500}
SENDER = {"sender_pid": 9, "sender_comm": b"runc", "sender_parent_pid": 8, "sender_parent_comm": b"shim"}
SECOND = 1_000_000_000

Records = npt.NDArray[np.void]


def generated(time: int, number: int, result: int, **facts: Any) -> Records:
    """A signal as it is sent."""
    return record(**{**WHO, **SENDER, "time": time, "signal": number, "result": result, **facts})


def ended(time: int, status: int, **facts: Any) -> Records:
    """The end of the init."""
    fixed = {"stage": "exit", "signal": 0, "result": -1, "disposition": "", "target_comm": b"app"}
    return record(**{**WHO, **fixed, "time": time, "exit_code": status, **facts})


def batch(*records: Records, boot_to_utc: int = 0) -> Batch:
    """These records as one batch; there may be none."""
    rows = np.concatenate([np.zeros(0, wire.EVENT.dtype()), *records])
    return Batch(rows, boot_to_utc, "host")
