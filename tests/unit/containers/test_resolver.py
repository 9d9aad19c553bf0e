"""Whose each namespace is: found out once, by a thread, again while a runtime is at work; and who is followed."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import numpy as np
import numpy.typing as npt
import pytest

from sigtrace.cli.live import footer
from sigtrace.clock import TICK_NS
from sigtrace.containers import resolver as names_module
from sigtrace.containers.resolver import Names
from sigtrace.containers.selector import Wanted
from sigtrace.events.batch import Batch, join
from sigtrace.events.container import Container
from sigtrace.events.counts import COUNT, Counts
from sigtrace.events.nskey import NsKey
from sigtrace.live.container_filter import Follower
from sigtrace.live.kernel.counts import Losses
from sigtrace.procfs.namespaces import PidNamespace, Survey
from tests.builders.records import record

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
    assert names.of(NsKey(7, 500)) == WEB
    names.observe(batch(born(42, stage="exec")))
    assert names.of(NsKey(7, 500)) == WEB
    assert runtime.asked == [42]


def test_a_newborn_in_the_cgroup_around_its_own_gets_its_own_name_in_the_end(
    names: Names, runtime: Runtime
) -> None:
    runtime.containers[42] = OTHER  # the container in which its runtime runs
    names.observe(batch(born(42)))
    runtime.wait_until_asked(2)
    assert not names.settled(NsKey(7, 500))
    runtime.containers[42] = WEB
    names.observe(batch(born(42, stage="exec")))
    names.wait([(7, 500)], 5)
    assert names.of(NsKey(7, 500)) == WEB


def test_an_inode_that_is_used_again_is_another_container(names: Names, runtime: Runtime) -> None:
    runtime.containers = {42: WEB, 43: OTHER}
    names.observe(batch(born(42, stage="exec"), born(43, start=900 * TICK_NS, stage="exec")))
    names.wait([(7, 500), (7, 900)], 5)
    assert (names.of(NsKey(7, 500)), names.of(NsKey(7, 900))) == (WEB, OTHER)


def test_a_runtime_that_is_still_at_work_is_asked_again(names: Names, runtime: Runtime) -> None:
    names.observe(batch(born(42)))
    runtime.wait_until_asked(2)
    assert not names.settled(NsKey(7, 500))
    runtime.containers[42] = WEB
    names.wait([(7, 500)], 5)
    assert names.of(NsKey(7, 500)) == WEB


def test_what_runs_outside_of_containers_is_settled_soon_after_its_exec(
    names: Names, runtime: Runtime
) -> None:
    names.observe(batch(born(42), born(42, stage="exec")))
    names.wait([(7, 500)], 5)
    assert names.settled(NsKey(7, 500))
    assert names.of(NsKey(7, 500)) is None
    assert len(runtime.asked) < len(names_module._AGAIN)  # the longer rests were left out


def test_an_init_that_is_gone_is_not_waited_for(names: Names, runtime: Runtime) -> None:
    names.observe(batch(born(5000)))  # no such process
    names.wait([(7, 500)], 5)
    assert names.settled(NsKey(7, 500))
    assert runtime.asked == []


@pytest.mark.parametrize("around", [None, OTHER])
def test_one_that_a_survey_sees_too_early_gets_its_name_all_the_same(
    names: Names, runtime: Runtime, around: Container | None
) -> None:
    now = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    ticks = now // TICK_NS
    above = PidNamespace(4026531836, 0, init_pid=41, ns_start=1)
    if around:
        runtime.containers = {41: around, 42: around}
    names.seed(Survey((above, PidNamespace(7, 1, init_pid=42, ns_start=ticks)), 2, 0, False))
    assert names.of(NsKey(7, ticks)) == around
    runtime.containers[42] = WEB  # only now its runtime has put it where it belongs
    names.observe(batch(born(42, start=now, stage="exec")))
    names.wait([(7, ticks)], 5)
    assert names.of(NsKey(7, ticks)) == WEB


def test_a_young_one_that_a_survey_sees_in_its_place_is_settled(names: Names, runtime: Runtime) -> None:
    ticks = time.clock_gettime_ns(time.CLOCK_BOOTTIME) // TICK_NS
    runtime.containers[42] = WEB
    names.seed(Survey((PidNamespace(7, 1, init_pid=42, ns_start=ticks),), 1, 0, False))
    assert names.settled(NsKey(7, ticks))


def test_one_that_is_not_young_is_settled_by_a_survey(names: Names) -> None:
    names.seed(Survey((PidNamespace(7, 1, init_pid=42, ns_start=1),), 1, 0, False))
    assert names.settled(NsKey(7, 1))


def test_above_a_namespace_is_who_has_the_inode_now(names: Names, runtime: Runtime) -> None:
    host = 4026531836
    seen = [
        PidNamespace(nsid, 1, init_pid=42, ns_start=start) for nsid, start in ((host, 3), (host, 5), (7, 9))
    ]
    names.seed(Survey(tuple(seen), 3, 0, False))
    assert names.above(NsKey(7, 9)) == ((host, 5),)


def test_a_record_without_a_namespace_is_not_waited_for(names: Names) -> None:
    names.wait([(0, 0)], 5)
    assert names.of(NsKey(0, 0)) is None


def test_a_lookup_that_fails_leaves_the_thread_at_work(names: Names, runtime: Runtime) -> None:
    runtime.containers = {43: OTHER}

    def ask(pid: int) -> Container | None:
        if pid == 42:
            raise RuntimeError("broken")
        return runtime.containers.get(pid)

    names._resolve = ask
    names.observe(batch(born(42), born(43, nsid=8)))
    names.wait([(8, 500)], 5)
    assert names.of(NsKey(8, 500)) == OTHER


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
    table = Batch(records.records, 0, "h", known).to_pandas()
    assert table["container_name"].tolist() == ["web-1", "", ""]
    assert table["image"].tolist() == ["nginx:1.25", "", ""]


def test_joined_batches_keep_their_own_containers() -> None:
    one = Batch(record(nsid=7, ns_start=START), 0, "a", lambda key: WEB)
    other = Batch(record(nsid=7, ns_start=START), 0, "b", lambda key: OTHER)
    both = join([one, other, one])
    assert [row["container_name"] for row in both.rows()] == ["web-1", "db", "web-1"]
    assert [row["container_name"] for row in both[1:].rows()] == ["db", "web-1"]


# Following ---------------------------------------------------------------------------------------------


class Known(Names):
    """Names that are told."""

    def __init__(self) -> None:
        super().__init__(lambda pid: None)
        self.told: dict[NsKey, Container | None] = {}
        self.parents: dict[NsKey, tuple[tuple[int, int], ...]] = {}

    def of(self, key: NsKey) -> Container | None:
        return self.told.get(key)

    def settled(self, key: NsKey) -> bool:
        return key in self.told

    def above(self, key: NsKey) -> tuple[NsKey, ...]:
        return self.parents.get(key, ())


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
    known.parents = {(8, 500): (NsKey(7, 500), NsKey(1, 1))}
    assert nsids(follower(known).sift(batch(drop(7), drop(8)))) == [7]
    assert nsids(follower(known, descendants=True).sift(batch(drop(7), drop(8)))) == [7, 8]


def test_what_is_below_passes_though_nothing_happened_in_the_container_itself() -> None:
    known = Known()
    known.told = {(7, 500): WEB, (8, 500): OTHER}
    known.parents = {(8, 500): (NsKey(7, 500),)}
    assert nsids(follower(known, descendants=True).sift(batch(drop(8)))) == [8]


def test_what_is_below_waits_for_the_name_of_what_is_above() -> None:
    known = Known()
    known.told = {(8, 500): None}
    known.parents = {(8, 500): (NsKey(7, 500),)}
    following = follower(known, descendants=True)
    assert nsids(following.sift(batch(drop(8)))) == []
    known.told[7, 500] = WEB
    assert nsids(following.sift(batch(drop(8)))) == [8, 8]


def test_what_is_below_another_user_of_the_inode_does_not_pass() -> None:
    known = Known()
    known.told = {(7, 500): WEB, (7, 900): OTHER, (8, 950): None}
    known.parents = {(8, 950): (NsKey(7, 900),)}
    following = follower(known, {9: 500}, descendants=True)
    assert nsids(following.sift(batch(drop(7), drop(8, 950 * TICK_NS)))) == [7]


def test_at_the_end_what_is_known_decides(runtime: Runtime) -> None:
    names = Names(runtime)
    names.start(seeded=True)
    runtime.containers[42] = Container("aa" * 32, "", "runc")  # no name: it is looked for again and again
    following = Follower(Wanted(("aaa",)), names, {}, False)
    names.observe(batch(born(42)))
    assert nsids(following.sift(batch(drop(7)))) == []
    assert nsids(following.finish(batch(drop(7))[:0])) == [7]
    names.close()


def test_reader_and_counter_may_decide_at_the_same_time() -> None:
    known = Known()
    known.told = dict.fromkeys([*((nsid, 500) for nsid in range(2, 600)), (1, 1)])
    known.parents = {(nsid, 500): (NsKey(1, 1),) for nsid in range(2, 600)}
    records = batch(*(drop(nsid) for nsid in range(2, 600))).records
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(4) as pool:
            for _ in range(20):
                following = follower(known, descendants=True)
                for mask in pool.map(following.of_them, [records] * 4):
                    assert not mask.any()
                assert len(following.excluded()) == 599
    finally:
        sys.setswitchinterval(before)


def test_a_container_is_announced_once_for_each_namespace() -> None:
    known = Known()
    known.told = {(7, 500): WEB, (9, 500): WEB}
    following = follower(known)
    heard: list[int] = []
    following.on_found = lambda container, nsid: heard.append(nsid)
    following.sift(batch(drop(7), drop(7), drop(9)))
    following.sift(batch(drop(7)))
    assert heard == [7, 9]


def test_the_totals_at_the_end_tell_users_of_one_inode_apart(capsys: pytest.CaptureFixture[str]) -> None:
    rows = np.zeros(2, COUNT)
    drops = drop(7), drop(7, 900 * TICK_NS)
    for row, one in zip(rows, drops, strict=True):
        for name in set(rows.dtype.names or ()) & set(one.dtype.names or ()):
            row[name] = one[name][0]
    rows["count"] = 3, 2
    counts = Counts(rows)
    assert counts.dropped() == {7: 5}
    live = SimpleNamespace(
        counts=lambda: counts,
        losses=lambda: Losses(5, 0, 0, 0),
        names=SimpleNamespace(known=lambda: {NsKey(7, 500): WEB}),
    )
    footer(live)  # type: ignore[arg-type]
    assert "5 signals seen, 5 dropped: 3 in web-1 (7), 2 in 7\n" in capsys.readouterr().err
