"""Snapshots: what they say is what /proc says, and nothing that hangs can hold them up."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from sigtrace import snapshot
from sigtrace.events.batch import Batch
from sigtrace.lab.channel import wait_until
from sigtrace.lab.stage import Stage
from sigtrace.live.snapshot_trigger import SnapshotTaker
from sigtrace.snapshot import COLUMNS, Helper, SnapshotRow
from sigtrace.snapshot.reading import MAX_TASKS, MAX_THREADS
from tests.builders.fakeproc import FakeProc
from tests.builders.records import record
from tests.conftest import require

NSID, TERM = 4026532249, 15


@pytest.fixture
def helper() -> Iterator[Helper]:
    with Helper() as opened:
        yield opened


def of(rows: list[SnapshotRow], pid: int) -> SnapshotRow:
    return next(row for row in rows if row["tid"] == pid)


def root_only() -> None:
    require(os.geteuid() == 0, "kernel", "PID namespaces need root")


def test_every_row_has_every_column_with_its_type(stage: Stage, helper: Helper) -> None:
    root_only()
    namespace = stage.namespace()
    namespace.member()
    kinds = {"int": int, "str": str, "bool": bool}
    for row in helper.take(namespace.inode, "asked"):
        assert list(row) == list(COLUMNS)
        assert [name for name, value in row.items() if type(value) is not kinds[COLUMNS[name]]] == []


def test_it_shows_members_nested_ones_and_those_with_a_parent_outside(stage: Stage, helper: Helper) -> None:
    root_only()
    namespace = stage.namespace()
    member, joined = namespace.member(), namespace.joined()
    inner = member.namespace()
    rows = helper.take(namespace.inode, "asked")
    assert {row["pid"] for row in rows if row["tid"]} == {
        namespace.init.pid,
        member.pid,
        joined.pid,
        inner.holder.pid,
        inner.init.pid,
    }
    outside = [row["pid"] for row in rows if row["tid"] and row["parent_outside"]]
    assert sorted(outside) == sorted([namespace.init.pid, joined.pid])
    assert [row["pid"] for row in rows if row["is_init"]] == [namespace.init.pid, inner.init.pid]
    assert of(rows, inner.init.pid)["task_nsid"] == inner.inode
    assert (rows[-1]["tid"], rows[-1]["tasks"], rows[-1]["ns_start"]) == (0, 5, namespace.init.start_ticks())


def test_masks_and_waits_are_those_of_proc(stage: Stage, helper: Helper) -> None:
    root_only()
    namespace = stage.namespace()
    init, member = namespace.init, namespace.member()
    init(f"block({TERM}, 10)")
    init.set("handler", 2)
    init.set("ignore", 3)
    fd = init("signalfd([10])")
    stage.outside.kill(init, TERM)
    member(f"block({TERM})")
    ticket = member.channel.request(f"signal.sigtimedwait([{TERM}], 30) and None")
    wait_until(lambda: TERM not in member.mask("SigBlk"), "the member to wait")
    rows = helper.take(namespace.inode, "asked")
    seen = of(rows, init.pid)
    for column, field in {
        "caught": "SigCgt",
        "ignored": "SigIgn",
        "blocked": "SigBlk",
        "shared_pending": "ShdPnd",
    }.items():
        assert seen[column] == init.status(field)
    assert (fd >= 0, int(str(seen["signalfd"]), 16)) == (True, 1 << 9)
    assert int(str(of(rows, member.pid)["awaited"]), 16) == 1 << TERM - 1
    assert of(rows, member.pid)["wchan"].startswith("do_sigtimedwait")  # type: ignore[union-attr]
    member.end()
    assert ticket


def test_a_namespace_that_is_gone_or_another_by_now_gives_its_own_row_only(
    stage: Stage, helper: Helper
) -> None:
    root_only()
    namespace = stage.namespace()
    rows = helper.take(namespace.inode, "asked", ns_start=namespace.init.start_ticks() + 1)
    assert [row["tid"] for row in rows] == [0]
    gone = helper.take(4026500000, "outlived")
    assert [(row["tid"], row["tasks"], row["problem"]) for row in gone] == [(0, 0, "")]


def test_a_file_of_proc_that_hangs_costs_the_deadline_and_what_comes_after_it(tmp_path: Path) -> None:
    fake = FakeProc(tmp_path)
    fake.process(50, nsid=NSID, nspid="50\t1", comm="stuck")
    fake.process(51, nsid=NSID, nspid="51\t2", comm="fine")
    os.unlink(tmp_path / "51" / "cmdline")
    os.mkfifo(tmp_path / "51" / "cmdline")  # opening it blocks until somebody writes
    with Helper(str(tmp_path)) as helper:
        rows = helper.take(NSID, "asked", deadline=1)
        assert [row["comm"] for row in rows] == ["stuck", "fine", ""]
        assert (rows[0]["cmdline"], rows[1]["cmdline"]) == ("app --serve", "")
        assert "longer than 1 s" in str(rows[-1]["problem"])
        os.unlink(tmp_path / "51" / "cmdline")
        assert helper.take(NSID, "asked")[-1]["problem"] == ""


def test_snapshots_that_hang_hold_up_the_end_for_a_moment_only(tmp_path: Path) -> None:
    fake, drops = FakeProc(tmp_path), []
    for pid, nsid in ((50, NSID), (51, NSID + 1), (52, NSID + 2)):
        fake.process(pid, nsid=nsid, nspid=f"{pid}\t1")
        os.unlink(tmp_path / str(pid) / "cmdline")
        os.mkfifo(tmp_path / str(pid) / "cmdline")  # opening it blocks until somebody writes
        drops.append(record(nsid=nsid, ns_level=1, target_pid=pid))
    told: list[list[SnapshotRow]] = []
    taker = SnapshotTaker(told.append, Helper(str(tmp_path)))
    taker.start()
    taker.observe(Batch(np.concatenate(drops), 0))
    taker.end()
    assert len(told) == 1, "it waited for each of them"
    assert "was cut short" in str(told[0][-1]["problem"])
    assert taker.skipped == 2


def test_a_helper_that_is_killed_is_replaced(stage: Stage, helper: Helper) -> None:
    root_only()
    namespace = stage.namespace()
    helper.start()
    assert helper._process is not None
    helper._process.kill()
    helper._process.wait()
    assert len(helper.take(namespace.inode, "asked")) == 2


def test_threads_and_tasks_without_number_are_bounded(tmp_path: Path) -> None:
    fake = FakeProc(tmp_path)
    fake.process(50, nsid=NSID, nspid="50\t1")
    for tid in range(1000, 1000 + MAX_THREADS + 10):
        fake.thread(50, tid, nspid=f"{tid}\t{tid}")
    for pid in range(5000, 5000 + MAX_TASKS):
        fake.process(pid, nsid=NSID, nspid=f"{pid}\t{pid}")
    rows = snapshot.take(NSID, "asked", str(tmp_path), deadline=30)
    assert len(rows) == MAX_TASKS + 1
    assert rows[-1]["tasks"] == MAX_TASKS + MAX_THREADS + 11
    assert rows[-1]["left_out"] == MAX_THREADS + 11
    assert sum(row["pid"] == 50 for row in rows) == MAX_THREADS


def test_hostile_names_are_text(tmp_path: Path) -> None:
    fake = FakeProc(tmp_path)
    fake.process(50, nsid=NSID, nspid="50\t1", comm=b"a) Z 1\xff")
    rows = snapshot.take(NSID, "asked", str(tmp_path))
    assert rows[0]["comm"] == "a) Z 1\\xff"
    assert rows[0]["state"] == "S"
