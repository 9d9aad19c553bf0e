"""More than fits: namespaces and processes alive by the thousand, tables that are full. SIGTRACE_THRONG: how many."""

from __future__ import annotations

import json
import os
from collections import Counter

import pytest

from sigtrace import snapshot
from sigtrace.lab.actor import Namespace
from sigtrace.lab.stage import Stage
from sigtrace.live.collector import Collector
from sigtrace.live.kernel.load import COUNTS_ENTRIES
from sigtrace.snapshot.reading import MAX_TASKS
from tests.commands import sigtrace
from tests.kernel.throng import throng

pytestmark = pytest.mark.kernel

THRONG = int(os.environ.get("SIGTRACE_THRONG", "300"))
_FATAL = (1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 12, 13, 14, 15, 16, 24, 25, 26, 27, 29, 30, 31)
_PENDING = 1024
"""Entries of the table of senders of pending signals."""


def test_namespaces_alive_by_the_thousand_are_all_counted_and_scanned(house: Namespace) -> None:
    with (
        Collector(ns=[house.inode], descendants=True) as live,
        throng(house, "namespaces", THRONG) as alive,
    ):
        alive.send(15)
        assert sum(live.counts().dropped().values()) == THRONG
        assert live.losses().uncounted == 0
        seen = sigtrace("scan", "--format", "json")
    rows = [json.loads(line) for line in seen.stdout.splitlines()]
    assert sum(row["init_comm"] in ("even", "odd") for row in rows) >= THRONG


def test_processes_by_the_thousand_in_one_namespace_leave_a_snapshot_of_another_whole(
    stage: Stage, house: Namespace
) -> None:
    quiet = stage.namespace()
    member = quiet.member()
    with throng(house, "members", max(MAX_TASKS + 100, THRONG)), snapshot.Helper() as helper:
        crowded = helper.take(house.inode, "dropped", deadline=60)
        rows = helper.take(quiet.inode, "dropped", deadline=60)
    assert len(crowded) == MAX_TASKS + 1
    assert crowded[-1]["left_out"] >= 100
    assert {row["pid"] for row in rows[:-1]} == {quiet.init.pid, member.pid}


def test_when_more_signals_wait_than_are_remembered_a_sender_is_unknown_and_never_another(
    house: Namespace,
) -> None:
    namespaces = 4 * _PENDING // len(_FATAL)
    with (
        Collector(ns=[house.inode], descendants=True, every_record=True) as live,
        throng(house, "blocking", namespaces) as blocking,
    ):
        blocking.send(*_FATAL)
        blocking.unblock()
        live.detach()
        rows = [row for row in live.drain().rows() if row["stage"] == "deliver"]
        losses = live.losses()
    assert (losses.lost, losses.uncounted) == (0, 0)
    assert {row["verdict"] for row in rows} == {"dropped_at_deliver"}
    assert len(rows) == namespaces * len(_FATAL)
    senders = Counter((row["target_comm"], row["sender_comm"]) for row in rows)
    assert {sender for target, sender in senders if sender != target} == {""}
    assert sum(many for (target, sender), many in senders.items() if sender == target) > 0


def test_a_full_table_of_counts_is_said_and_what_has_a_row_is_counted_exactly(
    stage: Stage, house: Namespace
) -> None:
    quiet, noisy = stage.namespace(), 2 * COUNTS_ENTRIES // len(_FATAL)
    with (
        Collector(ns=[house.inode, quiet.inode], descendants=True) as live,
        throng(house, "namespaces", noisy) as crowd,
    ):
        stage.outside.kill(quiet.init, 15)
        crowd.send(*_FATAL)
        for _ in range(9):
            stage.outside.kill(quiet.init, 15)
        stage.outside.kill(quiet.init, 1)
        counts, losses = live.counts(), live.losses()
        records = [row for row in live.drain(1).rows() if row["nsid"] == quiet.inode]
    assert counts.dropped()[quiet.inode] == 10
    assert losses.uncounted > 0
    assert counts.signals_seen + losses.uncounted >= noisy * len(_FATAL) + 11
    assert [row["signal"] for row in records].count(1) == 1
