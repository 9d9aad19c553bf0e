"""A case: which namespace it is of, and which of its signals ask for an end."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from sigtrace.events.batch import Batch
from sigtrace.events.nskey import NsKey
from sigtrace.postmortem import Case
from tests.builders.cases import (
    DROP,
    KILL,
    KILLED,
    NSID,
    SECOND,
    START,
    case,
    causes,
    event,
)


def test_of_namespaces_with_the_same_inode_the_last_counts_or_the_one_that_is_meant() -> None:
    later = {"ns_start": 500 * SECOND, "target_start": 500 * SECOND, "target_pid": 5000, "time": 501 * SECOND}
    second = event(0, **later | {"signal": 2})
    records = [DROP, KILL, KILLED, second]
    assert [e.signal_name for e in case(records).requests] == ["SIGINT"]
    first = case(records, since=1, ns_start=START)
    assert [e.signal_name for e in first.requests] == ["SIGTERM", "SIGKILL"]


def test_a_signal_to_a_dying_init_is_no_request() -> None:
    dying = event(11.1, flags=("unkillable", "init", "group", "exiting"))
    assert len(case([KILL, KILLED, dying]).requests) == 1


NESTED = {"nsid": NSID + 1, "ns_level": 2, "target_comm": b"inner"}


def test_what_happened_before_a_namespace_was_born_is_none_of_its() -> None:
    unrelated = event(0, **NESTED | {"time": START - 4 * SECOND, "ns_start": 7 * SECOND, "signal": 3})
    inside = event(2, **NESTED | {"ns_start": START + SECOND})
    its = case([unrelated, event(1, signal=17), inside])
    assert [e.number for e in its.to_others] == [1]
    assert causes([unrelated, event(1, signal=17)]) == ["nobody-signalled"]
    assert "nested-init" in causes([event(1, signal=17), inside])


@pytest.mark.parametrize(
    "foreign",
    [
        {"ns_start": START - SECOND},  # born before, though it was signalled meanwhile
        {"ns_start": START + 20 * SECOND},  # born after its init had gone
        {"ns_start": START + SECOND, "ns_level": 1},  # beside it
    ],
    ids=str,
)
def test_a_namespace_that_was_not_born_inside_is_none_of_its(foreign: dict[str, Any]) -> None:
    its = case([DROP, event(2, **NESTED | foreign), KILL, KILLED, event(21, **NESTED | foreign)])
    assert its.to_others == ()
    assert len(its.batch) == 3


def test_a_case_is_of_the_namespace_that_is_meant() -> None:
    later = {"ns_start": 500 * SECOND, "target_start": 500 * SECOND, "target_pid": 5000, "time": 501 * SECOND}
    records = [DROP, KILL, KILLED, event(0, **later)]
    batch = Batch(np.concatenate(records), 0, "host")
    first = Case.from_batch(batch, ns=NsKey.of(NSID, START))
    last = Case.from_batch(batch, ns=NSID)
    assert (first.key, len(first.batch)) == (NsKey.of(NSID, START), 3)
    assert (last.key, len(last.batch)) == (NsKey.of(NSID, 500 * SECOND), 1)
