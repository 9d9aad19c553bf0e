"""Who sent to whom, as a matrix."""

from __future__ import annotations

import pandas as pd
import pytest

from sigtrace import plot
from sigtrace.recording.reader import Recording
from tests.builders.pictures import marks_of
from tests.builders.stories import recorded_stop


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    """A container, web-1, whose stop took ten seconds."""
    return recorded_stop(tmp_path_factory.mktemp("story"))


def test_the_matrix_says_how_many_and_shows_where_signals_were_dropped(story: Recording) -> None:
    cells = {row["sender"]: row for row in marks_of(plot.senders(story)) if "drops" in row}
    assert (cells["runc"]["count"], cells["runc"]["dropped"], cells["runc"]["drops"]) == (
        2,
        1,
        "some dropped",
    )
    assert (cells["app"]["container"], cells["app"]["drops"]) == ("web-1", "none dropped")


def test_many_senders_and_namespaces_share_a_row_and_a_column() -> None:
    table = pd.DataFrame({"sender": [f"s{n}" for n in range(50)], "container": [f"c{n}" for n in range(50)],
                          "count": range(50, 0, -1), "dropped": 0})  # fmt: skip
    cells = marks_of(plot.senders(table))
    assert {row["sender"] for row in cells} >= {"s0", "s19", "other senders"}
    assert len({row["sender"] for row in cells}) == 21
    assert sum(row["count"] for row in cells) == sum(range(51))
