"""A record stands for those of its kind that were thinned before it, in every answer that counts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import sigtrace
from sigtrace import frames
from sigtrace.events.counts import Counts
from sigtrace.plot.marks import MOST_MARKS, marks
from sigtrace.postmortem.from_recording import all_recorded
from sigtrace.recording.reader import Recording
from sigtrace.recording.selection import Selection
from sigtrace.recording.summary import summarise
from tests.builders.recordings import UTC, Made
from tests.builders.records import counted, record
from tests.builders.stories import INIT, NSID, RUNC, SECOND

THINNED, TRAILING = 400, 7


@pytest.fixture
def flooded(tmp_path: Path) -> Recording:
    """Two drops with records, 400 thinned between them, 7 after the last."""
    drops = [record(**INIT, **RUNC, time=8 * SECOND, thinned=each) for each in (0, THINNED)]
    drops[1]["time"] += SECOND
    made = Made(tmp_path / "r")
    made.add(*drops)
    total = counted(drops[0], 2 + THINNED + TRAILING)
    total["thinned"] = THINNED + TRAILING
    made.writer.counts(Counts(total), UTC)
    made.close()
    return sigtrace.open(tmp_path / "r")


def test_frames_count_them(flooded: Recording) -> None:
    assert frames.df_senders(flooded)["dropped"].tolist() == [2 + THINNED]
    assert frames.df_drops(flooded)["count"].sum() == 2 + THINNED
    assert frames.df_startup(flooded)["dropped"].tolist() == [2 + THINNED]


def test_a_timeline_in_bins_counts_them(flooded: Recording) -> None:
    events = flooded.events()
    events = events.loc[events.index.repeat(MOST_MARKS)].reset_index(drop=True)
    many = marks(events, np.zeros(len(events), bool))
    assert many.counts["count"].sum() == 2 * MOST_MARKS * (2 + THINNED), (
        "at the sender's lane and the target's"
    )


def test_the_summary_has_all_and_says_how_many_have_no_record(flooded: Recording) -> None:
    found = summarise(flooded, Selection())
    assert [(line.sender_comm, line.count) for line in found.lines] == [
        ("runc", 2 + THINNED),
        (None, TRAILING),
    ]
    assert found.thinned == THINNED + TRAILING
    assert found.losses.nothing
    assert summarise(flooded, Selection(since=0)).thinned == THINNED


def test_a_postmortem_has_the_kernels_totals(flooded: Recording) -> None:
    (case,) = all_recorded(flooded)
    assert case.nsid == NSID
    assert case.totals["generate", 15, "dropped_at_generate"] == 2 + THINNED + TRAILING
    assert case.losses.complete


def test_of_one_of_many_members_it_is_not_said_that_nothing_happened(tmp_path: Path) -> None:
    made = Made(tmp_path / "r")
    made.add(
        record(**INIT, **RUNC, time=8 * SECOND), record(**INIT | {"flags": ()}, time=9 * SECOND, thinned=3)
    )
    made.close()
    (case,) = all_recorded(sigtrace.open(tmp_path / "r"))
    assert not case.losses.complete
