"""The recorder on the live kernel: nothing lost in a storm, little lost by `kill -9`, and no disk stops the tracing."""

from __future__ import annotations

import contextlib
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

import sigtrace
from sigtrace.lab.actor import Namespace
from sigtrace.lab.stage import Stage
from sigtrace.live.recorder import FLUSH_SECONDS, Recorder
from sigtrace.recording.reader import Recording
from sigtrace.recording.selection import Selection
from sigtrace.recording.summary import summarise
from sigtrace.recording.writer import Limits
from tests.commands import at_work
from tests.patience import patient

pytestmark = pytest.mark.kernel

PRIME = 40_009  # twice this is less than the ring holds: nothing is lost, however slow the recorder is
_SEND = "import os, sys; pid, n = map(int, sys.argv[1:]); [os.kill(pid, 15) for _ in range(n)]"
_SPARSE = "import os, sys, time\nwhile True: os.kill(int(sys.argv[1]), 15); time.sleep(0.002)"


@contextmanager
def recording(path: Path, *options: str, shifted: int = 0) -> Iterator[subprocess.Popen[str]]:
    """A `sigtrace record` that has said it is ready; with its clock of uptime that many seconds ahead."""
    with at_work("record", str(path), *options, shifted=shifted) as process:
        yield process


def _end(process: subprocess.Popen[str]) -> str:
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=patient(30))
    assert process.returncode == 0, err
    return err


def _until(condition: Callable[[], object], seconds: float = 15) -> None:
    deadline = time.monotonic() + patient(seconds)
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def _drops(read: Recording, nsid: int) -> int:
    return sum(
        line.count
        for line in summarise(read, Selection(ns=(nsid,))).lines
        if line.verdict.startswith("dropped")
    )


def test_a_storm_is_recorded_whole_while_snapshots_are_taken(stage: Stage, tmp_path: Path) -> None:
    namespace = stage.namespace()
    with recording(tmp_path / "r", "--every-record", "--ns", str(namespace.inode)) as process:
        senders = [
            subprocess.Popen([sys.executable, "-S", "-c", _SEND, str(namespace.init.pid), str(PRIME)])
            for _ in range(2)
        ]
        assert [sender.wait() for sender in senders] == [0, 0]
        err = _end(process)
    assert "sigtrace: 0 records lost" in err
    read = sigtrace.open(tmp_path / "r")
    batch = read.batch(signal=15)
    assert len(batch) == 2 * PRIME
    assert sorted(np.unique(batch.records["sender_pid"], return_counts=True)[1].tolist()) == [PRIME, PRIME]
    assert (np.diff(batch.records["time"].astype("i8")) >= 0).all()
    assert _drops(read, namespace.inode) == 2 * PRIME
    assert (read.losses.total, read.problems) == (0, [])
    assert set(read.snapshots()["trigger"]) == {"dropped"}


def test_in_a_time_namespace_a_namespace_is_one_row_and_not_born_in_the_future(
    stage: Stage, tmp_path: Path
) -> None:
    namespace = stage.namespace()
    with recording(tmp_path / "r", "--duration", "300ms", shifted=100_000) as process:
        stage.outside.kill(namespace.init, 15)
        process.wait(timeout=patient(30))
    read = sigtrace.open(tmp_path / "r")
    table = read.namespaces()
    rows = table[table["nsid"] == namespace.inode]
    assert rows["init_pid"].tolist() == [namespace.init.pid]
    assert rows["born"].iloc[0] <= read.events()["time"].iloc[0]
    starts = read.batch(ns=namespace.inode).records["ns_start"]
    assert rows["ns_start"].iloc[0] // 10**7 == starts[0] // 10**7


def test_a_recorder_killed_in_mid_storm_loses_only_what_came_after_its_last_flush(
    stage: Stage, tmp_path: Path
) -> None:
    namespace = stage.namespace()
    with recording(tmp_path / "r", "--ns", str(namespace.inode)) as process:
        sender = subprocess.Popen([sys.executable, "-S", "-c", _SPARSE, str(namespace.init.pid)])
        try:
            _until(lambda: len(sigtrace.open(tmp_path / "r").batch()) > 500)
            flushed = len(sigtrace.open(tmp_path / "r").batch())
            killed = time.time_ns()
            process.kill()
            process.wait()
        finally:
            sender.kill()
            sender.wait()
    read = sigtrace.open(tmp_path / "r")
    records = read.batch(signal=15).records
    assert FLUSH_SECONDS <= 1
    assert len(records) >= flushed
    for cpu in set(records["cpu"].tolist()):
        assert set(np.diff(records["seq"][records["cpu"] == cpu]).tolist()) <= {1}, "there is a gap"
    assert any("cut short" in problem for problem in read.problems)
    with recording(tmp_path / "r") as again:
        _end(again)
    assert sigtrace.open(tmp_path / "r").problems == []
    assert len(sigtrace.open(tmp_path / "r").batch(until=killed)) == len(records)


def test_a_stop_is_told_with_its_namespace_and_snapshots(
    stage: Stage, house: Namespace, tmp_path: Path
) -> None:
    with recording(tmp_path / "r", "--ns", str(house.inode), "--descendants") as process:
        namespace = house.init.namespace()
        asked = time.monotonic()
        stage.outside.kill(namespace.init, 15)
        _until(lambda: "dropped" in set(sigtrace.open(tmp_path / "r").snapshots()["trigger"]))
        stage.outside.kill(namespace.init, 9)
        assert namespace.init.fate().state != "running"
        took = time.monotonic() - asked
        _end(process)
    read = sigtrace.open(tmp_path / "r")
    table = read.namespaces()
    (row,) = table[table["nsid"] == namespace.inode].to_dict("records")
    assert row["init_pid"] == namespace.init.pid
    assert row["parent_nsid"] == house.inode
    assert row["born"] < row["died"]
    found = summarise(read, Selection(ns=(namespace.inode,)))
    (stop,) = found.stops
    assert stop.killed
    assert 0 < stop.seconds <= took
    rows = read.snapshots()
    assert namespace.init.pid in set(
        rows["pid"][(rows["nsid"] == namespace.inode) & (rows["trigger"] == "dropped")]
    )


def test_totals_count_what_the_scope_leaves_out(stage: Stage, tmp_path: Path) -> None:
    namespace = stage.namespace()
    member = namespace.member()
    member.set("ignore", 10)
    with recording(tmp_path / "r", "--ns", str(namespace.inode)) as process:
        for _ in range(7):
            stage.outside.kill(member, 10)
        _end(process)
    (line,) = summarise(sigtrace.open(tmp_path / "r"), Selection(signal=(10,))).lines
    assert (line.verdict, line.count, line.sender_comm) == ("ignored", 7, None)


def _fill(path: Path) -> None:
    """Take all the room there is."""
    with open(path, "wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))


_ON_A_TINY_DISK = """
import os, subprocess, sys
where = sys.argv[1]
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m,mode=755", "tmpfs", where], check=True)
os.execv(sys.executable, [sys.executable, "-m", "sigtrace", "record", where, "--all", *sys.argv[2:]])
"""


def test_a_full_disk_stops_the_writing_but_not_the_tracing(stage: Stage, tmp_path: Path) -> None:
    namespace = stage.namespace()
    process = subprocess.Popen(
        [
            "unshare",
            "--mount",
            sys.executable,
            "-c",
            _ON_A_TINY_DISK,
            str(tmp_path),
            "--ns",
            str(namespace.inode),
        ],
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr is not None
        assert process.stderr.readline().startswith("sigtrace: ready")
        inside = Path(f"/proc/{process.pid}/root{tmp_path}")
        stage.outside.kill(namespace.init, 15)
        _until(lambda: any(inside.glob("events-*")))
        filler = inside / "filler"
        _fill(filler)
        sender = subprocess.Popen([sys.executable, "-S", "-c", _SEND, str(namespace.init.pid), "20011"])
        assert sender.wait() == 0
        said = process.stderr.readline()
        assert re.match(r"sigtrace: .* cannot be written: No space left on device\. Tracing goes on", said), (
            said
        )
        filler.unlink()
        assert "recording again after" in process.stderr.readline()
        stage.outside.kill(namespace.init, 1)
        _until(lambda: len(sigtrace.open(inside).batch(signal=1)) == 1)
        read = sigtrace.open(inside)
        assert len(read.losses.gaps) == 1
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=patient(30))
        assert process.returncode == 1  # it is whole again, and lacks what came meanwhile
        assert "it could not be closed" not in err
        assert "20,013 signals seen, 20,013 dropped" in err
    finally:
        process.kill()
        process.communicate()


def test_a_mistake_of_the_writer_ends_the_recording_with_it(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ValueError("cannot be written")

    namespace = stage.namespace()
    with sigtrace.Collector(ns=[namespace.inode], scope="inits") as live:
        recorder = Recorder(live, tmp_path / "r", Limits(1 << 30, 1e9, 1e9), lambda _: None)
        monkeypatch.setattr(recorder._writer, "events", fail)
        stage.outside.kill(namespace.init, 15)
        with pytest.raises(ValueError, match="cannot be written"):
            recorder.run()


def test_a_writer_that_has_much_to_compute_is_not_taken_for_a_disk_that_hangs(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    namespace = stage.namespace()
    with sigtrace.Collector(ns=[namespace.inode]) as live:
        recorder = Recorder(live, tmp_path / "r", Limits(1 << 30, 1e9, 1e9), lambda _: None, patience=0.5)
        close = recorder._writer.close

        def slowly() -> None:
            until = time.thread_time() + 1.5
            while time.thread_time() < until:
                pass
            close()

        monkeypatch.setattr(recorder._writer, "close", slowly)
        recorder.start()
        live.stop()
        recorder.run()
    assert recorder.closed
