"""Pictures of a million events, and pictures as they are drawn."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pandas as pd
import pytest

from sigtrace import frames, plot
from sigtrace.events.batch import Batch
from sigtrace.recording.reader import Recording
from tests.builders.pictures import PICTURES, Tags, hostile_names, marks_of, subtitle_of, text_of
from tests.builders.recordings import UTC
from tests.builders.records import record
from tests.builders.stories import INIT, SECOND, recorded_stop, storm


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    """A container, web-1, whose stop took ten seconds."""
    return recorded_stop(tmp_path_factory.mktemp("story"))


@pytest.fixture(scope="module")
def million() -> pd.DataFrame:
    return storm(1_000_000).to_pandas()


@pytest.fixture
def hostile(tmp_path: Path) -> Recording:
    return hostile_names(tmp_path / "hostile")


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_of_one_event_can_be_drawn(name: str) -> None:
    events = Batch(record(**INIT, time=SECOND), UTC, "web-1").to_pandas()
    for chart in (PICTURES[name](events), PICTURES[name](events).dark()):
        assert plot.png(chart).startswith(b"\x89PNG")
        assert "NaN" not in plot.svg(chart)


@pytest.mark.parametrize("name", ["timeline", "drops_over_time", "senders"])
def test_a_million_events_are_counted_before_they_are_drawn_and_it_says_so(
    name: str, million: pd.DataFrame
) -> None:
    chart = PICTURES[name](million)
    spec = json.dumps(chart.to_dict())
    assert len(spec) < 500_000
    assert len(marks_of(chart)) < 4000
    said = {
        "timeline": r"1,000,000 events, .* counted in bins of 10 s",
        "drops_over_time": r"[\d,]+ signals in bins of 10 s",
        "senders": r"\d{3},\d{3} signals sent",
    }
    assert re.search(said[name], subtitle_of(chart))


def test_no_event_is_lost_when_a_timeline_is_counted(million: pd.DataFrame) -> None:
    rows = [row for row in marks_of(plot.timeline(million)) if "count" in row]
    to_targets = [row for row in rows if not row["lane"].startswith(("from ", "other senders"))]
    assert sum(row["count"] for row in to_targets) == 1_000_000
    dropped = sum(row["count"] for row in to_targets if row["outcome"].startswith("dropped"))
    assert dropped == million["verdict"].isin(["dropped_at_generate", "dropped_at_deliver"]).sum()


def test_drops_of_a_million_events_add_up(million: pd.DataFrame) -> None:
    drawn = sum(row["count"] for row in marks_of(plot.drops_over_time(million)))
    assert drawn == frames.df_drops(million)["count"].sum()


@pytest.mark.parametrize("name", [*PICTURES, "tree"])
def test_hostile_names_cannot_leave_the_text_they_are(name: str, hostile: Recording) -> None:
    chart = getattr(plot, name)(hostile)
    spec = chart.to_json()
    assert "<" not in spec
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f\u202e]", json.dumps(json.loads(spec), ensure_ascii=False))
    harmless = PICTURES["senders"](storm(10).to_pandas()).to_html()
    page = chart.to_html()
    assert Tags(page).tags == Tags(harmless).tags
    assert "onerror" not in re.sub(r"<script.*?</script>", "", page, flags=re.S)
    assert not re.search(r"<(script|img|foreignObject|a)\b", plot.svg(chart))


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_of_nothing_says_so(name: str, story: Recording) -> None:
    chart = PICTURES[name](story.events(ns=1))
    assert re.search(r"no events|no signals|none among 0|no stop", text_of(chart))
