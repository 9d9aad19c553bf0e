"""What looks at this host now means one namespace, not whichever has its inode: that is reused within milliseconds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from sigtrace.lab.stage import Stage
from sigtrace.live.collector import Collector
from sigtrace.live.rates import Sampler
from sigtrace.postmortem.from_live import Home, all_live, home_of, live
from sigtrace.procfs.process import read_stat

pytestmark = pytest.mark.kernel


@pytest.fixture
def stage() -> Iterator[Stage]:
    with Stage() as opened:
        yield opened


def test_a_postmortem_of_a_namespace_that_has_ended_knows_nothing_of_the_next_with_its_inode(
    stage: Stage,
) -> None:
    other = stage.namespace()
    there = home_of(other.inode)
    assert (there.nsid, there.start) == (other.inode, read_stat(other.init.pid).start_ticks)
    gone = replace(there, start=there.start - 100)
    (found, _), (nothing, _) = live(there, 0.1), live(gone, 0.1)
    assert {task.pid for snapshot in found.snapshots for task in snapshot.tasks} >= {other.init.pid}
    assert not [task for snapshot in nothing.snapshots for task in snapshot.tasks]
    assert (found.key, nothing.key) == (there.key, gone.key)


def test_so_does_the_list_of_all(stage: Stage) -> None:
    other = stage.namespace()
    there = home_of(other.inode)
    found, nothing = all_live(0.0, [there, replace(there, start=there.start - 100)])
    assert [bool([task for each in case.snapshots for task in each.tasks]) for case in (found, nothing)] == [
        True,
        False,
    ]


def test_top_does_not_list_the_next_namespace_with_the_inode_that_was_named(stage: Stage) -> None:
    other = stage.namespace()
    start = read_stat(other.init.pid).start_ticks
    for named, listed in ((start, [other.inode]), (start - 100, []), (0, [other.inode])):
        with Collector(ns={other.inode: named}, scope="inits") as collector:
            sample = Sampler(collector, {other.inode: named}).sample()
        assert [row.key.inode for row in sample.rows] == listed
    assert Home(other.inode).key.start == 0
