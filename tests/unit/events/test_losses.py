"""What is missing is said in one way, and totals are never called exact and too low at once."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest

from sigtrace.events.losses import Losses, exact, missing, reasons, reservation, totals_note

EVERY = [
    Losses(lost=lost, uncounted=uncounted, missed=missed, unwritten=unwritten, cut=cut)
    for lost, uncounted, missed, unwritten, cut in product((0, 5), (0, 3), (0, 2), (0, 1), (0, 1))
]


@pytest.mark.parametrize("of_counts", [True, False])
def test_totals_are_exact_or_too_low_and_never_both(of_counts: bool) -> None:
    for losses in EVERY:
        said = "; ".join(missing(losses, of_counts))
        matters = not losses.complete or (of_counts and not losses.counted)
        assert ("exact" in said) + ("too low" in said) == matters, losses
        assert ("too low" in said) == (not exact(losses, of_counts))


def test_counts_have_what_records_lack_unless_they_were_not_counted() -> None:
    assert [*missing(Losses(lost=5))] == ["5 records lost (the totals are still exact)"]
    assert [*missing(Losses(lost=5), of_counts=False)] == ["5 records lost (the totals are too low)"]
    assert [*missing(Losses(lost=5, uncounted=1))] == [
        "5 records lost (the totals are too low)",
        "1 signal not counted, as the table of counts was full",
    ]
    assert [*missing(Losses())] == ["0 records lost"]
    assert totals_note(Losses(snapshots_skipped=4)) == ""


def test_nobody_knows_how_many_records_a_recorder_lost_that_was_cut_short() -> None:
    assert [*missing(Losses(cut=2))] == [
        "0 records known to be lost (the totals are too low)",
        "2 recorders were cut short: what had not been written by then is missing",
    ]


def test_nothing_happened_is_said_only_of_a_complete_record() -> None:
    for losses in EVERY:
        assert bool(reservation(losses)) == (not losses.complete), losses
    assert reservation(Losses(uncounted=3)) == ""  # the records are all there
    assert reservation(Losses(lost=1)) == "1 record of that time was lost"
    assert (
        reservation(Losses(lost=4, cut=1))
        == "4 records of that time were lost and the recorder was cut short"
    )


def test_each_reason_has_its_number() -> None:
    found = Losses(lost=1, unqueued=2, unwritten=3)
    assert [line.split()[0] for line in reasons(found)] == ["1", "2", "3"]
    assert found.total == 6
    assert [*reasons(replace(found, lost=0, unqueued=0, unwritten=0))] == []


def test_a_gap_is_said_with_its_time() -> None:
    begin = 1_700_000_000_000_000_000
    *_, last = missing(Losses(gaps=((begin, begin + 60_000_000_000),)))
    assert last == (
        "nothing was recorded from 2023-11-14 22:13:20 to 2023-11-14 22:14:20 UTC, as nothing could be written"
    )
