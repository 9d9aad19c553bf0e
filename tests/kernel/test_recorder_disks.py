"""What a disk does to a recording is said: by the recorder, by its exit code, and by everything that reads it."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import sigtrace
from sigtrace.lab.actor import Namespace
from sigtrace.lab.stage import Stage
from sigtrace.live import recorder
from sigtrace.recording.writer import Limits
from tests import commands
from tests.commands import at_work
from tests.kernel.disks import Disk, disk, fill
from tests.patience import patient

pytestmark = pytest.mark.kernel

_LAST = re.compile(r"sigtrace: ([\d,]+) events? recorded into \S+?(?:, ([\d,]+) lost)?(: .*)?")


def _until(condition: Callable[[], object], seconds: float = 30) -> None:
    deadline = time.monotonic() + patient(seconds)
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def _recorded(path: Path) -> int:
    return len(sigtrace.open(path).batch(signal=15))


def _end(process: subprocess.Popen[str]) -> tuple[int, int, str, list[str]]:
    """End a recorder. Returns how many events it says it recorded and lost, what else, and all of its lines."""
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=patient(60))
    lines = err.splitlines()
    last = _LAST.fullmatch(lines[-1])
    assert last, err
    recorded, lost = (int((each or "0").replace(",", "")) for each in last.group(1, 2))
    return recorded, lost, last[3] or "", lines


def _kill(stage: Stage, namespace: Namespace, times: int) -> None:
    for _ in range(times):
        stage.outside.kill(namespace.init, 15)


@contextmanager
def _begun(
    own: Disk, where: Path, stage: Stage, namespace: Namespace, *options: str
) -> Iterator[subprocess.Popen[str]]:
    """A recorder of the namespace into a directory of the disk, which has one event."""
    words = ("record", str(where), *options, "--ns", str(namespace.inode))
    with at_work(*words, under=own.under) as process:
        _kill(stage, namespace, 1)
        _until(lambda: _recorded(own.seen(where)) == 1)
        yield process


def test_what_is_not_on_a_disk_that_hangs_at_the_end_is_lost_and_said(stage: Stage, tmp_path: Path) -> None:
    namespace = stage.namespace()
    with disk(tmp_path / "d") as own:
        where = own.where / "r"
        with _begun(own, where, stage, namespace) as process:
            own.freeze()
            _kill(stage, namespace, 2)
            recorded, lost, why, lines = _end(process)
        assert process.returncode == 1
        assert (recorded + lost, lost >= 2) == (3, True)
        assert "could not be closed" in why
        assert f"sigtrace: {lost} records lost (the totals are still exact)" in lines
        assert any(line.startswith(f"sigtrace: waiting for {where}") for line in lines)
        for back in (False, True):
            if back:
                own.thaw()
            read = sigtrace.open(own.seen(where))
            assert (read.live, read.losses.cut, read.losses.complete) == (False, 1, False)
            assert any("was cut short" in problem for problem in read.problems)
            said = commands.sigtrace("summary", str(own.seen(where)))
            assert "0 records known to be lost (the totals are too low)" in said.stdout
            said = commands.sigtrace("postmortem", str(own.seen(where)))
            assert "the recorder was cut short" in said.stdout.splitlines()[0]
        with at_work("record", str(where), under=own.under) as again:
            assert _end(again)[2] == ""
        assert sigtrace.open(own.seen(where)).losses.cut == 1  # the next recorder does not make it whole


def test_a_disk_that_hangs_for_a_while_costs_nothing(stage: Stage, tmp_path: Path) -> None:
    namespace = stage.namespace()
    with disk(tmp_path / "d") as own:
        where = own.where / "r"
        with _begun(own, where, stage, namespace) as process:
            own.freeze()
            _kill(stage, namespace, 5)
            process.send_signal(signal.SIGTERM)
            assert process.stderr is not None
            waiting = process.stderr.readline()
            own.thaw()
            _, err = process.communicate(timeout=patient(60))
        assert waiting.startswith(f"sigtrace: waiting for {where}")
        assert process.returncode == 0, err
        assert "0 records lost" in err
        read = sigtrace.open(own.seen(where))
        assert len(read.batch(signal=15)) == 6
        assert (read.losses.nothing, read.problems) == (True, [])


def test_what_does_not_fit_into_the_queue_of_a_disk_that_hangs_is_in_the_recording_as_lost(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder, "_QUEUE_RECORDS", 2)
    namespace = stage.namespace()
    with disk(tmp_path / "d") as own, sigtrace.Collector(ns=[namespace.inode], scope="inits") as live:
        where = own.seen(own.where) / "r"
        ours = recorder.Recorder(live, where, Limits(1 << 30, 1e9, 1e9), lambda _: None)
        ours.start()
        running = threading.Thread(target=ours.run)
        running.start()
        _kill(stage, namespace, 1)
        _until(lambda: _recorded(where) == 1)
        own.freeze()
        _kill(stage, namespace, 9)
        _until(lambda: ours.losses().unqueued)
        own.thaw()
        live.stop()
        running.join()
        assert (ours.closed, ours.lost) == (True, ours.losses().unqueued)
        read = sigtrace.open(where)
        assert (read.losses.total, read.losses.unqueued) == (ours.lost, ours.lost)
        assert len(read.batch(signal=15)) + ours.lost == 10


def test_a_directory_on_a_disk_that_hangs_is_refused(tmp_path: Path) -> None:
    with disk(tmp_path / "d") as own:
        own.freeze()
        done = subprocess.run(
            [*own.under, *commands.COMMAND, "record", str(own.where / "r")],
            capture_output=True,
            text=True,
            timeout=patient(90),
            check=False,
        )
        own.thaw()
    assert done.returncode == 1
    assert done.stderr == f"sigtrace: {own.where}/r does not respond: record onto another disk\n"


def test_a_second_signal_ends_the_wait_for_the_disk(stage: Stage, tmp_path: Path) -> None:
    namespace = stage.namespace()
    with disk(tmp_path / "d") as own:
        where = own.where / "r"
        with at_work("record", str(where), "--ns", str(namespace.inode), under=own.under) as process:
            own.freeze()
            _kill(stage, namespace, 1)
            process.send_signal(signal.SIGTERM)
            assert process.stderr is not None
            assert "Ctrl-C again gives up" in process.stderr.readline()
            process.send_signal(signal.SIGTERM)
            assert process.wait(patient(60)) == -signal.SIGTERM
            own.thaw()


def test_a_disk_that_is_full_at_the_end_is_said_in_the_recording_too(stage: Stage, tmp_path: Path) -> None:
    namespace = stage.namespace()
    with disk(tmp_path / "d") as own:
        where = own.where / "r"
        with _begun(own, where, stage, namespace) as process:
            fill(own.seen(own.where) / "filler")
            assert process.stderr is not None
            _until_full(process, lambda: _kill(stage, namespace, 2000))
            recorded, lost, why, _ = _end(process)
        assert process.returncode == 1
        assert lost > 0
        assert "could not be closed" in why
        read = sigtrace.open(own.seen(where))
        assert len(read.batch()) == recorded
        assert read.losses.unwritten == lost
        manifest = json.loads((own.seen(where) / "manifest.json").read_text())
        assert manifest["losses"]["unwritten"] == lost
        said = commands.sigtrace("summary", str(own.seen(where)))
        assert f"{lost:,} records known to be lost (the totals are too low)" in said.stdout


def _until_full(process: subprocess.Popen[str], write: Callable[[], None]) -> None:
    """Write until the recorder says that it cannot any more."""
    lines = process.stderr
    assert lines is not None
    said: list[str] = []
    reader = threading.Thread(target=lambda: said.append(lines.readline()))
    reader.start()
    deadline = time.monotonic() + patient(60)
    while reader.is_alive() and time.monotonic() < deadline:
        write()
        reader.join(0.2)
    assert "cannot be written: " in said[0], said


def test_a_disk_that_turns_read_only_is_said_with_what_to_do(stage: Stage, tmp_path: Path) -> None:
    namespace = stage.namespace()
    with disk(tmp_path / "d") as own:
        where = own.where / "r"
        with _begun(own, where, stage, namespace) as process:
            own.abort()
            _kill(stage, namespace, 3)
            assert process.stderr is not None
            said = process.stderr.readline()
            recorded, lost, why, _ = _end(process)
        assert "Read-only file system" in said
        assert "mount its disk for writing again" in said
        assert process.returncode == 1
        assert (recorded, lost) == (1, 3)
        assert "could not be closed" in why
        assert _recorded(own.seen(where)) == 1
        assert sigtrace.open(own.seen(where)).losses.cut == 1
        done = subprocess.run(
            [*own.under, *commands.COMMAND, "record", str(where)], capture_output=True, text=True, check=False
        )
        assert done.stderr == f"sigtrace: cannot record into {where}: Read-only file system\n"


def test_an_error_of_the_disk_loses_what_was_not_on_it(stage: Stage, tmp_path: Path) -> None:
    namespace = stage.namespace()
    with disk(tmp_path / "d", backing="12m") as own:
        where = own.where / "r"
        with _begun(own, where, stage, namespace, "--all") as process:
            fill(own.backing / "filler")  # what the disk takes has now nowhere to go
            _until_full(process, lambda: _kill(stage, namespace, 500))
            _, lost, _, lines = _end(process)
        assert process.returncode == 1
        assert lost > 0
        assert any(f"{lost:,} records lost" in line for line in lines)


def test_a_directory_that_is_deleted_takes_what_was_recorded_with_it(stage: Stage, tmp_path: Path) -> None:
    namespace = stage.namespace()
    where = tmp_path / "r"
    with at_work("record", str(where), "--ns", str(namespace.inode)) as process:
        _kill(stage, namespace, 3)
        _until(lambda: where.exists() and _recorded(where) == 3)
        shutil.rmtree(where)
        assert process.stderr is not None
        assert "create the directory again" in process.stderr.readline()
        recorded, lost, why, _ = _end(process)
    assert process.returncode == 1
    assert (recorded, lost) == (0, 3)
    assert "could not be closed" in why
