"""A storm of a prime number of signals from two senders: exact counts, and every record accounted for."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pytest

from sigtrace.events.counts import Counts
from sigtrace.events.losses import Losses
from sigtrace.lab.actor import Namespace
from sigtrace.lab.stage import Stage
from sigtrace.live.collector import Collector
from sigtrace.live.kernel.load import COUNTS_ENTRIES
from tests.kernel import crowd

pytestmark = pytest.mark.kernel

PRIME, SENDERS = (
    40_009,
    2,
)  # together less than the default ring holds: nothing is lost, however slow the reader is
_SEND = "import os, sys; pid, n = map(int, sys.argv[1:]); [os.kill(pid, 15) for _ in range(n)]"


@pytest.fixture
def init(stage: Stage) -> Iterator[tuple[int, int]]:
    """An init without a handler: its PID and its namespace's inode."""
    namespace = stage.namespace()
    yield namespace.init.pid, namespace.inode
    assert namespace.init.alive()


def _storm(pid: int) -> None:
    senders = [
        subprocess.Popen([sys.executable, "-S", "-c", _SEND, str(pid), str(PRIME)]) for _ in range(SENDERS)
    ]
    assert [sender.wait() for sender in senders] == [0] * SENDERS


def _terms(counts: Counts) -> int:
    records = counts.records
    picked = (records["signal"] == 15) & (records["result"] == 1)
    assert picked.sum() == 1  # one key: all of them alike
    return int(records["count"][picked].sum())


class Reader(threading.Thread):
    """Reads a collector to its end, as fast as it can."""

    def __init__(self, live: Collector) -> None:
        super().__init__()
        self._live = live
        self.records: list[npt.NDArray[np.void]] = []

    def run(self) -> None:
        self.records = [batch.records for batch in self._live]


def _read_storm(live: Collector, pid: int) -> tuple[npt.NDArray[np.void], Losses]:
    """What is read of a storm that is counted whole, and what was lost of it."""
    reader = Reader(live)
    reader.start()
    _storm(pid)
    live.stop()
    reader.join()
    assert _terms(live.counts()) == SENDERS * PRIME
    return np.concatenate(reader.records), live.losses()


def _gaps(records: npt.NDArray[np.void]) -> int:
    """Records missing between and before those that came, by the sequence numbers of each CPU."""
    gaps = 0
    for cpu in np.unique(records["cpu"]):
        numbers = records["seq"][records["cpu"] == cpu].astype("i8")
        steps = np.diff(numbers, prepend=-1)
        assert (steps > 0).all(), "out of order or twice"
        gaps += int((steps - 1).sum())
    return gaps


@pytest.mark.parametrize("method", ["btf", "raw"])
def test_with_the_default_ring_not_one_record_is_lost(init: tuple[int, int], method: str) -> None:
    pid, inode = init
    with Collector(ns=[inode], method=method, every_record=True) as live:
        records, losses = _read_storm(live, pid)
    assert len(records) == losses.committed == SENDERS * PRIME
    assert (losses.lost, losses.uncounted, losses.missed) == (0, 0, 0)
    assert _gaps(records) == 0
    assert len(np.unique(records["sender_pid"])) == SENDERS
    assert np.unique(records["sender_pid"], return_counts=True)[1].tolist() == [PRIME] * SENDERS


def test_a_tiny_ring_loses_records_but_no_counts(init: tuple[int, int]) -> None:
    pid, inode = init
    with Collector(ns=[inode], ring_bytes=4096, every_record=True) as live:
        records, losses = _read_storm(live, pid)
    assert losses.lost > 0
    assert losses.committed + losses.lost == SENDERS * PRIME
    assert len(records) == losses.committed


def test_a_reader_that_sleeps_through_the_storm_finds_the_first_records_whole_and_the_rest_counted(
    init: tuple[int, int],
) -> None:
    pid, inode = init
    with Collector(ns=[inode], ring_bytes=1 << 16, every_record=True) as live:
        _storm(pid)
        early = live.drain(1).records
        losses = live.losses()
        assert _terms(live.counts()) == SENDERS * PRIME
        assert len(early) == losses.committed
        assert losses.committed + losses.lost == SENDERS * PRIME
        assert _gaps(early) == 0
        _storm(pid)  # the ring is of use again, and the numbers show the hole
        late = live.drain(1).records
        assert len(late) > 0
        assert _gaps(np.concatenate([early, late])) <= live.losses().lost
        assert _terms(live.counts()) == 2 * SENDERS * PRIME


def test_counts_of_many_namespaces_do_not_mix(stage: Stage) -> None:
    inits = [stage.namespace() for _ in range(8)]
    with Collector(ns=[namespace.inode for namespace in inits]) as live:
        for number, namespace in enumerate(inits, 1):
            for _ in range(number * 7):
                stage.outside.kill(namespace.init, 15)
        expected = {namespace.inode: number * 7 for number, namespace in enumerate(inits, 1)}
        assert live.counts().dropped() == expected


def test_more_short_lived_namespaces_than_the_table_of_counts_holds_are_all_counted(house: Namespace) -> None:
    with Collector(ns=[house.inode], descendants=True) as live:
        reader = Reader(live)
        reader.start()
        dropped = crowd.pass_by(house, 2 * COUNTS_ENTRIES // len(crowd.SIGNALS))
        live.stop()
        reader.join()
        assert (sum(live.counts().dropped().values()), live.losses().uncounted) == (dropped, 0)
