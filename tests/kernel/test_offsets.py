"""Offsets resolved from BTF: what the programs read through them is what /proc says of the same tasks."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sigtrace.events import wire
from sigtrace.events.batch import Batch
from sigtrace.lab.actor import Actor
from sigtrace.lab.stage import Stage
from sigtrace.live.collector import Collector

pytestmark = pytest.mark.kernel

TICK = 10_000_000


@pytest.fixture(params=["btf", "raw"])
def live(request: pytest.FixtureRequest):  # type: ignore[no-untyped-def]
    with Collector(scope="all", method=request.param) as attached:
        assert attached.method == request.param
        yield attached


def _last(live: Collector, target: Actor, stage: str) -> Batch:
    batch = live.drain(1)
    picked = (batch.records["target_pid"] == target.pid) & (batch.records["stage"] == wire.STAGE[stage])
    assert picked.any()
    return batch[picked][-1:]


def _ticks(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])


def _field(pid: int, name: str) -> list[str]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(line.partition(":")[2].split() for line in lines if line.startswith(f"{name}:"))


def _inode(pid: int) -> int:
    return int(os.readlink(f"/proc/{pid}/ns/pid")[5:-1])


@pytest.mark.parametrize("depth", [0, 1, 2, 3, 5, 31, 32])
def test_target_and_sender_are_as_proc_shows_them(stage: Stage, live: Collector, depth: int) -> None:
    namespace, sender = None, stage.outside
    for _ in range(depth):
        namespace = (namespace.init if namespace else stage.outside).namespace()
    target = namespace.member() if namespace else stage.actor()
    init = namespace.init.pid if namespace else 1
    target.set("ignore", 15)
    live.drain()
    sender.kill(target, 15)
    record = next(_last(live, target, "generate").rows())
    assert record["nsid"] == _inode(target.pid)
    assert record["ns_level"] == len(_field(target.pid, "NSpid")) - 1 == depth
    assert record["target_ns_pid"] == int(_field(target.pid, "NSpid")[-1])
    assert record["target_pid"] == record["target_tid"] == target.pid
    assert record["target_comm"] == Path(f"/proc/{target.pid}/comm").read_text().strip()
    assert record["target_start"] // TICK == _ticks(target.pid)
    assert record["disposition"] == "ignore"
    assert record["relation"] == ("ancestor" if depth else "same")
    assert record["sender_pid"] == sender.pid
    assert record["sender_nsid"] == _inode(sender.pid)
    assert record["sender_uid"] == int(_field(sender.pid, "Uid")[0])
    assert record["sender_comm"] == Path(f"/proc/{sender.pid}/comm").read_text().strip()
    parent = int(_field(sender.pid, "PPid")[0])
    assert record["sender_parent_pid"] == parent
    assert record["sender_parent_comm"] == Path(f"/proc/{parent}/comm").read_text().strip()
    counts = live.counts().records
    ours = counts[(counts["nsid"] == _inode(target.pid)) & (counts["signal"] == 15)]
    assert {start // TICK for start in ours["ns_start"].tolist()} == {_ticks(init)}


def test_the_uid_is_the_senders(stage: Stage, live: Collector) -> None:
    sender, target = stage.actor(), stage.actor()
    sender("os.setresuid(54321, 54321, 54321)")
    target("os.setresuid(54321, 54321, 54321)")
    target.set("ignore", 15)
    sender.kill(target, 15)
    assert next(_last(live, target, "generate").rows())["sender_uid"] == 54321


@pytest.mark.parametrize("number", [1, 10, 31, 34, 64])
@pytest.mark.parametrize("how", ["default", "ignore", "handler"])
def test_the_disposition_is_that_of_this_very_signal(
    stage: Stage, live: Collector, number: int, how: str
) -> None:
    init = stage.namespace().init
    init.set("ignore" if how != "ignore" else "handler", *{1, 10, 31, 34, 64} - {number})
    if how != "default":
        init.set(how, number)  # type: ignore[arg-type]
    stage.outside.kill(init, number)
    assert next(_last(live, init, "generate").rows())["disposition"] == how


@pytest.mark.parametrize(("do", "code", "signal"), [("os._exit(7)", 7, 0), ("os.kill(os.getpid(), 9)", 0, 9)])
def test_the_exit_status_is_what_wait_reports(
    stage: Stage, live: Collector, do: str, code: int, signal: int
) -> None:
    actor = stage.actor()
    actor.channel.request(do)
    fate = actor.fate()
    assert (fate.state, fate.code) == (("killed", signal) if signal else ("exited", code))
    row = next(_last(live, actor, "exit").rows())
    assert (row["exit_code"], row["exit_signal"]) == (code, signal)
