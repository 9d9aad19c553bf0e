"""Drops over time, and what else became of signals."""

from __future__ import annotations

import numpy as np
import pytest

from sigtrace import plot
from sigtrace.events.batch import Batch
from sigtrace.recording.reader import Recording
from tests.builders.pictures import marks_of, text_of
from tests.builders.recordings import UTC
from tests.builders.records import record
from tests.builders.stories import INIT, SECOND, recorded_stop


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    """A container, web-1, whose stop took ten seconds."""
    return recorded_stop(tmp_path_factory.mktemp("story"))


def test_drops_over_time_are_stacked_by_verdict() -> None:
    times = [1, 1, 1, 2, 30]
    records = [record(**INIT, time=time * SECOND, stage="deliver" if number == 2 else "generate",
                      result=-1 if number == 2 else 1) for number, time in enumerate(times)]  # fmt: skip
    chart = plot.drops_over_time(Batch(np.concatenate(records), UTC, "web-1").to_pandas(), "1s")
    rows = [(row["kind"], row["count"], row["low"], row["high"]) for row in marks_of(chart)]
    assert rows == [
        ("dropped as it was sent", 2, 0, 2),
        ("dropped at delivery", 1, 2, 3),
        ("dropped as it was sent", 1, 0, 1),
        ("dropped as it was sent", 1, 0, 1),
    ]
    texts = text_of(chart)
    assert "signals per 1 s" in texts
    assert "5 signals in bins of 1 s" in texts


def test_everything_that_became_of_signals_can_be_stacked(story: Recording) -> None:
    kinds = {
        row["kind"]: row["count"] for row in marks_of(plot.drops_over_time(story, "1h", everything=True))
    }
    assert kinds == {"dropped as it was sent": 1, "queued": 3, "handled": 1, "default action": 1}
