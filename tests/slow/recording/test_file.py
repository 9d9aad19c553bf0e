"""A recording's file, cut at very many places."""

from __future__ import annotations

from pathlib import Path

from tests.builders.recordings import Torn


def test_a_file_cut_anywhere_is_read_up_to_its_last_whole_batch(tmp_path: Path) -> None:
    torn = Torn(tmp_path / "torn")
    cuts = {*range(0, 400), *range(400, len(torn.whole), 97)}
    for end in torn.ends:
        cuts |= set(range(end - 40, min(end + 40, len(torn.whole) + 1)))
    for cut in sorted(cuts):
        torn.cut(cut)
