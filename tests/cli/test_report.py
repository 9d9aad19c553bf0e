"""`sigtrace report`, as its user runs it: which file it writes, which it leaves alone, what it refuses."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.builders.incident import incident
from tests.patience import patient

ROOT = Path(__file__).parents[2]
BEGINNING = b"<!doctype html>"


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return incident(tmp_path_factory.mktemp("incident") / "recording")


def run(where: Path, *words: object) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "sigtrace", "report", *map(str, words)]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, capture_output=True, timeout=patient(60), check=False, cwd=where, env=env)


def test_it_writes_report_html_here_and_says_what_it_found(recording: Path, tmp_path: Path) -> None:
    done = run(tmp_path, recording)
    assert done.returncode == 0
    assert done.stdout == b""
    size = (tmp_path / "report.html").stat().st_size
    assert (
        done.stderr.decode() == f"sigtrace: 3 of 5 PID namespaces hung: report.html, {size / 1000:,.0f} kB\n"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_an_earlier_report_is_replaced_without_asking(recording: Path, tmp_path: Path) -> None:
    run(tmp_path, recording, "--container", "db")
    before = (tmp_path / "report.html").read_bytes()
    assert run(tmp_path, recording).returncode == 0
    assert len((tmp_path / "report.html").read_bytes()) > len(before)


def test_any_other_file_is_left_alone_unless_forced(recording: Path, tmp_path: Path) -> None:
    other = tmp_path / "page.html"
    other.write_text("<!doctype html>\n<html>my own notes")
    refused = run(tmp_path, recording, "-o", other)
    assert refused.returncode == 2
    assert b"exists: --force replaces it" in refused.stderr
    assert other.read_text().endswith("my own notes")
    assert run(tmp_path, recording, "-o", other, "--force").returncode == 0
    assert b"my own notes" not in other.read_bytes()


def test_what_is_no_file_is_not_written_to(recording: Path, tmp_path: Path) -> None:
    (tmp_path / "directory").mkdir()
    os.mkfifo(tmp_path / "pipe")
    for name in ("directory", "pipe", "missing/report.html"):
        done = run(tmp_path, recording, "-o", name)
        assert done.returncode == 2, name
        assert done.stderr.count(b"\n") == 1


def test_stdout_gets_the_page_and_nothing_else(recording: Path, tmp_path: Path) -> None:
    done = run(tmp_path, recording, "-o", "-")
    assert done.stdout.startswith(BEGINNING)
    assert done.stdout.rstrip().endswith(b"</html>")
    assert done.stderr == b""
    assert list(tmp_path.iterdir()) == []


def test_a_disk_without_room_leaves_no_half_of_a_report(recording: Path, tmp_path: Path) -> None:
    limited = f"ulimit -f 8; exec {sys.executable} -m sigtrace report {recording}"
    done = subprocess.run(
        ["bash", "-c", f"trap '' XFSZ; {limited}"],
        capture_output=True,
        timeout=patient(60),
        check=False,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
    )
    assert done.returncode == 1
    assert done.stderr.startswith(b"sigtrace: File too large")
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_container_is_one_sentence_and_no_file(recording: Path, tmp_path: Path) -> None:
    done = run(tmp_path, recording, "--container", "wbe-1")
    assert done.returncode == 2
    assert b"wbe-1" in done.stderr
    assert b"Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_it_says_what_it_was_narrowed_to(recording: Path, tmp_path: Path) -> None:
    run(tmp_path, recording, "--container", "web-*", "--since", "2023-11-14T22:00:00", "-o", "w.html")
    page = (tmp_path / "w.html").read_text()
    assert "Only container web-*" in page
    assert "Only from 2023-11-14 22:00:00 UTC on" in page
    assert "probe" not in page
