"""Folding: what is new is shown, what repeats becomes one record a second, and no event goes missing."""

from __future__ import annotations

import numpy as np
import pytest

from sigtrace.events import wire
from sigtrace.events.batch import Batch
from sigtrace.live import repeats
from sigtrace.live.repeats import Repeats
from sigtrace.live.shares import firsts

MOST = 20


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(repeats.time, "monotonic", lambda: now[0])
    return now


def _batch(count: int, *, nsid: int = 1, signal: int = 15, thinned: int = 0) -> Batch:
    records = np.zeros(count, wire.EVENT.dtype())
    records["nsid"], records["signal"], records["thinned"] = nsid, signal, thinned
    records["time"] = np.arange(count)
    return Batch(records, 0, "host")


def test_records_as_they_lie_in_the_ring_are_folded(clock: list[float]) -> None:
    batch = _batch(500)
    slots = np.zeros(500, [("header", "<u8"), ("event", wire.EVENT.dtype())])
    slots["event"] = batch.records
    assert len(Repeats(MOST).fold(Batch(slots["event"], 0, "host"))) == MOST


def test_few_events_pass_untouched(clock: list[float]) -> None:
    fold = Repeats(MOST)
    batch = _batch(MOST)
    assert fold.fold(batch) is batch
    assert not fold.holding


def test_many_of_a_kind_become_one_at_the_end_of_the_second_which_says_how_many(clock: list[float]) -> None:
    fold = Repeats(MOST)
    assert len(fold.fold(_batch(500, thinned=9))) == MOST
    assert len(fold.fold(_batch(100))) == 0
    assert fold.holding
    clock[0] += 1.1
    (row,) = fold.fold(_batch(0)).records
    assert row["thinned"] + 1 == (500 - MOST) * 10 + 100
    assert row["time"] == 99, "the last of them"
    assert not fold.holding


def test_another_kind_is_shown_in_the_midst_of_a_flood(clock: list[float]) -> None:
    fold = Repeats(MOST)
    fold.fold(_batch(500))
    for other in (_batch(1, nsid=2), _batch(1, signal=1)):
        assert len(fold.fold(other)) == 1


def test_a_flood_that_goes_on_is_not_new_in_the_next_second(clock: list[float]) -> None:
    fold = Repeats(MOST)
    fold.fold(_batch(500))
    clock[0] += 1.1
    assert len(fold.fold(_batch(500))) == 1
    clock[0] += 1.1
    assert [row["thinned"] + 1 for row in fold.fold(_batch(0)).records] == [500]
    clock[0] += 1.1
    assert len(fold.fold(_batch(3))) == 3, "after a second of silence it is new again"


def test_every_event_is_in_one_of_the_records(clock: list[float]) -> None:
    fold, shown = Repeats(MOST), 0
    for number in range(30):
        parts = [_batch(40, nsid=nsid, thinned=number) for nsid in range(number % 4)]
        for part in parts:
            shown += int(fold.fold(part).weights.sum())
        clock[0] += 0.3
    shown += int(fold.finish(_batch(7)).weights.sum())
    assert shown == 7 + sum(40 * (1 + number) * (number % 4) for number in range(30))


def test_scarce_room_is_shared_by_namespaces() -> None:
    records = np.concatenate(
        [_batch(500, nsid=1).records, _batch(3, nsid=2).records, _batch(500, nsid=3).records]
    )
    kept = records[firsts(records, 10)]
    assert np.unique(kept["nsid"], return_counts=True)[1].tolist() == [10, 3, 10]
