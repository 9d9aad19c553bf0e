"""Which records are of what programs do all the time, and what is close to that."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from sigtrace.events.routine import is_routine
from tests.builders.records import record

CHLD, URG, KILL, TERM = 17, 23, 9, 15
TO_PARENT: dict[str, Any] = {"signal": CHLD, "code": 1, "relation": "kernel", "sender_pid": 0}
PREEMPTS: dict[str, Any] = {"signal": URG, "code": -6, "relation": "self"}
DIES: dict[str, Any] = {"stage": "deliver", "signal": KILL, "code": 0, "relation": "kernel", "sender_pid": 0}
ENDS: dict[str, Any] = {"stage": "exit", "signal": 0, "exit_code": 0, "flags": ()}


@pytest.mark.parametrize(
    ("facts", "routine"),
    [
        (TO_PARENT, True),
        ({**TO_PARENT, "stage": "deliver"}, True),
        ({**TO_PARENT, "code": 6}, True),  # CLD_CONTINUED
        ({**TO_PARENT, "code": 0, "relation": "same"}, False),  # kill -CHLD
        ({**TO_PARENT, "code": -1, "relation": "same"}, False),  # sigqueue(3)
        (PREEMPTS, True),
        ({**PREEMPTS, "stage": "deliver", "relation": 0}, True),
        ({**PREEMPTS, "relation": "same"}, False),  # another process's thread
        ({**PREEMPTS, "code": 0}, False),  # kill -URG to itself
        ({**PREEMPTS, "code": 128, "relation": "kernel"}, False),  # urgent data on a socket
        ({**PREEMPTS, "signal": TERM}, False),
        (DIES, True),
        ({**DIES, "relation": 0, "flags": ("exiting",)}, True),
        ({**DIES, "relation": 0, "flags": ()}, False),
        ({**DIES, "stage": "generate"}, False),
        ({**DIES, "signal": TERM}, False),
        (ENDS, True),
        ({**ENDS, "exit_code": 1 << 8}, False),
        ({**ENDS, "exit_code": TERM}, False),  # killed
        ({**ENDS, "flags": ("init",)}, False),
        ({**ENDS, "stage": "init"}, False),
        ({**ENDS, "stage": "exec"}, False),
    ],
)
def test_only_what_stops_nothing_and_loses_nothing_is_routine(facts: dict[str, Any], routine: bool) -> None:
    assert is_routine(record(**facts)).tolist() == [routine]


def test_a_signal_that_was_asked_for_is_never_routine() -> None:
    records = np.concatenate([record(**facts) for facts in (TO_PARENT, PREEMPTS, DIES, ENDS)])
    assert is_routine(records, [CHLD, KILL]).tolist() == [False, True, False, True]
    assert is_routine(records[:0]).tolist() == []
