"""Whose each namespace is: found out once, by a thread, again while a runtime is at work."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from sigtrace.clock import TICK_NS
from sigtrace.containers import resolver as names_module
from sigtrace.containers.resolver import ContainerResolver
from sigtrace.events.container import Container
from sigtrace.events.nskey import NsKey
from sigtrace.procfs.namespaces import PidNamespace, Survey
from tests.builders.naming import OTHER, WEB, Runtime, batch, born, runtime_of_pids


@pytest.fixture
def runtime(monkeypatch: pytest.MonkeyPatch) -> Runtime:
    return runtime_of_pids(monkeypatch)


@pytest.fixture
def names(runtime: Runtime) -> Iterator[ContainerResolver]:
    found = ContainerResolver(runtime)
    found.start(seeded=True)
    yield found
    found.close()


def test_a_born_init_is_looked_up_once_and_stays_known(names: ContainerResolver, runtime: Runtime) -> None:
    runtime.containers[42] = WEB
    names.observe(batch(born(42, stage="exec")))
    names.wait([(7, 500)], 5)
    assert names.of(NsKey(7, 500)) == WEB
    names.observe(batch(born(42, stage="exec")))
    assert names.of(NsKey(7, 500)) == WEB
    assert runtime.asked == [42]


def test_a_newborn_in_the_cgroup_around_its_own_gets_its_own_name_in_the_end(
    names: ContainerResolver, runtime: Runtime
) -> None:
    runtime.containers[42] = OTHER  # the container in which its runtime runs
    names.observe(batch(born(42)))
    runtime.wait_until_asked(2)
    assert not names.settled(NsKey(7, 500))
    runtime.containers[42] = WEB
    names.observe(batch(born(42, stage="exec")))
    names.wait([(7, 500)], 5)
    assert names.of(NsKey(7, 500)) == WEB


def test_an_inode_that_is_used_again_is_another_container(names: ContainerResolver, runtime: Runtime) -> None:
    runtime.containers = {42: WEB, 43: OTHER}
    names.observe(batch(born(42, stage="exec"), born(43, start=900 * TICK_NS, stage="exec")))
    names.wait([(7, 500), (7, 900)], 5)
    assert (names.of(NsKey(7, 500)), names.of(NsKey(7, 900))) == (WEB, OTHER)


def test_a_runtime_that_is_still_at_work_is_asked_again(names: ContainerResolver, runtime: Runtime) -> None:
    names.observe(batch(born(42)))
    runtime.wait_until_asked(2)
    assert not names.settled(NsKey(7, 500))
    runtime.containers[42] = WEB
    names.wait([(7, 500)], 5)
    assert names.of(NsKey(7, 500)) == WEB


def test_what_runs_outside_of_containers_is_settled_soon_after_its_exec(
    names: ContainerResolver, runtime: Runtime
) -> None:
    names.observe(batch(born(42), born(42, stage="exec")))
    names.wait([(7, 500)], 5)
    assert names.settled(NsKey(7, 500))
    assert names.of(NsKey(7, 500)) is None
    assert len(runtime.asked) < len(names_module._RETRY_SECONDS)  # the longer rests were left out


def test_an_init_that_is_gone_is_not_waited_for(names: ContainerResolver, runtime: Runtime) -> None:
    names.observe(batch(born(5000)))  # no such process
    names.wait([(7, 500)], 5)
    assert names.settled(NsKey(7, 500))
    assert runtime.asked == []


@pytest.mark.parametrize("around", [None, OTHER])
def test_one_that_a_survey_sees_too_early_gets_its_name_all_the_same(
    names: ContainerResolver, runtime: Runtime, around: Container | None
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


def test_a_young_one_that_a_survey_sees_in_its_place_is_settled(
    names: ContainerResolver, runtime: Runtime
) -> None:
    ticks = time.clock_gettime_ns(time.CLOCK_BOOTTIME) // TICK_NS
    runtime.containers[42] = WEB
    names.seed(Survey((PidNamespace(7, 1, init_pid=42, ns_start=ticks),), 1, 0, False))
    assert names.settled(NsKey(7, ticks))


def test_one_that_is_not_young_is_settled_by_a_survey(names: ContainerResolver) -> None:
    names.seed(Survey((PidNamespace(7, 1, init_pid=42, ns_start=1),), 1, 0, False))
    assert names.settled(NsKey(7, 1))


def test_one_survey_is_enough_for_all_whose_birth_was_not_recorded(
    names: ContainerResolver, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    surveys = []

    def survey() -> Survey:
        surveys.append(None)
        return Survey((PidNamespace(1, 1, init_pid=42, ns_start=1),), 1, 0, False)

    monkeypatch.setattr(names_module, "survey", survey)
    runtime.containers[42] = WEB
    keys = [NsKey(inode, 1) for inode in range(1, 500)]
    names.wait(keys, 20)
    assert all(names.settled(key) for key in keys)
    assert names.of(keys[0]) == WEB
    assert len(surveys) <= 2


def test_above_a_namespace_is_who_has_the_inode_now(names: ContainerResolver, runtime: Runtime) -> None:
    host = 4026531836
    seen = [
        PidNamespace(nsid, 1, init_pid=42, ns_start=start) for nsid, start in ((host, 3), (host, 5), (7, 9))
    ]
    names.seed(Survey(tuple(seen), 3, 0, False))
    assert names.above(NsKey(7, 9)) == ((host, 5),)


def test_a_namespace_above_that_was_displaced_is_not_known(
    names: ContainerResolver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(names_module, "_MOST", 3)
    monkeypatch.setattr(names_module, "ancestors", lambda _: (100, 2))
    for inode in (100, 1, 2):
        names.seed(Survey((PidNamespace(inode, 1, init_pid=42, ns_start=1),), 1, 0, False))
    assert names.above(NsKey(2, 1)) == ((100, 1),)
    for inode in (3, 4):  # the first of these displaces 100
        names.seed(Survey((PidNamespace(inode, 1, init_pid=42, ns_start=1),), 1, 0, False))
    assert names.above(NsKey(4, 1)) == ((2, 1),)
    assert not names.settled(NsKey(100, 1))


def test_a_record_without_a_namespace_is_not_waited_for(names: ContainerResolver) -> None:
    names.wait([(0, 0)], 5)
    assert names.of(NsKey(0, 0)) is None


def test_a_lookup_that_fails_leaves_the_thread_at_work(names: ContainerResolver, runtime: Runtime) -> None:
    runtime.containers = {43: OTHER}

    def ask(pid: int) -> Container | None:
        if pid == 42:
            raise RuntimeError("broken")
        return runtime.containers.get(pid)

    names._resolve = ask
    names.observe(batch(born(42), born(43, nsid=8)))
    names.wait([(8, 500)], 5)
    assert names.of(NsKey(8, 500)) == OTHER


def test_what_is_found_out_is_news_once(names: ContainerResolver, runtime: Runtime) -> None:
    runtime.containers[42] = WEB
    names.observe(batch(born(42, stage="exec")))
    names.wait([(7, 500)], 5)
    assert names.news() == [((7, 500), WEB)]
    assert names.news() == []


def test_trouble_with_one_namespace_leaves_the_others_their_names(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever a lookup raises, before and after it others are named: in the first survey and as they are born."""
    runtime.containers = {41: WEB, 43: OTHER, 45: WEB}

    def resolve(pid: int) -> Container | None:
        if pid in (42, 44):
            raise OverflowError
        return runtime(pid)

    inits = [PidNamespace(nsid, 1, None, pid, 500) for nsid, pid in ((7, 41), (8, 42), (9, 43))]
    monkeypatch.setattr(names_module, "survey", lambda: Survey(tuple(inits), 3, 0, False))
    names = ContainerResolver(resolve)
    names.start()
    try:
        names.wait([NsKey(7, 500), NsKey(9, 500)], 5)
        names.observe(batch(born(44, nsid=10, stage="exec"), born(45, nsid=11, stage="exec")))
        names.wait([NsKey(11, 500)], 5)
        assert [names.of(NsKey(nsid, 500)) for nsid in (7, 8, 9, 10, 11)] == [WEB, None, OTHER, None, WEB]
    finally:
        names.close()
