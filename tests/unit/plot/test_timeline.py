"""The timeline: lanes, drops that stand out, the grace period."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from sigtrace import plot
from sigtrace.errors import BadInput
from sigtrace.events.batch import Batch
from sigtrace.events.outcome import PURPLE
from sigtrace.plot.marks import MOST_MARKS
from sigtrace.recording.reader import Recording
from sigtrace.signals import CHLD, URG
from tests.builders.pictures import layers_of, subtitle_of
from tests.builders.recordings import UTC
from tests.builders.records import record
from tests.builders.stories import INIT, MEMBER, NSID, RUNC, SECOND, recorded_stop, stop_of_ten_seconds


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    """A container, web-1, whose stop took ten seconds."""
    return recorded_stop(tmp_path_factory.mktemp("story"))


def test_the_grace_period_is_a_band_and_the_kill_a_line(story: Recording) -> None:
    chart = plot.timeline(story)
    layers = layers_of(chart)
    (band,) = [layer for layer in layers if layer["mark"]["type"] == "rect"]
    (row,) = band["rows"]
    assert (row["until"] - row["time"], row["lines"]) == (
        10_000,
        ["SIGTERM dropped as it was sent", "grace period, 10 s"],
    )
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


def points(chart: plot.Picture) -> list[dict[str, Any]]:
    """The marks of events, with the opacity of their layer."""
    return [
        {**row, "opacity": layer["mark"]["opacity"]}
        for layer in layers_of(chart)
        for row in layer["rows"]
        if layer["mark"]["type"] == "point" and "size" in layer["encoding"]
    ]


def labels(chart: plot.Picture) -> list[str]:
    """The signals that are named beside their marks."""
    return [row["signal"] for layer in layers_of(chart) for row in layer["rows"]
            if layer["mark"]["type"] == "text" and "signal" in row]  # fmt: skip


QUIET = {**MEMBER, "disposition": "default", "result": 1}
REQUESTS = {
    "dropped as it was sent": {},
    "ignored by the program": {"disposition": "ignore"},
    "queued": {"disposition": "handler", "result": 0},
    "SIGKILL": {"signal": 9, "result": 0},
}


@pytest.mark.parametrize("outcome", REQUESTS)
def test_the_signal_that_asked_is_the_most_visible_whatever_became_of_it(outcome: str) -> None:
    quiet = [record(**QUIET, signal=signal, time=4 * SECOND) for signal in (CHLD, URG)]
    other = record(**INIT, **RUNC, time=6 * SECOND, signal=10)
    request = record(**{**INIT, **RUNC, **REQUESTS[outcome], "time": 5 * SECOND})
    events = Batch(np.concatenate([*quiet, request, other]), UTC, "h").to_pandas()
    chart = plot.timeline(events)
    marks = points(chart)
    asked = max(marks, key=lambda row: row["size"])
    assert (asked["asks"], asked["outcome"]) == (True, outcome)
    assert [row["size"] for row in marks].count(asked["size"]) == 1
    assert asked["signal"] in labels(chart)
    faint = [row for row in marks if row["signal"] in ("SIGCHLD", "SIGURG")]
    assert len(faint) == 2
    assert max(row["size"] for row in faint) < min(row["size"] for row in marks if row not in faint)
    assert max(row["opacity"] for row in faint) < 0.5
    assert not {"SIGCHLD", "SIGURG"} & set(labels(chart))


def test_a_storm_does_not_hide_the_request_nor_the_end() -> None:
    many = np.repeat(record(**MEMBER, signal=10, result=0, sender_pid=3), MOST_MARKS + 1)
    many["time"] = 9 * SECOND + np.arange(len(many))
    story = [*stop_of_ten_seconds(), many]
    chart = plot.timeline(Batch(np.sort(np.concatenate(story), order="time"), UTC, "h").to_pandas())
    assert "counted in bins" in subtitle_of(chart)
    shown = [(row["signal"], row["outcome"]) for row in points(chart) if row["lane"].startswith("init")]
    assert {("SIGTERM", "dropped as it was sent"), ("SIGKILL", "SIGKILL"), ("", "exited")} <= set(shown)
    assert "SIGTERM" in labels(chart)
