"""When a snapshot is due, and which of those are taken at the end."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from sigtrace.events.batch import Batch
from sigtrace.events.container import Container
from sigtrace.events.nskey import NsKey
from sigtrace.lab.channel import wait_until
from sigtrace.live import snapshot_trigger
from sigtrace.live.snapshot_trigger import SnapshotTaker, due
from sigtrace.snapshot import Helper
from tests.builders.records import record

START = 50_000_000_000
INIT = {"flags": ("unkillable", "init"), "ns_level": 1, "ns_start": START, "nsid": 7}
HOME = NsKey.of(7, START)


def _batch(*records: npt.NDArray[np.void]) -> Batch:
    return Batch(np.concatenate(records), 0, "")


@pytest.mark.parametrize(
    ("facts", "triggers"),
    [
        ({}, {"dropped"}),
        ({"stage": "deliver", "result": -1}, {"dropped"}),
        ({"disposition": "handler", "result": 0}, {"signalled"}),
        ({"disposition": "handler", "result": 2}, {"signalled"}),
        ({"signal": 1, "disposition": "handler", "result": 0}, {"signalled"}),
        ({"signal": 10, "disposition": "handler", "result": 0}, set()),
        ({"disposition": "ignore"}, set()),
        ({"signal": 9, "result": 0}, {"killed"}),
        ({"signal": 9, "relation": "same"}, {"dropped"}),
        ({"stage": "exit", "signal": 0, "result": -1}, {"exited"}),
        ({"stage": "exec", "signal": 0, "result": -1}, set()),
        ({"flags": ()}, set()),
        ({"ns_level": 0}, set()),
    ],
)
def test_what_happens_to_an_init_calls_for_a_snapshot(facts: dict[str, Any], triggers: set[str]) -> None:
    assert set(due(_batch(record(**{**INIT, **facts})))) == {(trigger, HOME) for trigger in triggers}


@pytest.mark.parametrize(
    ("stop_signal", "triggers"), [("SIGWINCH", {("signalled", HOME)}), ("SIGUSR1", set())]
)
def test_the_configured_stop_signal_of_a_container_calls_for_one(
    stop_signal: str, triggers: set[tuple[str, NsKey]]
) -> None:
    container = Container("0123", "web", stop_signal=stop_signal)
    asked = record(**{**INIT, "signal": 28, "disposition": "handler", "result": 0})
    assert set(due(Batch(asked, 0, "", lambda key: container if key == HOME else None))) == triggers


def test_a_storm_in_one_batch_calls_for_one_snapshot_a_namespace() -> None:
    other = {**INIT, "ns_start": START + 10_000_000}  # of one inode, used again
    found = list(due(_batch(*(record(**its) for its in [INIT, other] * 50))))
    assert sorted(found) == [("dropped", HOME), ("dropped", NsKey.of(7, START + 10_000_000))]


class _Helper(Helper):
    """Notes what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, str, bool]] = []
        self.late = False

    def __enter__(self) -> _Helper:
        return self

    def __exit__(self, *_: object) -> None: ...

    def start(self) -> None: ...

    def limit(self, seconds: float) -> None: ...

    @property
    def is_late(self) -> bool:
        return self.late

    def take(self, nsid: int, trigger: str = "", *, ns_start: int = 0, again: bool = False) -> list[Any]:
        self.asked.append((nsid, trigger, again))
        return [{"nsid": nsid, "problem": ""}, {"nsid": nsid, "problem": ""}]


def _ended(helper: _Helper, *batches: Batch) -> tuple[SnapshotTaker, list[Any]]:
    """A taker that saw these batches before it was started, and is at its end."""
    told: list[Any] = []
    taker = SnapshotTaker(told.append, helper)
    for batch in batches:
        taker.observe(batch)
    taker.start()
    taker.end()
    return taker, told


def test_at_the_end_what_is_due_is_taken_and_no_second_look_waited_for() -> None:
    helper = _Helper()
    _, told = _ended(helper, _batch(record(**INIT)))
    assert helper.asked == [(7, "dropped", False)]
    assert len(told) == 1


def test_the_same_reason_gives_no_second_snapshot_at_once() -> None:
    helper = _Helper()
    _ended(helper, _batch(record(**INIT)), _batch(record(**INIT), record(**INIT, signal=9, result=0)))
    assert helper.asked == [(7, "dropped", False), (7, "killed", False)]


def test_more_than_can_wait_are_skipped_and_counted_and_second_looks_take_no_place() -> None:
    helper = _Helper()
    records = [record(**{**INIT, "nsid": 100 + number}) for number in range(200)]
    taker, _ = _ended(helper, _batch(*records))
    assert (len(helper.asked), taker.skipped) == (64, 136)


def test_a_helper_that_is_late_takes_none_and_they_are_counted() -> None:
    helper = _Helper()
    helper.late = True
    taker, told = _ended(helper, _batch(record(**INIT)))
    assert (helper.asked, told, taker.skipped) == ([], [], 1)


def test_snapshots_are_due_for_inits_once_a_namespace_and_reason_but_never_for_the_whole_host() -> None:
    init = {"flags": ("unkillable", "init"), "ns_level": 1, "ns_start": 50_000_000_000}
    records = [
        *(record(**init, nsid=7) for _ in range(3)),
        record(**init, nsid=8, signal=9, result=0),
        record(**init, nsid=8, stage="exit", signal=0, result=-1),
        record(**init, nsid=9, disposition="handler", result=0),
        record(nsid=10, ns_level=1, flags=()),
        record(nsid=11, flags=("unkillable", "init"), ns_level=0),
    ]
    assert sorted(due(Batch(np.concatenate(records), 0, ""))) == [
        ("dropped", NsKey(7, 5000)),
        ("exited", NsKey(8, 5000)),
        ("killed", NsKey(8, 5000)),
        ("signalled", NsKey(9, 5000)),
    ]


@pytest.mark.parametrize(
    ("tasks", "delivered"),
    [
        ([1, 0], [("exited", False)]),
        ([1, 1, 0], [("exited", False), ("outlived", False), ("outlived", True)]),
        ([1, 1, 1, 1, 1], [("exited", False), ("outlived", False), ("outlived", True), ("outlived", True)]),
        ([0, 0], []),
    ],
)
def test_a_namespace_that_outlives_its_init_is_looked_at_until_it_is_gone(
    tasks: list[int], delivered: list[tuple[str, bool]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """tasks: those that each look finds."""
    monkeypatch.setattr(snapshot_trigger, "AGAIN_SECONDS", 0.0)
    monkeypatch.setattr(snapshot_trigger, "_OUTLIVED_SECONDS", (0.0, 0.0))

    class Finite(_Helper):
        def take(self, nsid: int, trigger: str = "", *, ns_start: int = 0, again: bool = False) -> list[Any]:
            super().take(nsid, trigger, ns_start=ns_start, again=again)
            own = {"trigger": trigger, "again": again, "problem": ""}
            return [own] * (tasks[len(self.asked) - 1] + 1)

    told: list[Any] = []
    helper = Finite()
    taker = SnapshotTaker(told.append, helper)
    taker.observe(_batch(record(**{**INIT, "stage": "exit", "signal": 0, "result": -1})))
    taker.start()
    wanted = min(len(tasks), 4)
    wait_until(lambda: len(helper.asked) == wanted, "all looks")
    taker.end()
    assert [(rows[0]["trigger"], rows[0]["again"]) for rows in told] == delivered
    assert len(helper.asked) == wanted
