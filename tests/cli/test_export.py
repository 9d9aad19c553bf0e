"""`sigtrace export`, as its user runs it: what appears under which name, what is said, and what is refused."""

from __future__ import annotations

import functools
import json
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sigtrace.events.batch import Batch
from sigtrace.recording import schema
from tests.builders.recordings import UTC, Made, made, terms
from tests.builders.records import record
from tests.patience import patient
from tests.terminal import Tty

SECOND = 10**9
FILES = {"csv": "out.csv", "json": "out.json", "perfetto": "out.pftrace", "parquet": "out"}


def _run(*words: object) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "sigtrace", "export", *map(str, words)]
    return subprocess.run(command, capture_output=True, timeout=patient(60), check=False)


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three drops in a container, in one recording, which no test changes."""
    recording = Made(tmp_path_factory.mktemp("story") / "story")
    recording.add(
        *terms([SECOND, 2 * SECOND], nsid=4026532249, ns_start=5), *terms([SECOND], nsid=4026532300)
    )
    named = {"container_id": "c" * 64, "container_name": "web-1"}
    rows = [
        {"time": UTC, "nsid": 4026532249, "ns_start": 5, **named},
        {"time": UTC, "nsid": 4026532300, "ns_start": 0},
    ]
    recording.writer.rows("namespaces", schema.NAMESPACES, rows)
    recording.close()
    return recording.path


@dataclass(frozen=True)
class Exported:
    """What one run of the command did in a directory of its own."""

    done: subprocess.CompletedProcess[bytes]
    out: Path

    def copy(self, where: Path) -> Path:
        """Copy the file or the directory that it wrote into a directory."""
        copied = where / self.out.name
        if self.out.is_dir():
            return Path(shutil.copytree(self.out, copied))
        return Path(shutil.copy(self.out, copied))


@pytest.fixture(scope="module")
def exported(story: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Exported]:
    """The story in a format; each is exported once."""

    @functools.cache
    def export(kind: str) -> Exported:
        out = tmp_path_factory.mktemp(kind) / FILES[kind]
        return Exported(_run(story, "--to", kind, "-o", out), out)

    return export


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording that takes a second or more to export as CSV."""
    recording = Made(tmp_path_factory.mktemp("large") / "large")
    part = np.repeat(record(time=SECOND), 1 << 16)
    part["time"] += np.arange(len(part), dtype="u8") * 997  # equal records would expand as no recorder's do
    for _ in range(6):
        recording.writer.events(Batch(part, UTC, "vm"))
        recording.writer.flush()
    recording.close()
    return recording.path


@pytest.mark.parametrize("kind", FILES)
def test_each_format_is_written_whole_and_said(exported: Callable[[str], Exported], kind: str) -> None:
    done, out = exported(kind).done, exported(kind).out
    assert (done.returncode, done.stdout) == (0, b"")
    assert done.stderr.decode() == f"sigtrace: 3 events written to {out}\n"
    assert out.stat().st_mode & 0o007 == 0
    assert [path.name for path in out.parent.iterdir()] == [out.name]


@pytest.mark.parametrize("kind", ["csv", "parquet"])  # a file, and a directory
def test_nothing_is_overwritten_without_force(
    story: Path, exported: Callable[[str], Exported], tmp_path: Path, kind: str
) -> None:
    out = exported(kind).copy(tmp_path)
    again = _run(story, "--to", kind, "-o", out)
    assert again.returncode == 2
    assert again.stderr.decode() == f"sigtrace: {out} exists: --force replaces it\n"
    assert _run(story, "--to", kind, "-o", out, "--force").returncode == 0


@pytest.mark.parametrize("kind", ["csv", "json", "perfetto"])
def test_stdout_gets_the_same_bytes(story: Path, exported: Callable[[str], Exported], kind: str) -> None:
    done = _run(story, "--to", kind, "-o", "-")
    assert done.stdout == exported(kind).out.read_bytes()
    assert done.stderr == b"sigtrace: 3 events written\n"


@pytest.mark.parametrize(
    ("options", "seen"),
    [
        (("--ns", "4026532249"), 2),
        (("--container", "web-1"), 2),
        (("--container", "web-*", "--since", "2023-11-14T22:13:22"), 1),
        (("--signal", "KILL"), 0),
        (("--until", "2023-11-14T22:13:22Z"), 2),
    ],
)
def test_the_filters_of_summary_hold(story: Path, options: tuple[str, ...], seen: int) -> None:
    done = _run(story, "--to", "json", "-o", "-", *options)
    assert len(done.stdout.splitlines()) == seen, done.stderr
    assert all(
        "web-1" in json.loads(line)["container_name"]
        for line in done.stdout.splitlines()[:2]
        if "--ns" in options
    )


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("/nowhere", "--to", "csv", "-o", "x"), "/nowhere is not a directory"),
        (("STORY", "--to", "parquet", "-o", "-"), "parquet is written to a directory, not to stdout"),
        (("STORY", "--to", "csv", "-o", "/nowhere/x"), "/nowhere does not exist: create that first"),
        (("STORY", "--to", "csv", "-o", "/dev/full", "--force"), "/dev/full is not a regular file"),
        (("STORY", "--to", "csv", "-o", "x", "--ns", "4026500000"), "the recording has no PID namespace"),
        (("STORY", "--to", "csv", "-o", "x", "--container", "web-2"), "web-1"),
        (("STORY", "--to", "csv", "-o", "x", "--since", "teatime"), "'teatime' is not a time"),
    ],
)
def test_bad_input_gets_one_sentence_and_a_usage_code(story: Path, words: tuple[str, ...], says: str) -> None:
    done = _run(*(story if word == "STORY" else word for word in words))
    assert (done.returncode, done.stdout) == (2, b"")
    assert says in done.stderr.decode()
    assert done.stderr.count(b"\n") == 1


def test_a_reader_that_leaves_early_is_no_error(large: Path) -> None:
    command = f"{sys.executable} -m sigtrace export {large} --to json -o - | head -1"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], capture_output=True, timeout=patient(60), check=False
    )
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) == 1
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_ended_half_way_it_leaves_nothing(
    large: Path, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    out = tmp_path / "exported"
    out.mkdir()
    command = [
        sys.executable,
        "-m",
        "sigtrace",
        "export",
        str(large),
        "--to",
        "csv",
        "-o",
        str(out / "x.csv"),
    ]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as process:
        deadline = time.monotonic() + patient(30)
        while not list(out.iterdir()) and time.monotonic() < deadline:
            time.sleep(0.005)
        assert [path.name.endswith(".partial") for path in out.iterdir()] == [True]
        process.send_signal(number)
        assert process.wait(patient(30)) == code
    assert list(out.iterdir()) == []


def test_a_full_disk_is_one_sentence_and_leaves_nothing(large: Path, tmp_path: Path) -> None:
    script = f"ulimit -f 1000; exec {sys.executable} -m sigtrace export {large} --to csv -o {tmp_path}/x.csv"
    done = subprocess.run(
        ["bash", "-c", script], capture_output=True, timeout=patient(60), check=False, text=True
    )
    assert done.returncode == 1
    assert done.stderr.startswith("sigtrace: File too large")
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_read_is_said(story: Path, tmp_path: Path) -> None:
    damaged = Path(shutil.copytree(story, tmp_path / "damaged"))
    (damaged / "events-000009.arrow").write_text("hello")
    done = _run(damaged, "--to", "json", "-o", tmp_path / "out.json")
    assert done.returncode == 0
    assert "is not a file of a recording, or is damaged: it is left out" in done.stderr.decode()


def test_what_was_lost_is_said(tmp_path: Path) -> None:
    recording = Made(tmp_path / "r")
    recording.writer.rows("losses", schema.LOSSES, [{"time": UTC, "unqueued": 2}])
    recording.close()
    done = _run(tmp_path / "r", "--to", "json", "-o", "-")
    assert done.stderr == b"sigtrace: 2 records lost (the totals are too low)\nsigtrace: 0 events written\n"


def test_progress_is_shown_on_a_terminal_and_goes_away(large: Path, tmp_path: Path) -> None:
    words = [sys.executable, "-m", "sigtrace", "export", str(large), "--to", "csv", "-o", "x.csv"]
    tty = Tty(tmp_path, shlex.join(words), errors="/dev/tty")
    try:
        tty.until(lambda: re.search(rb"\d+/393216", tty.raw))
        tty.shows("BACK")
        assert [line for line in tty.lines if line] == ["sigtrace: 393,216 events written to x.csv", "BACK"]
    finally:
        tty.close()


def test_an_empty_recording_exports_empty_tables(tmp_path: Path) -> None:
    Made(tmp_path / "r").close()
    assert _run(tmp_path / "r", "--to", "parquet", "-o", tmp_path / "out").returncode == 0
    assert len(pd.read_parquet(tmp_path / "out" / "events.parquet")) == 0
    assert _run(tmp_path / "r", "--to", "perfetto", "-o", tmp_path / "t").returncode == 0
    made(tmp_path / "one", record())
    assert _run(tmp_path / "r", tmp_path / "one", "--to", "json", "-o", "-").stdout.count(b"\n") == 1
