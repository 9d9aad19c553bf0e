"""Stops as they happen are those that the recording has of the same events, in whatever portions they come."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sigtrace.agent import stops
from sigtrace.agent.stops import LiveStops
from sigtrace.events.batch import Batch
from sigtrace.stops.attempt import Attempt, attempts
from tests.builders.records import record
from tests.builders.stories import INIT, SECOND, stop, stop_of_ten_seconds

STORIES = {
    "with members": stop_of_ten_seconds(),
    "three containers": [*stop(1, 11), *stop(2, 12, grace=30), *stop(3, 13)],
    "one inode twice": [*stop(1, 11, 100 * SECOND), *stop(1, 12, 900 * SECOND)],
}


@pytest.fixture(autouse=True)
def all_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever is in no exit is alive."""
    monkeypatch.setattr(stops, "is_init", lambda pid, key: True)


def batch(*records: object) -> Batch:
    made = np.concatenate(records)  # type: ignore[arg-type]
    return Batch(made[np.argsort(made["time"], kind="stable")], 0)


@pytest.mark.parametrize("story", STORIES)
@pytest.mark.parametrize("portion", [1, 2, 100])
def test_they_are_those_of_the_recording(story: str, portion: int) -> None:
    whole, found = batch(*STORIES[story]), list[Attempt]()
    live = LiveStops(found.append)
    for start in range(0, len(whole), portion):
        live.observe(whole[start : start + portion])
    whole_attempts = [each for each in attempts(whole) if each.exited is not None]
    assert set(map(_without_rows, found)) == set(map(_without_rows, whole_attempts))
    assert len(found) == len(whole_attempts)
    assert live.pending() == []


def test_a_stop_is_pending_until_the_exit() -> None:
    live = LiveStops(lambda attempt: None)
    asked, killed, end = stop()
    for one, expected in ((asked, 1), (killed, 1), (end, 0)):
        live.observe(batch(one))
        assert len(live.pending()) == expected


def test_a_stop_whose_exit_was_lost_is_forgotten_when_the_init_is_gone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    live = LiveStops(lambda attempt: None)
    live.observe(batch(stop()[0]))
    monkeypatch.setattr(stops, "is_init", lambda pid, key: False)
    assert live.pending() == []
    monkeypatch.setattr(stops, "is_init", lambda pid, key: True)
    assert live.pending() == []


def test_signals_that_ask_for_nothing_are_no_stop() -> None:
    live = LiveStops(lambda attempt: None)
    live.observe(
        batch(record(**INIT, signal=17, result=0, time=SECOND), record(**INIT, signal=10, result=0, time=2))
    )
    assert live.pending() == []


def test_a_storm_leaves_few_records_and_the_stop_in_it_is_found() -> None:
    found = list[Attempt]()
    live = LiveStops(found.append)
    first, killed, end = stop(grace=30)
    storm = [
        record(**INIT | {"time": int(first["time"][0]) + n}, signal=10, result=0) for n in range(1, 20_000)
    ]
    for one in storm:
        one[["nsid", "ns_start", "target_pid", "target_start"]] = first[
            ["nsid", "ns_start", "target_pid", "target_start"]
        ]
    records = [first, *storm, killed, end]
    for start in range(0, len(records), 500):
        part = records[start : start + 500]
        live.observe(batch(*part))
        assert live._kept <= 2 * stops._KEPT
    assert [each.killed for each in found] == [True]
    assert found[0].duration == 30 * SECOND


def test_a_host_of_many_namespaces_takes_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stops, "_MOST", 50)
    live = LiveStops(lambda attempt: None)
    for inode in range(1, 200):
        live.observe(batch(stop(inode, inode)[0]))
    assert [each.nsid for each in live.pending()] == list(range(150, 200))


def _without_rows(attempt: Attempt) -> Attempt:
    """It knows the rows of the batch that it was found in."""
    return replace(attempt, kill=None, exit=None)
