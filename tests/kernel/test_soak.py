"""Hours of mixed load change nothing: counts stay exact, memory flat, nothing is left. `make soak` takes longer."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest

import sigtrace
from sigtrace.lab.actor import Namespace
from sigtrace.lab.channel import DEADLINE
from sigtrace.lab.stage import Stage
from sigtrace.live.kernel.load import COUNTS_ENTRIES
from sigtrace.recording.selection import Selection
from sigtrace.recording.summary import summarise
from tests.bpf_objects import unheld
from tests.commands import at_work
from tests.kernel.soak import FLAT, Load, Onlooker, soak

MINUTES = float(os.environ.get("SOAK_MINUTES", "0.4"))
pytestmark = [pytest.mark.kernel, pytest.mark.timeout(60 * MINUTES + 600)]


def test_under_mixed_load_counts_are_exact_and_memory_is_flat(
    stage: Stage, house: Namespace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = unheld()
    below = ("--ns", str(house.inode), "--descendants")
    with (
        at_work("record", str(tmp_path / "r"), *below, "--rotate", "1m") as recorder,
        at_work("watch", *below, output=subprocess.DEVNULL) as watcher,
    ):
        load, onlookers = Load(stage, house), [Onlooker(recorder), Onlooker(watcher)]
        soak(load, onlookers, MINUTES)
        ends = [each.end() for each in onlookers]
    with capsys.disabled():
        memory = [(min(each.kilobytes), each.kilobytes[-1], round(each.growth, 3)) for each in onlookers]
        print(
            f"\n{load.rounds} rounds, {load.namespaces} namespaces, {load.dropped} drops; record, watch kB: {memory}"
        )
    assert [counted for counted, _ in ends] == [load.dropped, load.dropped]
    assert all("uncounted" not in said for _, said in ends)
    read = sigtrace.open(tmp_path / "r")
    lines = summarise(read, Selection()).lines
    assert sum(line.count for line in lines if line.verdict.startswith("dropped")) == load.dropped
    assert (read.losses.uncounted, read.problems) == (0, [])
    if load.namespaces > 3 * COUNTS_ENTRIES:  # as many are remembered, and memory grows until then
        assert all(each.growth <= FLAT for each in onlookers), memory
    left, deadline = unheld() - before, time.monotonic() + DEADLINE
    while left := left & unheld():
        assert time.monotonic() < deadline, left
        time.sleep(0.2)
