"""A recording's file, cut at very many places."""

from __future__ import annotations

from pathlib import Path

import numpy as np

import sigtrace
from tests.builders.recordings import Torn, made
from tests.builders.records import EVERYTHING


def test_a_file_cut_anywhere_is_read_up_to_its_last_whole_batch(tmp_path: Path) -> None:
    torn = Torn(tmp_path / "torn")
    cuts = {*range(0, 400), *range(400, len(torn.whole), 97)}
    for end in torn.ends:
        cuts |= set(range(end - 40, min(end + 40, len(torn.whole) + 1)))
    for cut in sorted(cuts):
        torn.cut(cut)


def test_flipped_bits_never_break_the_reader(tmp_path: Path) -> None:
    made(tmp_path, *EVERYTHING * 50)
    path = tmp_path / "events-000001.arrow"
    good = bytearray(path.read_bytes())
    generator = np.random.default_rng(1)
    for place in generator.integers(0, len(good), 60).tolist():
        damaged = bytearray(good)
        damaged[place] ^= 1 << int(generator.integers(0, 8))
        path.write_bytes(damaged)
        recording = sigtrace.open(tmp_path)
        assert len(recording.batch()) in (0, 200)
        recording.events()
        recording.events(ns=1, verdict="dropped", since=1)
        recording.events(ns=[(1, 1)], signal=15)
