"""Drops over time, as they are drawn."""

from __future__ import annotations

import numpy as np

from sigtrace import plot
from sigtrace.events.batch import Batch
from tests.builders.pictures import marks_of, text_of
from tests.builders.recordings import UTC
from tests.builders.records import record
from tests.builders.stories import INIT, SECOND


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
