"""A signal at any moment of a command leaves no traceback, process, file or BPF object behind: see `moments.py`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from sigtrace.lab.stage import Stage
from tests.commands import at_work

pytestmark = [pytest.mark.kernel, pytest.mark.timeout(36_000)]

SHOTS = int(os.environ.get("SIGTRACE_SHOTS", "6"))
"""At each command. `make soak` fires 200."""


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    where = tmp_path_factory.mktemp("recording") / "r"
    with Stage() as stage, at_work("record", str(where)) as process:
        stage.outside.kill(stage.namespace().init, 15)
        process.send_signal(signal.SIGINT)
        process.wait()
    return where


@pytest.mark.parametrize(
    "command",
    [
        *("watch", "record NEW", "top --once"),
        *("scan", "explain --signal TERM --pid 2", "doctor", "demo", "lab all"),
        *("summary RECORDING", "postmortem RECORDING", "report RECORDING -o NEW"),
        *("export RECORDING --to csv -o NEW", "export RECORDING --to parquet -o NEW"),
    ],
)
def test_a_signal_at_any_moment_leaves_nothing_behind(command: str, recording: Path) -> None:
    fire = [sys.executable, "-m", "tests.cli.moments", command, str(recording), str(SHOTS), "1"]
    done = subprocess.run(fire, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, ""), done.stderr
