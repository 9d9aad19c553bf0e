"""`sigtrace record` is two processes, and is ended, killed and waited for as if it were one."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import sigtrace
from tests.commands import COMMAND, at_work
from tests.patience import patient
from tests.processes import children

pytestmark = pytest.mark.kernel


def _child(process: subprocess.Popen[str]) -> int:
    (child,) = children(process.pid)
    return child


@contextmanager
def _recording(where: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A recorder, and a pidfd of the process that does the work."""
    with at_work("record", str(where)) as process:
        pidfd = os.pidfd_open(_child(process))
        try:
            yield process, pidfd
        finally:
            os.close(pidfd)


def _has_ended(pidfd: int) -> bool:
    deadline = time.monotonic() + patient(20)
    while time.monotonic() < deadline:
        try:
            signal.pidfd_send_signal(pidfd, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.02)
    return False


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_to_its_process_closes_the_recording(number: signal.Signals, tmp_path: Path) -> None:
    with _recording(tmp_path / "r") as (process, pidfd):
        process.send_signal(number)
        _, err = process.communicate(timeout=patient(30))
        assert (process.returncode, _has_ended(pidfd)) == (0, True), err
    assert sigtrace.open(tmp_path / "r").problems == []


def test_the_same_signal_to_the_process_and_to_its_group_is_one(tmp_path: Path) -> None:
    """As timeout(1) sends it."""
    command = [
        "timeout",
        "--signal",
        "TERM",
        "--preserve-status",
        "2",
        *COMMAND,
        "record",
        str(tmp_path / "r"),
    ]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=patient(60), start_new_session=True, check=False
    )
    if "ready" in done.stderr:  # on a machine that is too busy, it is ended before it has begun
        assert done.returncode == 0, done.stderr
        assert sigtrace.open(tmp_path / "r").problems == []


def test_kill_9_of_it_kills_the_process_that_does_the_work(tmp_path: Path) -> None:
    with _recording(tmp_path / "r") as (process, pidfd):
        process.kill()
        assert process.wait() == -signal.SIGKILL
        assert _has_ended(pidfd)


def test_it_dies_of_the_signal_that_kills_the_process_that_does_the_work(tmp_path: Path) -> None:
    with _recording(tmp_path / "r") as (process, pidfd):
        signal.pidfd_send_signal(pidfd, signal.SIGKILL)
        assert process.wait(patient(30)) == -signal.SIGKILL
    assert any("was cut short" in problem for problem in sigtrace.open(tmp_path / "r").problems)


def test_nohup_is_honoured(tmp_path: Path) -> None:
    with at_work("record", str(tmp_path / "r"), "--duration", "2s", under=["nohup"]) as process:
        process.send_signal(signal.SIGHUP)
        _, err = process.communicate(timeout=patient(30))
        assert process.returncode == 0, err
