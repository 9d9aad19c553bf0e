"""Which events pass a filter: by namespace, boot, signal, verdict and time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from sigtrace.clock import TICK_NS
from sigtrace.events.batch import Batch
from sigtrace.events.nskey import HostNs, NsKey
from sigtrace.events.verdict import CODE, FACTS
from sigtrace.recording import schema
from sigtrace.recording.filter import Filter
from tests.builders.recordings import UTC
from tests.builders.records import record

BOOT, OTHER = ("web-1", "b1"), ("web-2", "b1")
ONE, TWO = NsKey(7, 500), NsKey(7, 900)


def passed(where: Filter, *records: Any) -> list[int]:
    """The rows that pass, as the reader asks."""
    batch = schema.Encoder().events(Batch(np.concatenate(records), UTC, "web-1"))
    return np.flatnonzero(where.of_boot(BOOT)(batch)).tolist()


def event(key: NsKey = ONE, time: int = 1, **facts: Any) -> Any:
    return record(nsid=key.inode, ns_start=key.start_ns + 5, time=time, **facts)


EVENTS = [event(), event(TWO), event(NsKey(8, 500)), event(signal=9, result=0), event(time=9, signal=2)]


@pytest.mark.parametrize(
    ("where", "rows"),
    [
        (Filter(), [0, 1, 2, 3, 4]),
        (Filter(inodes=frozenset({7})), [0, 1, 3, 4]),
        (Filter(namespaces=frozenset({ONE})), [0, 3, 4]),
        (Filter(namespaces=frozenset({HostNs(*BOOT, TWO)})), [1]),
        (Filter(namespaces=frozenset({HostNs(*OTHER, TWO)})), []),
        (Filter(frozenset({8}), frozenset({TWO})), [1, 2]),
        (Filter(frozenset({8}), frozenset({HostNs(*OTHER, TWO)})), [2]),
        (Filter(signal=(9, 2)), [3, 4]),
        (Filter(verdict=(CODE["queued"],)), [3]),
        (Filter(since=UTC + 2), [4]),
        (Filter(until=UTC + 9), [0, 1, 2, 3]),
        (Filter(since=UTC + 1, until=UTC + 1), []),
        (Filter(frozenset({7}), signal=(15,), since=UTC, until=UTC + 2), [0, 1]),
    ],
)
def test_what_passes(where: Filter, rows: list[int]) -> None:
    assert passed(where, *EVENTS) == rows


@pytest.mark.parametrize(
    ("where", "columns"),
    [
        (Filter(), set()),
        (Filter(inodes=frozenset({7})), {"nsid"}),
        (Filter(namespaces=frozenset({ONE})), {"nsid", "ns_start"}),
        (Filter(signal=(9,)), {"signal"}),
        (Filter(until=1), {"time"}),
        (Filter(verdict=(1,)), {*FACTS, "signal"}),
    ],
)
def test_it_says_which_columns_it_looks_at(where: Filter, columns: set[str]) -> None:
    assert set(where.columns) == columns


def test_a_namespace_of_another_boot_leaves_nothing_rather_than_everything() -> None:
    elsewhere = Filter(namespaces=frozenset({HostNs(*OTHER, ONE)})).of_boot(BOOT)
    assert elsewhere.by_namespace
    assert elsewhere.has(np.array([7], "u4"), np.array([ONE.start_ns], "u8")).tolist() == [False]


def test_without_chosen_namespaces_all_are() -> None:
    assert Filter(signal=(9,)).has(np.array([7, 8], "u4")).tolist() == [True, True]


def test_a_chosen_namespace_is_taken_by_key_inode_or_with_its_host() -> None:
    home = HostNs(*BOOT, ONE)
    for where in (Filter(frozenset({7})), Filter(namespaces=frozenset({ONE})),
                  Filter(namespaces=frozenset({home}))):  # fmt: skip
        assert where.takes(home)
    assert not Filter(namespaces=frozenset({HostNs(*OTHER, ONE)})).takes(home)
    assert not Filter(namespaces=frozenset({TWO})).takes(home)


def test_rows_of_a_table_are_chosen_host_by_host() -> None:
    table = pd.DataFrame(
        {
            "host": ["web-1", "web-2", "web-1", "web-2"],
            "boot_id": "b1",
            "nsid": np.array([7, 7, 7, 8], "u4"),
            "ns_start": np.array([500, 500, 900, 500], "u8") * TICK_NS,
        }
    )
    where = Filter(frozenset({8}), frozenset({HostNs(*OTHER, ONE), TWO}))
    assert where.of_table(table).tolist() == [False, True, True, True]
