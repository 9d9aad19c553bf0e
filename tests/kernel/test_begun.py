"""Whoever begins the suite, the lab or the demo may ignore and block signals, as nohup and scripts do."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.patience import patient

ROOT = Path(__file__).parents[2]
TOLD = (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP)
"""What nohup and the background jobs of scripts ignore."""
ALL = signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}

_BEGIN = """
import os, signal, sys
numbers = [int(word) for word in sys.argv[1].split(",")]
signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
for number in numbers:
    signal.signal(number, signal.SIG_IGN)
os.execvp(sys.argv[2], sys.argv[2:])
"""
_STAGED = """
from sigtrace.notebook import stage_a_stop
stops = stage_a_stop(grace=0.2).recording.stops()
print(sorted(stops["dropped"].tolist()))
"""
SUITE = (
    "tests/cli/test_top_terminal.py::test_however_it_ends_the_terminal_is_as_it_was",
    "tests/cli/test_watch.py::test_a_signal_ends_it_with_the_summary",
    "tests/kernel/test_begun.py::test_what_a_test_starts_has_default_dispositions_and_nothing_blocked",
    "tests/kernel/test_frames_live.py::test_a_collector_is_watched_until_the_cell_is_interrupted",
    "tests/kernel/test_postmortem_stop.py::test_a_kill_from_inside_that_comes_to_nothing_is_no_stop",
)
"""Tests that send what is ignored to themselves, to commands in a terminal and out of it, and to recorders."""


def begun(
    numbers: tuple[signal.Signals, ...] | set[signal.Signals], *words: str, **environment: str
) -> subprocess.CompletedProcess[str]:
    """A command begun with these signals ignored and blocked, run to its end."""
    begin = [sys.executable, "-c", _BEGIN, ",".join(str(int(number)) for number in numbers)]
    return subprocess.run(
        [*begin, sys.executable, *words],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=patient(100),
        check=False,
    )


def test_what_a_test_starts_has_default_dispositions_and_nothing_blocked() -> None:
    status = subprocess.run(["cat", "/proc/self/status"], capture_output=True, text=True, check=True).stdout
    masks = {line.partition(":")[0]: line.split()[1] for line in status.splitlines() if line[:3] == "Sig"}
    assert (int(masks["SigIgn"], 16), int(masks["SigBlk"], 16)) == (0, 0)


@pytest.mark.kernel
def test_tests_pass_however_the_suite_is_begun() -> None:
    done = begun(TOLD, "-m", "pytest", "-q", "-p", "no:cacheprovider", *SUITE)
    assert done.returncode == 0, done.stdout
    assert not {"skipped", "failed"} & set(done.stdout.split()), done.stdout


@pytest.mark.kernel
def test_the_lab_passes_however_it_is_begun() -> None:
    done = begun(ALL, "-m", "sigtrace", "lab", "all", "--format", "json")
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert (done.returncode, done.stderr) == (0, "")
    assert [row["experiment"] for row in rows if not row["passed"]] == []


@pytest.mark.kernel
def test_the_demo_tells_the_same_story_however_it_is_begun() -> None:
    done = begun(ALL, "-m", "sigtrace", "demo", "--format", "json")
    without, with_handler = map(json.loads, done.stdout.splitlines())
    assert [act["verdicts"] for act in without["signals"]] == [
        ["dropped_at_generate"],
        ["queued", "default_action"],
    ]
    assert [act["verdicts"] for act in with_handler["signals"]] == [["queued", "handled"]]
    assert with_handler["replayed_because"] == ""


@pytest.mark.kernel
def test_a_recording_for_a_notebook_is_made_however_that_is_begun() -> None:
    done = begun(TOLD, "-c", _STAGED, SIGTRACE_NOTEBOOK="live")
    assert (done.stdout, done.stderr) == ("[False, True]\n", "")
