"""The tree of namespaces."""

from __future__ import annotations

from pathlib import Path

import sigtrace
from sigtrace import plot
from tests.builders.pictures import marks_of, subtitle_of
from tests.builders.records import record
from tests.builders.stories import INIT, SECOND, recorded


def test_a_tree_of_many_namespaces_keeps_the_most_troubled_and_says_so(tmp_path: Path) -> None:
    rows = [{"nsid": 100 + n, "ns_start": SECOND + n * 10**7, "parent_nsid": 4026531836} for n in range(200)]
    its = {**INIT, "nsid": 290, "ns_start": SECOND + 190 * 10**7, "target_start": SECOND + 190 * 10**7}
    chart = plot.tree(sigtrace.open(recorded(tmp_path / "r", [record(**its, time=9 * SECOND)], *rows)))
    shown = {row["nsid"] for row in marks_of(chart) if "nsid" in row}
    assert {4026531836, 290} <= shown
    assert len(shown) == 60
    assert "201 namespaces, 1 signal dropped" in subtitle_of(chart)
    assert "141 namespaces with the fewest drops not shown" in subtitle_of(chart)
