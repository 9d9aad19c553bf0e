"""Following containers: whose records pass, whose wait for a decision, and whom the kernel is told to leave out."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from sigtrace.clock import TICK_NS
from sigtrace.containers.resolver import ContainerResolver
from sigtrace.containers.selector import ContainerSelector
from sigtrace.events.batch import Batch
from sigtrace.events.container import Container
from sigtrace.events.nskey import NsKey
from sigtrace.live.container_filter import ContainerFilter
from tests.builders.naming import OTHER, WEB, batch, born, drop, runtime_of_pids


class Known(ContainerResolver):
    """ContainerResolver that are told."""

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


def follower(known: Known, ns: dict[int, int] | None = None, descendants: bool = False) -> ContainerFilter:
    return ContainerFilter(ContainerSelector(("web-1",)), known, ns or {}, descendants)


def nsids(passed: Batch) -> list[int]:
    return [int(nsid) for nsid in passed.records["nsid"]]


def test_only_the_records_of_the_wanted_container_pass() -> None:
    known = Known()
    known.told = {(7, 500): WEB, (8, 500): OTHER, (9, 500): None}
    following = follower(known)
    assert nsids(following.filter(batch(drop(8), drop(7), drop(9), drop(7)))) == [7, 7]
    assert sorted(following.excluded()) == [(8, 500), (9, 500)]


def test_records_of_a_namespace_without_a_name_yet_are_held_back_and_not_lost() -> None:
    known = Known()
    following = follower(known)
    assert nsids(following.filter(batch(drop(7), drop(8)))) == []
    assert following.holding
    known.told = {(7, 500): WEB, (8, 500): OTHER}
    assert nsids(following.filter(batch(drop(7)))) == [7, 7]
    assert not following.holding


def test_an_inode_used_again_by_the_container_passes_though_it_was_excluded() -> None:
    known = Known()
    known.told = {(7, 500): OTHER, (7, 900): WEB}
    following = follower(known)
    assert nsids(following.filter(batch(drop(7), drop(7, 900 * TICK_NS)))) == [7]
    assert following.excluded() == [(7, 500)]


def test_namespaces_that_were_named_pass_beside_the_containers() -> None:
    known = Known()
    known.told = {(7, 500): OTHER, (8, 500): None}
    assert nsids(follower(known, {7: 500}).filter(batch(drop(7), drop(8)))) == [7]
    assert nsids(follower(known, {7: 499}).filter(batch(drop(7)))) == []


def test_what_is_below_passes_only_when_asked_for() -> None:
    known = Known()
    known.told = {(7, 500): WEB, (8, 500): OTHER}
    known.parents = {(8, 500): (NsKey(7, 500), NsKey(1, 1))}
    assert nsids(follower(known).filter(batch(drop(7), drop(8)))) == [7]
    assert nsids(follower(known, descendants=True).filter(batch(drop(7), drop(8)))) == [7, 8]


def test_what_is_below_passes_though_nothing_happened_in_the_container_itself() -> None:
    known = Known()
    known.told = {(7, 500): WEB, (8, 500): OTHER}
    known.parents = {(8, 500): (NsKey(7, 500),)}
    assert nsids(follower(known, descendants=True).filter(batch(drop(8)))) == [8]


def test_what_is_below_waits_for_the_name_of_what_is_above() -> None:
    known = Known()
    known.told = {(8, 500): None}
    known.parents = {(8, 500): (NsKey(7, 500),)}
    following = follower(known, descendants=True)
    assert nsids(following.filter(batch(drop(8)))) == []
    known.told[7, 500] = WEB
    assert nsids(following.filter(batch(drop(8)))) == [8, 8]


def test_what_is_below_another_user_of_the_inode_does_not_pass() -> None:
    known = Known()
    known.told = {(7, 500): WEB, (7, 900): OTHER, (8, 950): None}
    known.parents = {(8, 950): (NsKey(7, 900),)}
    following = follower(known, {9: 500}, descendants=True)
    assert nsids(following.filter(batch(drop(7), drop(8, 950 * TICK_NS)))) == [7]


def test_at_the_end_what_is_known_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    runtime = runtime_of_pids(monkeypatch)
    names = ContainerResolver(runtime)
    names.start(seeded=True)
    runtime.containers[42] = Container("aa" * 32, "", "runc")  # no name: it is looked for again and again
    following = ContainerFilter(ContainerSelector(("aaa",)), names, {}, False)
    names.observe(batch(born(42)))
    assert nsids(following.filter(batch(drop(7)))) == []
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
                for mask in pool.map(following.selects, [records] * 4):
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
    following.filter(batch(drop(7), drop(7), drop(9)))
    following.filter(batch(drop(7)))
    assert heard == [7, 9]
