"""Whose each namespace is: found out once, by a thread, again while a runtime is at work; and who is followed."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pytest

from sigtrace.batch import Batch, by_namespace, join
from sigtrace.clock import TICK_NS
from sigtrace.containers import names as names_module
from sigtrace.containers.choose import Wanted
from sigtrace.containers.container import Container
from sigtrace.containers.follow import Follower
from sigtrace.containers.names import Names
from tests.unit.records import record

WEB = Container("aa" * 32, "web-1", "docker", "nginx:1.25")
OTHER = Container("bb" * 32, "db", "docker")
START = 500 * TICK_NS


class Runtime:
    """Answers for a runtime's files; may be told to answer later."""

    def __init__(self) -> None:
        self.containers: dict[int, Container | None] = {}
        self.asked: list[int] = []
        self.changed = threading.Condition()

    def __call__(self, pid: int) -> Container | None:
        with self.changed:
            self.asked.append(pid)
            self.changed.notify_all()
        return self.containers.get(pid)

    def wait_until_asked(self, times: int) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.asked) >= times, 5)


@pytest.fixture
def runtime(monkeypatch: pytest.MonkeyPatch) -> Runtime:
    monkeypatch.setattr(names_module, "_is_init", lambda pid, key: pid < 1000)
    monkeypatch.setattr(names_module, "ancestors", lambda path: iter([4026531836]))
    return Runtime()


@pytest.fixture
def names(runtime: Runtime) -> Iterator[Names]:
    found = Names(runtime)
    found.start(seeded=True)
    yield found
    found.close()


def born(pid: int, nsid: int = 7, start: int = START, stage: str = "init") -> npt.NDArray[np.void]:
    return record(stage=stage, signal=0, nsid=nsid, ns_start=start, target_pid=pid, flags=("init",))


def batch(*records: npt.NDArray[np.void]) -> Batch:
    return Batch(np.concatenate(records), 0, "h")


def test_a_born_init_is_looked_up_once_and_stays_known(names: Names, runtime: Runtime) -> None:
    runtime.containers[42] = WEB
    names.observe(batch(born(42, stage="exec")))
    names.wait([(7, 500)], 5)
    assert names.of(7, 500) == WEB
    names.observe(batch(born(42, stage="exec")))
    assert names.of(7, 500) == WEB
    assert runtime.asked == [42]


def test_a_newborn_in_the_cgroup_around_its_own_gets_its_own_name_in_the_end(
    names: Names, runtime: Runtime
) -> None:
    runtime.containers[42] = OTHER  # the container in which its runtime runs
    names.observe(batch(born(42)))
    runtime.wait_until_asked(2)
    assert not names.settled(7, 500)
    runtime.containers[42] = WEB
    names.observe(batch(born(42, stage="exec")))
    names.wait([(7, 500)], 5)
    assert names.of(7, 500) == WEB


def test_an_inode_that_is_used_again_is_another_container(names: Names, runtime: Runtime) -> None:
    runtime.containers = {42: WEB, 43: OTHER}
    names.observe(batch(born(42, stage="exec"), born(43, start=900 * TICK_NS, stage="exec")))
    names.wait([(7, 500), (7, 900)], 5)
    assert (names.of(7, 500), names.of(7, 900)) == (WEB, OTHER)


def test_a_runtime_that_is_still_at_work_is_asked_again(names: Names, runtime: Runtime) -> None:
    names.observe(batch(born(42)))
    runtime.wait_until_asked(2)
    assert not names.settled(7, 500)
    runtime.containers[42] = WEB
    names.wait([(7, 500)], 5)
    assert names.of(7, 500) == WEB


def test_what_runs_outside_of_containers_is_settled_soon_after_its_exec(names: Names) -> None:
    names.observe(batch(born(42), born(42, stage="exec")))
    began = time.monotonic()
    while not names.settled(7, 500):
        assert time.monotonic() - began < 5
        time.sleep(0.01)
    assert names.of(7, 500) is None
    assert time.monotonic() - began < 1


def test_an_init_that_is_gone_is_not_waited_for(names: Names, runtime: Runtime) -> None:
    names.observe(batch(born(5000)))  # no such process
    names.wait([(7, 500)], 5)
    assert names.settled(7, 500)
    assert runtime.asked == []


def test_a_lookup_that_fails_leaves_the_thread_at_work(names: Names, runtime: Runtime) -> None:
    runtime.containers = {43: OTHER}

    def ask(pid: int) -> Container | None:
        if pid == 42:
            raise RuntimeError("broken")
        return runtime.containers.get(pid)

    names._resolve = ask
    names.observe(batch(born(42), born(43, nsid=8)))
    names.wait([(8, 500)], 5)
    assert names.of(8, 500) == OTHER


def test_what_is_found_out_is_news_once(names: Names, runtime: Runtime) -> None:
    runtime.containers[42] = WEB
    names.observe(batch(born(42, stage="exec")))
    names.wait([(7, 500)], 5)
    assert names.news() == [((7, 500), WEB)]
    assert names.news() == []


def test_a_batch_shows_the_containers_its_source_knows() -> None:
    known = {(7, 500): WEB}.get
    records = batch(
        record(nsid=7, ns_start=START), record(nsid=8, ns_start=START), record(nsid=7, ns_start=1)
    )
    table = Batch(records.records, 0, "h", lambda nsid, ticks: known((nsid, ticks))).to_pandas()
    assert table["container_name"].tolist() == ["web-1", "", ""]
    assert table["image"].tolist() == ["nginx:1.25", "", ""]


def test_joined_batches_keep_their_own_containers() -> None:
    one = Batch(record(nsid=7, ns_start=START), 0, "a", lambda nsid, ticks: WEB)
    other = Batch(record(nsid=7, ns_start=START), 0, "b", lambda nsid, ticks: OTHER)
    both = join([one, other, one])
    assert [row["container_name"] for row in both.rows()] == ["web-1", "db", "web-1"]
    assert [row["container_name"] for row in both[1:].rows()] == ["db", "web-1"]


def test_rows_are_grouped_by_namespace_however_they_interleave() -> None:
    rows = np.concatenate([record(nsid=n, ns_start=s) for n, s in ((7, 1), (8, 1), (7, 1), (7, 2))])
    keys, codes = by_namespace(rows["nsid"], rows["ns_start"])
    assert [keys[code] for code in codes] == [(7, 1), (8, 1), (7, 1), (7, 2)]
    assert by_namespace(rows["nsid"][:0], rows["ns_start"][:0])[0] == []


# Following ---------------------------------------------------------------------------------------------


class Known(Names):
    """Names that are told."""

    def __init__(self) -> None:
        super().__init__(lambda pid: None)
        self.told: dict[tuple[int, int], Container | None] = {}
        self.parents: tuple[int, ...] = ()

    def of(self, nsid: int, ticks: int) -> Container | None:
        return self.told.get((nsid, ticks))

    def settled(self, nsid: int, ticks: int) -> bool:
        return (nsid, ticks) in self.told

    def above(self, nsid: int, ticks: int) -> tuple[int, ...]:
        return self.parents


def follower(known: Known, ns: dict[int, int] | None = None, descendants: bool = False) -> Follower:
    return Follower(Wanted(("web-1",)), known, ns or {}, descendants)


def nsids(passed: Batch) -> list[int]:
    return [int(nsid) for nsid in passed.records["nsid"]]


def drop(nsid: int, start: int = START) -> npt.NDArray[np.void]:
    return record(nsid=nsid, ns_start=start)


def test_only_the_records_of_the_wanted_container_pass() -> None:
    known = Known()
    known.told = {(7, 500): WEB, (8, 500): OTHER, (9, 500): None}
    following = follower(known)
    assert nsids(following.sift(batch(drop(8), drop(7), drop(9), drop(7)))) == [7, 7]
    assert sorted(following.excluded()) == [(8, 500), (9, 500)]


def test_records_of_a_namespace_without_a_name_yet_are_held_back_and_not_lost() -> None:
    known = Known()
    following = follower(known)
    assert nsids(following.sift(batch(drop(7), drop(8)))) == []
    assert following.holding
    known.told = {(7, 500): WEB, (8, 500): OTHER}
    assert nsids(following.sift(batch(drop(7)))) == [7, 7]
    assert not following.holding


def test_an_inode_used_again_by_the_container_passes_though_it_was_excluded() -> None:
    known = Known()
    known.told = {(7, 500): OTHER, (7, 900): WEB}
    following = follower(known)
    assert nsids(following.sift(batch(drop(7), drop(7, 900 * TICK_NS)))) == [7]
    assert following.excluded() == [(7, 500)]


def test_namespaces_that_were_named_pass_beside_the_containers() -> None:
    known = Known()
    known.told = {(7, 500): OTHER, (8, 500): None}
    assert nsids(follower(known, {7: 500}).sift(batch(drop(7), drop(8)))) == [7]
    assert nsids(follower(known, {7: 499}).sift(batch(drop(7)))) == []


def test_what_is_below_passes_only_when_asked_for() -> None:
    known = Known()
    known.told = {(7, 500): WEB, (8, 500): OTHER}
    known.parents = (7, 1)
    assert nsids(follower(known).sift(batch(drop(7), drop(8)))) == [7]
    assert nsids(follower(known, descendants=True).sift(batch(drop(7), drop(8)))) == [7, 8]


def test_a_container_is_announced_once_for_each_namespace() -> None:
    known = Known()
    known.told = {(7, 500): WEB, (9, 500): WEB}
    following = follower(known)
    heard: list[int] = []
    following.on_found = lambda container, nsid: heard.append(nsid)
    following.sift(batch(drop(7), drop(7), drop(9)))
    following.sift(batch(drop(7)))
    assert heard == [7, 9]
