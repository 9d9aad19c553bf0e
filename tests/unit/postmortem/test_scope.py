"""Whether only inits were recorded, with what they pass on, or all processes."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from sigtrace.events.batch import Batch
from sigtrace.postmortem.scope import has_members
from tests.builders.cases import KILL, START, event

INIT = {"sender_pid": 4242, "sender_start": START}
APP, WORKER = ({"target_pid": pid, "target_start": START + pid} for pid in (5001, 5002))
FROM_APP = {"sender_pid": 5001, "sender_start": START + 5001}


def sent(at: float, **facts: Any) -> npt.NDArray[np.void]:
    """SIGTERM to a member, by default from its init."""
    return event(at, **{"flags": (), "target_ns_pid": 2, "relation": "same", "result": 0} | INIT | facts)


def happened(at: float, stage: str, **facts: Any) -> npt.NDArray[np.void]:
    """A delivery to a member, or its exit."""
    facts = {"flags": (), "target_ns_pid": 2, "relation": 0, "result": -1, "sender_pid": 0} | facts
    return event(at, stage=stage, **facts)


PASSED = [sent(1, **APP), sent(1.1, **WORKER | FROM_APP), happened(1.2, "deliver", **WORKER)]
PASSED += [happened(2, "exit", **WORKER), happened(2, "exit", **APP)]


def test_what_inits_pass_on_is_recorded_with_them() -> None:
    assert not has_members(Batch(KILL, 0))
    assert not has_members(Batch(np.concatenate([*PASSED, KILL]), 0))


@pytest.mark.parametrize(
    "other",
    [
        sent(3, target_pid=5003, target_start=START + 5003, sender_pid=5004, sender_start=START + 5004),
        sent(3, relation="ancestor", sender_pid=77, sender_start=5, **APP),
        sent(3, relation="kernel", sender_pid=0, sender_start=0, signal=17, **APP),
        happened(3, "exit", target_pid=5003, target_start=START + 5003),
        happened(3, "exit", target_pid=5001, target_start=START + 9999),
        happened(3, "exit", ns_level=0, **APP),
    ],
    ids=["from a member", "from outside", "from the kernel", "exit", "a reused PID", "outside of containers"],
)
def test_anything_else_that_members_do_shows_a_recording_of_all(other: npt.NDArray[np.void]) -> None:
    assert has_members(Batch(np.concatenate([*PASSED, other]), 0))
