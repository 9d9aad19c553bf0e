"""A flood in one namespace: its first events have records, the others are counted, and no other namespace loses any."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

import sigtrace
from sigtrace import signals
from sigtrace.lab.actor import Namespace
from sigtrace.lab.stage import Stage
from sigtrace.live.collector import Collector
from sigtrace.live.kernel.filter import BUDGET
from sigtrace.recording.selection import Selection
from sigtrace.recording.summary import summarise
from tests.commands import at_work
from tests.kernel.test_storm import Reader
from tests.patience import patient

pytestmark = pytest.mark.kernel

QUIET = 150
_FLOOD = """
import os, sys
pid, numbers = int(sys.argv[1]), [int(each) for each in sys.argv[2:]]
print(flush=True)
while True:
    for number in numbers: os.kill(pid, number)
"""


@contextmanager
def flood(namespace: Namespace, *numbers: int, senders: int = 2) -> Iterator[None]:
    """Inside the block, processes send these signals to the namespace's init as fast as they can."""
    words = [str(namespace.init.pid), *map(str, numbers)]
    processes = [
        subprocess.Popen([sys.executable, "-S", "-c", _FLOOD, *words], stdout=subprocess.PIPE)
        for _ in range(senders)
    ]
    try:
        for each in processes:
            assert each.stdout is not None
            assert each.stdout.readline()
        yield
    finally:
        for each in processes:
            each.kill()
            each.communicate()


def now_and_then(stage: Stage, namespace: Namespace, number: int = 15) -> None:
    """Send QUIET signals to the namespace's init, with pauses."""
    for _ in range(QUIET):
        stage.outside.kill(namespace.init, number)
        time.sleep(0.004)


def _of(records: npt.NDArray[np.void], namespace: Namespace) -> npt.NDArray[np.void]:
    picked: npt.NDArray[np.void] = records[records["nsid"] == namespace.inode]
    return picked


@pytest.mark.parametrize("method", ["btf", "raw"])
@pytest.mark.parametrize(
    "numbers", [(15,), (1, 2, 3, 6, 10, 12, 14, 15, 24, 25, 26, 27, 30, 31)], ids=["one", "many"]
)
def test_a_quiet_namespace_keeps_every_record_while_another_is_flooded(
    stage: Stage, method: str, numbers: tuple[int, ...]
) -> None:
    noisy, quiet = stage.namespace(), stage.namespace()
    with Collector(ns=[noisy.inode, quiet.inode], ring_bytes=4 << 20, method=method) as live:
        reader = Reader(live)
        reader.start()
        with flood(noisy, *numbers):
            now_and_then(stage, quiet)
        live.stop()
        reader.join()
        counts, losses = live.counts().records, live.losses()
    records = np.concatenate(reader.records)
    assert len(_of(records, quiet)) == QUIET
    assert not _of(records, quiet)["thinned"].any()
    assert (losses.lost, losses.uncounted) == (0, 0)
    kept, total = _of(records, noisy), _of(counts, noisy)
    assert total["thinned"].sum() > len(kept)
    assert total["count"].sum() == len(kept) + total["thinned"].sum()
    told = len(kept) + kept["thinned"].astype("i8").sum()
    assert len(kept) < told <= total["count"].sum()


def test_what_is_sent_once_in_a_flood_of_something_else_has_a_record(stage: Stage) -> None:
    namespace = stage.namespace()
    with Collector(ns=[namespace.inode]) as live:
        reader = Reader(live)
        reader.start()
        with flood(namespace, 15, 1, 2, 3, 6, senders=1):
            stage.outside.kill(namespace.init, signals.USR1)
            stage.outside.kill(namespace.init, signals.KILL)
        live.stop()
        reader.join()
    records = np.concatenate(reader.records)
    assert (records["signal"] == signals.USR1).sum() == 1


def test_with_every_record_nothing_is_thinned(stage: Stage) -> None:
    namespace = stage.namespace()
    with Collector(ns=[namespace.inode], every_record=True) as live:
        for _ in range(3 * BUDGET):
            stage.outside.kill(namespace.init, 15)
        assert len(live.drain(1)) == 3 * BUDGET


def test_kinds_of_a_namespace_and_of_those_inside_it_share_its_budget(stage: Stage) -> None:
    """However many kinds and namespaces a container makes up, what it can have written is bounded."""
    outer = stage.namespace()
    inner = [outer.init.namespace() for _ in range(4)]
    inodes = [each.inode for each in (outer, *inner)]
    with Collector(ns=inodes) as live:
        reader = Reader(live)
        reader.start()
        every = [number for number in range(1, 32) if number not in (9, 17, 18, 19, 23, 28)]
        with flood(inner[0], *every, senders=1), flood(inner[1], *every, senders=1):
            time.sleep(0.5)
        live.stop()
        reader.join()
    records = np.concatenate(reader.records)
    for cpu in np.unique(records["cpu"]):
        times = np.sort(records["time"][records["cpu"] == cpu].astype("i8"))
        in_10_ms = np.searchsorted(times, times + 10_000_000) - np.arange(len(times))
        # Windows begin with a jiffy of up to 10 ms, so two of each may fall into any 10 ms.
        assert in_10_ms.max() <= 2 * (2 * 4 * BUDGET + 2 * len(every))


def test_a_recorder_keeps_what_a_quiet_namespace_does_from_the_moment_it_is_ready(
    stage: Stage, tmp_path: Path
) -> None:
    noisy, quiet = stage.namespace(), stage.namespace()
    with at_work(
        "record", str(tmp_path / "r"), "--ns", str(noisy.inode), "--ns", str(quiet.inode)
    ) as process:
        with flood(noisy, 15):
            now_and_then(stage, quiet)
        process.terminate()
        _, err = process.communicate(timeout=patient(60))
    assert process.returncode == 0, err
    assert "sigtrace: 0 records lost" in err
    read = sigtrace.open(tmp_path / "r")
    assert len(read.batch(ns=quiet.inode, signal=15)) == QUIET
    counts = read.counts()
    of_noisy = counts[(counts["nsid"] == noisy.inode) & (counts["signal"] == 15)]
    (line,) = (each for each in summarise(read, Selection(ns=(noisy.inode,))).lines if each.sender_comm)
    unknown = sum(
        e.count for e in summarise(read, Selection(ns=(noisy.inode,))).lines if e.sender_comm is None
    )
    assert of_noisy["count"].sum() == line.count + unknown
    assert line.count > len(read.batch(ns=noisy.inode, signal=15))


@pytest.mark.parametrize("output", ["table", "json"])
def test_watch_prints_a_flood_as_a_line_a_second_and_a_quiet_namespace_whole(
    stage: Stage, tmp_path: Path, output: str
) -> None:
    noisy, quiet = stage.namespace(), stage.namespace()
    options = ("--ns", str(noisy.inode), "--ns", str(quiet.inode), "--format", output)
    with (tmp_path / "out").open("w") as out, at_work("watch", *options, output=out.fileno()) as process:
        with flood(noisy, 15):
            if output == "json":
                now_and_then(stage, quiet)
            else:
                time.sleep(2.5)
        process.terminate()
        _, err = process.communicate(timeout=patient(60))
    assert process.returncode == 0, err
    assert "0 records lost" in err
    lines = (tmp_path / "out").read_text().splitlines()
    if output == "table":
        assert any(" x " in line for line in lines)
        assert all(len(line) <= 80 for line in lines)
        assert len(lines) < 100
        return
    rows = [json.loads(line) for line in lines]
    assert sum(row["nsid"] == quiet.inode for row in rows) == QUIET
    noise = [row for row in rows if row["nsid"] == noisy.inode]
    assert max(row["thinned"] for row in noise) > 200
    assert len(noise) < QUIET * 10
