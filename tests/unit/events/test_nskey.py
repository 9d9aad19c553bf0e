"""Which PID namespace a record is of: by inode and start of the init, never by the inode alone."""

from __future__ import annotations

import numpy as np
import pytest

from sigtrace.clock import TICK_NS
from sigtrace.events.nskey import NsKey, among
from tests.builders.records import record


def test_a_namespace_with_a_reused_inode_is_another() -> None:
    assert NsKey.of(7, 5 * TICK_NS) != NsKey.of(7, 6 * TICK_NS)


def test_what_proc_shows_and_what_the_kernel_records_name_the_same_namespace() -> None:
    # /proc rounds the start down to a clock tick
    assert NsKey.of(7, 5 * TICK_NS + 1234) == NsKey.of(7, 5 * TICK_NS) == NsKey(7, 5)
    assert NsKey(7, 5).start_ns == 5 * TICK_NS


def test_rows_are_picked_by_namespace() -> None:
    nsid, start = np.array([7, 7, 8], "u4"), np.array([5 * TICK_NS + 3, 6 * TICK_NS, 5 * TICK_NS], "u8")
    assert among(nsid, start, [NsKey(7, 5)]).tolist() == [True, False, False]
    assert among(nsid, start, []).tolist() == [False, False, False]


def test_rows_are_grouped_by_namespace_however_they_interleave() -> None:
    rows = np.concatenate([record(nsid=n, ns_start=s * TICK_NS) for n, s in ((7, 1), (8, 1), (7, 1), (7, 2))])
    keys, codes = NsKey.from_records(rows["nsid"], rows["ns_start"])
    assert [keys[code] for code in codes] == [(7, 1), (8, 1), (7, 1), (7, 2)]
    assert NsKey.from_records(rows["nsid"][:0], rows["ns_start"][:0])[0] == []


@pytest.mark.parametrize("namespaces", [1, 50, 30_000])  # without and with two that share a slot
def test_many_rows_are_grouped_as_few_are(namespaces: int) -> None:
    nsid = np.random.default_rng(7).integers(4026531840, 4026531840 + namespaces, 100_000, "u4")
    start = nsid.astype("u8") * 7
    keys, codes = NsKey.from_records(nsid, start * TICK_NS)
    assert [tuple(key) for key in np.array(keys)[codes].tolist()] == list(zip(nsid, start, strict=True))
    assert len(keys) == len(set(nsid.tolist()))
