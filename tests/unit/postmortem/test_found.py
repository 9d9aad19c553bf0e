"""What is found in the records of many namespaces at once is what is found in those of each alone."""

from __future__ import annotations

import numpy as np
import pytest

from sigtrace.clock import TICK_NS
from sigtrace.events import wire
from sigtrace.events.batch import Batch
from sigtrace.events.container import Container
from sigtrace.postmortem import Case, Window
from sigtrace.postmortem.found import by_namespace, find
from tests.builders.records import record
from tests.builders.stories import SECOND, stop

HOMES = {40: Container(id="a" * 64, name="web", runtime="docker", stop_signal="SIGUSR1")}
"""The container of each inode that has one."""


def mixed(seed: int) -> Batch:
    """Signals to inits and members of eight namespaces, two of which had the same inode, in the order of time."""
    random = np.random.default_rng(seed)
    size = 600
    r = np.zeros(size, wire.EVENT.dtype())
    which = random.integers(0, 8, size)
    r["time"] = np.sort(random.integers(20, 2000, size)) * SECOND // 2
    r["nsid"] = 40 + which % 7
    r["ns_start"] = np.where(which == 7, 600, 5) * SECOND + which
    r["ns_level"] = 1
    init = random.random(size) < 0.8
    r["flags"] = np.where(init, wire.FLAG["init"] | wire.FLAG["unkillable"], 0)
    r["target_pid"] = np.where(init, 100 + which, 200 + 10 * which + random.integers(0, 9, size))
    r["target_tid"] = r["target_pid"] + (random.random(size) < 0.2)
    r["target_start"] = np.where(init, r["ns_start"], 1)
    r["target_comm"] = np.where(r["target_tid"] == r["target_pid"], b"app", b"thread")
    r["signal"] = random.choice([15, 9, 1, 10, 17], size, p=[0.5, 0.05, 0.2, 0.2, 0.05])
    r["stage"] = random.choice(
        [wire.STAGE[name] for name in ("generate", "deliver", "exit")], size, p=[0.7, 0.27, 0.03]
    )
    r["result"] = np.where(r["stage"] == wire.STAGE["generate"], random.integers(0, 2, size), -1)
    r["disposition"] = random.integers(1, 4, size)
    r["relation"] = random.choice([wire.RELATION[name] for name in ("ancestor", "same", "kernel")], size)
    r["sender_pid"], r["sender_comm"] = 7, random.choice([b"runc", b"bash"], size)
    r["signal"][r["stage"] == wire.STAGE["exit"]] = 0
    return Batch(r, 11, "host", lambda key: HOMES.get(key.inode))


@pytest.mark.parametrize("seed", range(6))
def test_each_namespace_has_the_case_that_it_has_alone(seed: int) -> None:
    batch = mixed(seed)
    window = Window.of(batch)
    keys, attempts = [], 0
    for key, part in by_namespace(find(batch)):
        together = Case.of_found(part, key, HOMES.get(key.inode), (), window)
        r = batch.records
        own = batch[(r["nsid"] == key.inode) & (r["ns_start"] // TICK_NS == key.start)]
        alone = Case.from_batch(own, ns=key, window=window)
        assert together.attempts == alone.attempts
        for one, other in zip(together.attempts, alone.attempts, strict=True):
            assert one.rows.tolist() == other.rows.tolist()
            assert (one.first, one.kill, one.exit) == (other.first, other.kill, other.exit)
        assert together.events == alone.events
        assert together.totals == alone.totals
        assert (together.failed_starts, together.container) == (alone.failed_starts, alone.container)
        keys.append(key)
        attempts += len(alone.attempts)
    assert keys == sorted(batch.namespaces())
    assert len(keys) == 8
    assert attempts > len(keys) // 2


def test_a_start_that_failed_is_one_of_its_own_namespace() -> None:
    about = {
        "nsid": 9,
        "ns_start": 7 * SECOND,
        "ns_level": 1,
        "target_pid": 77,
        "target_comm": b"runc:[2:INIT]",
    }
    born = record(**about, time=7 * SECOND, stage="init", signal=0, result=-1)
    ended = record(**about, time=8 * SECOND, signal=9, result=0, sender_pid=5, sender_comm=b"runc")
    records = sorted([*stop(nsid=8, start=5 * SECOND), born, ended], key=lambda each: int(each["time"][0]))
    found = dict(by_namespace(find(Batch(np.concatenate(records), 0, "host"))))
    failed = {
        key.inode: [part.batch.records["nsid"][row] for row in part.failed_starts]
        for key, part in found.items()
    }
    assert failed == {8: [], 9: [9]}


def test_nothing_is_found_in_nothing() -> None:
    assert list(by_namespace(find(Batch(np.zeros(0, wire.EVENT.dtype()), 0, "host")))) == []
