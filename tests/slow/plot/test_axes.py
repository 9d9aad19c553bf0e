"""The axis of time, as it is drawn."""

from __future__ import annotations

import re

import numpy as np
import pytest

from sigtrace import plot
from sigtrace.events.batch import Batch
from tests.builders.records import record
from tests.builders.stories import INIT, SECOND


@pytest.mark.parametrize(
    ("span_ns", "labels"),
    [
        (60_000_000_000, ["00:00:15", "00:00:30", "00:00:45"]),
        (350_000_000, ["00:00:05.050", "00:00:05.100", "00:00:05.300"]),
        (5_000_000, ["00:00:05.001", "00:00:05.004"]),
        (180_000, ["0 us", "50 us", "100 us", "150 us"]),
    ],
)
def test_an_axis_of_time_has_several_labels_however_short_it_is(span_ns: int, labels: list[str]) -> None:
    events = [record(**INIT, time=5 * SECOND + step * span_ns // 10) for step in range(11)]
    offset = 1_699_920_000 * SECOND  # midnight
    table = Batch(np.concatenate(events), offset, "h").to_pandas()
    drawn = re.findall(r">([^<>]+)</text>", plot.svg(plot.timeline(table)))
    assert [label for label in labels if label not in drawn] == []
