"""Drops over time, and what else became of signals."""

from __future__ import annotations

import pytest

from sigtrace import plot
from sigtrace.recording.reader import Recording
from tests.builders.pictures import marks_of
from tests.builders.stories import recorded_stop


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    """A container, web-1, whose stop took ten seconds."""
    return recorded_stop(tmp_path_factory.mktemp("story"))


def test_everything_that_became_of_signals_can_be_stacked(story: Recording) -> None:
    kinds = {
        row["kind"]: row["count"] for row in marks_of(plot.drops_over_time(story, "1h", everything=True))
    }
    assert kinds == {"dropped as it was sent": 1, "queued": 3, "handled": 1, "default action": 1}
