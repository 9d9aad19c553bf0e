"""The tree of namespaces, as it is drawn."""

from __future__ import annotations

from pathlib import Path

import pytest

import sigtrace
from sigtrace import plot
from sigtrace.recording.reader import Recording
from tests.builders.pictures import marks_of, text_of
from tests.builders.records import record
from tests.builders.stories import INIT, NSID, recorded, recorded_stop


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    """A container, web-1, whose stop took ten seconds."""
    return recorded_stop(tmp_path_factory.mktemp("story"))


def test_the_tree_shows_namespaces_below_their_parents_with_their_drops(story: Recording) -> None:
    rows = {row["nsid"]: row for row in marks_of(plot.tree(story)) if "nsid" in row}
    assert (rows[4026531836]["depth"], rows[NSID]["depth"], rows[NSID]["parent"]) == (0, 1, 0)
    assert "web-1 · app · 4026532249: 1 signal dropped" in text_of(plot.tree(story))
    assert (rows[NSID]["state"], rows[4026531836]["state"]) == ("ended", "alive")


def test_a_tree_of_nothing_says_so(tmp_path: Path) -> None:
    path = recorded(tmp_path / "r", [record(**INIT, time=1)])
    for file in path.glob("namespaces-*"):
        file.unlink()
    assert "none was recorded" in text_of(plot.tree(sigtrace.open(path)))
