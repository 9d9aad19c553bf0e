"""The counters of containers: what each has, how many there are, and that their sum is exact."""

from __future__ import annotations

import numpy as np

from sigtrace.agent.series import Labelled, Series, SignalSeries
from sigtrace.events.container import Container
from sigtrace.events.counts import Counts
from sigtrace.events.nskey import NsKey
from tests.builders.records import counted, record

WEB = Container("ab" * 32, "web-1", "docker", "nginx:1.25")
SECOND = 10**9


def counts(*rows: tuple[int, int, int]) -> Counts:
    """Drops: inode, signal and how many."""
    made = [
        counted(record(nsid=inode, ns_start=5 * SECOND, signal=signal), number)
        for inode, signal, number in rows
    ]
    return Counts(np.concatenate(made))


def dropped(series: SignalSeries) -> dict[tuple[str, ...], int]:
    return dict(series.of["dropped"])


def test_a_container_has_a_series_for_each_signal_that_it_did_not_get() -> None:
    series = SignalSeries(Labelled(("container", "image")), 10, 60)
    series.update(counts((7, 15, 3), (7, 1, 2), (8, 15, 1)), lambda key: WEB if key.inode == 7 else None)
    assert dropped(series) == {
        ("web-1", "nginx:1.25", "15"): 3,
        ("web-1", "nginx:1.25", "1"): 2,
        ("", "", "15"): 1,
    }


def test_a_container_that_started_again_goes_on_where_it_was() -> None:
    series = SignalSeries(Labelled(("container",)), 10, 60)
    for rows in ([(7, 15, 3)], [(7, 15, 3), (8, 15, 2)], [(8, 15, 4)]):
        series.update(counts(*rows), lambda key: WEB)
    assert dropped(series) == {("web-1", "15"): 7}


def test_what_has_no_series_is_in_the_rest_and_the_sum_is_exact() -> None:
    series = SignalSeries(Labelled(("container",)), 2, 60)
    rows = [(inode, 15, inode) for inode in range(1, 11)]
    series.update(counts(*rows), lambda key: Container(f"{key.inode:064}", f"c{key.inode}"))
    assert len(dropped(series)) == 2
    assert sum(dropped(series).values()) + series.rest["dropped"] == sum(range(1, 11))


def test_what_ended_long_ago_is_counted_once() -> None:
    """Its row becomes a part of the sums over such namespaces, whose inode is 0."""
    series = SignalSeries(Labelled(("container",)), 10, 60)
    series.update(counts((7, 15, 3)), lambda key: WEB)
    series.update(counts((0, 15, 5), (8, 15, 1)), lambda key: WEB)
    assert dropped(series) == {("web-1", "15"): 4}
    assert series.rest["dropped"] == 2


def test_the_rest_never_goes_down() -> None:
    series = SignalSeries(Labelled(("container",)), 1, 60)
    told = []
    for rows in ([(7, 15, 3), (8, 15, 9)], [(7, 15, 3), (8, 15, 9)], [(7, 15, 30), (8, 15, 9)]):
        series.update(counts(*rows), lambda key: Container(f"{key.inode:064}", f"c{key.inode}"))
        told.append(series.rest["dropped"])
    assert told == [9, 9, 9]


def test_signals_to_other_processes_and_to_the_hosts_init_are_not_of_containers() -> None:
    series = SignalSeries(Labelled(("container",)), 10, 60)
    member = counted(record(nsid=7, ns_start=5 * SECOND, flags=(), disposition="ignore"), 4)
    series.update(Counts(np.concatenate([member, counts((4026531836, 15, 6)).records])), lambda key: None)
    assert not any(list(each) for each in series.of.values())
    assert not any(series.rest.values())


def test_a_series_is_forgotten_a_while_after_its_last_namespace() -> None:
    now = [0.0]
    series = Series(10, 60, clock=lambda: now[0])
    key = NsKey.of(7, 5 * SECOND)
    series.add(("web-1",), key, 3)
    now[0] = 1000
    series.forget({key})
    assert len(series) == 1
    now[0] = 1050
    series.forget(set())
    assert len(series) == 1
    now[0] = 1061
    series.forget(set())
    assert len(series) == 0


def test_labels_are_printable_and_bounded() -> None:
    hostile = Container("cd" * 32, "a\n\x1b[31m\u202e" + "x" * 1000, image="")
    (name,) = Labelled(("container",)).values(hostile)
    assert name.isprintable()
    assert len(name) <= 128


def test_a_container_without_a_name_is_called_by_its_id() -> None:
    assert Labelled(("container", "pod")).values(Container("ef" * 32)) == ("ef" * 6, "")
