"""The timeline: lanes, drops that stand out, the grace period."""

from __future__ import annotations

import pandas as pd
import pytest

from sigtrace import plot
from sigtrace.errors import BadInput
from sigtrace.events.batch import Batch
from sigtrace.events.outcome import PURPLE
from sigtrace.recording.reader import Recording
from tests.builders.pictures import layers_of, subtitle_of
from tests.builders.recordings import UTC
from tests.builders.records import record
from tests.builders.stories import INIT, NSID, SECOND, recorded_stop


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    """A container, web-1, whose stop took ten seconds."""
    return recorded_stop(tmp_path_factory.mktemp("story"))


def test_the_grace_period_is_a_band_and_the_kill_a_line(story: Recording) -> None:
    chart = plot.timeline(story)
    layers = layers_of(chart)
    (band,) = [layer for layer in layers if layer["mark"]["type"] == "rect"]
    (row,) = band["rows"]
    assert (row["until"] - row["time"], row["stop"]) == (10_000, "grace period: 10 s")
    (line,) = [layer for layer in layers if layer["mark"].get("strokeDash")]
    assert (line["mark"]["color"], [row["stop"] for row in line["rows"]]) == (PURPLE, ["SIGKILL"])
    assert "asked to stop by runc with SIGTERM: dropped; killed by SIGKILL 10 s later" in subtitle_of(chart)


def test_a_namespace_without_a_container_goes_by_its_inode() -> None:
    events = Batch(record(**INIT, time=SECOND), UTC, "web-1").to_pandas()
    assert plot.timeline(events).to_dict()["title"]["text"] == f"Signals over time: {NSID}"


def test_a_timeline_of_several_namespaces_asks_which(story: Recording) -> None:
    events = pd.concat([story.events(), story.events().assign(nsid=7)])
    with pytest.raises(BadInput, match=rf"there are 2: give ns, one of {NSID}, 7"):
        plot.timeline(events)
    assert "10 events" in subtitle_of(plot.timeline(events, NSID))
    assert "2 events" in subtitle_of(
        plot.timeline(events, NSID, since=UTC + 8 * SECOND, until=UTC + 9 * SECOND + 1)
    )
    assert "2 events" in subtitle_of(
        plot.timeline(story, NSID, since=UTC + 8 * SECOND, until=UTC + 9 * SECOND + 1)
    )
