"""What happens to a recorder from outside: it is stopped, its clock is set, a privilege is left out."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import sigtrace
from sigtrace.lab.channel import DEADLINE
from sigtrace.lab.stage import Stage
from sigtrace.live.recorder import Recorder
from sigtrace.recording.selection import Selection
from sigtrace.recording.summary import summarise
from sigtrace.recording.writer import Limits
from tests.commands import at_work
from tests.patience import patient
from tests.processes import children

pytestmark = pytest.mark.kernel

_SEND = "import os, sys; pid, n = map(int, sys.argv[1:]); [os.kill(pid, 15) for _ in range(n)]"
_STORM = 100_003


def test_a_recorder_that_is_stopped_during_a_storm_counts_all_of_it(stage: Stage, tmp_path: Path) -> None:
    noisy, quiet = stage.namespace(), stage.namespace()
    follow = ("--ns", str(noisy.inode), "--ns", str(quiet.inode))
    with at_work("record", str(tmp_path / "r"), *follow) as recorder:
        (worker,) = children(recorder.pid)
        _send_to(worker, signal.SIGSTOP)
        subprocess.run(
            [sys.executable, "-I", "-S", "-c", _SEND, str(noisy.init.pid), str(_STORM)], check=True
        )
        for _ in range(50):
            stage.outside.kill(quiet.init, 15)
        _send_to(worker, signal.SIGCONT)
        recorder.send_signal(signal.SIGINT)
        _, said = recorder.communicate(timeout=patient(60))
    assert f"{_STORM + 50:,} dropped" in said
    read = sigtrace.open(tmp_path / "r")
    lines = summarise(read, Selection(ns=(noisy.inode, quiet.inode))).lines
    assert sum(line.count for line in lines if line.verdict.startswith("dropped")) == _STORM + 50
    assert len(read.batch(ns=quiet.inode, signal=15)) == 50
    assert read.problems == []


def _send_to(pid: int, number: int) -> None:
    """Send a signal, and wait until the process is stopped, or not any more."""

    os.kill(pid, number)
    stopped, deadline = number == signal.SIGSTOP, time.monotonic() + DEADLINE
    while (_state(pid) == "T") != stopped:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def _state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0]


def test_a_clock_that_is_set_back_and_forth_loses_nothing(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    namespace, real = stage.namespace(), time.time_ns
    with sigtrace.Collector(ns=[namespace.inode], scope="inits") as live:
        recorder = Recorder(live, tmp_path / "r", Limits(1 << 30, 7 * 86_400, 600), lambda _: None)
        recorder.start()
        running = threading.Thread(target=recorder.run)
        running.start()
        for total, hours in ((2, 0), (4, -1), (6, 30)):
            monkeypatch.setattr(time, "time_ns", lambda by=hours: real() + by * 3600 * 10**9)
            for _ in range(2):
                stage.outside.kill(namespace.init, 15)
            deadline = time.monotonic() + DEADLINE
            while recorder.recorded < total:
                assert time.monotonic() < deadline
                time.sleep(0.05)
        live.stop()
        running.join()
    read = sigtrace.open(tmp_path / "r")
    assert (len(read.batch(signal=15)), read.losses.total, read.problems) == (6, 0, [])
    (line,) = (line for line in summarise(read, Selection(signal=(15,))).lines)
    assert line.count == 6


@pytest.mark.parametrize("left_out", ["sys_ptrace", "dac_read_search", "sys_resource"])
def test_without_one_of_the_lesser_privileges_drops_are_counted_all_the_same(
    left_out: str, stage: Stage, tmp_path: Path
) -> None:
    namespace = stage.namespace()
    without = ("setpriv", f"--bounding-set=-{left_out}", f"--inh-caps=-{left_out}")
    with at_work("record", str(tmp_path / "r"), under=without) as recorder:
        for _ in range(3):
            stage.outside.kill(namespace.init, 15)
        recorder.send_signal(signal.SIGINT)
        _, said = recorder.communicate(timeout=patient(60))
    assert recorder.returncode == 0, said
    read = sigtrace.open(tmp_path / "r")
    assert len(read.batch(ns=namespace.inode, signal=15)) == 3
    assert (read.losses.total, read.problems) == (0, [])
