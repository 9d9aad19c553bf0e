"""What runs on a node imports nothing that only analysis needs: it need not be installed there, nor be loaded."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from sigtrace.lab.stage import Stage
from tests.patience import patient

pytestmark = pytest.mark.kernel

ANALYSIS = ("altair", "jinja2", "pandas", "pyarrow.dataset", "pyarrow.parquet")
_ASK = f"""
import sys
from sigtrace.cli import main
loaded = sys.argv.pop()
try:
    main()
except SystemExit:
    with open(loaded, "a") as file:  # one line of each process: a recorder is two
        print(*(name for name in {ANALYSIS!r} if sys.modules.get(name)), file=file)
"""
_UNTIL_STOPPED = {"record": "record DIR", "watch": "watch --format json"}
_BY_ITSELF = {
    "top": "top --once --interval 500ms",
    "scan": "scan",
    "explain": "explain --signal TERM --pid PID",
    "postmortem": "postmortem --live --ns PID --listen 1ms",
    "doctor": "doctor",
    "demo": "demo",
    "lab": "lab term-handler",
}


@pytest.mark.parametrize("command", [*_UNTIL_STOPPED, *_BY_ITSELF])
def test_what_runs_on_a_node_imports_nothing_that_only_analysis_needs(
    stage: Stage, tmp_path: Path, command: str
) -> None:
    init = stage.namespace().init
    loaded = tmp_path / "loaded"
    values = {"DIR": str(tmp_path / "recording"), "PID": str(init.pid)}
    words = [values.get(word, word) for word in (_UNTIL_STOPPED | _BY_ITSELF)[command].split()]
    with subprocess.Popen(
        [sys.executable, "-c", _ASK, *words, str(loaded)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        if command in _UNTIL_STOPPED:
            assert process.stderr is not None
            assert any("ready" in line for line in iter(process.stderr.readline, ""))
            stage.outside.kill(init, signal.SIGTERM)  # so that there is something to print, or to write
            stage.outside.kill(init, signal.SIGUSR1)
            process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=patient(60))
    assert loaded.read_text().splitlines() == [""] * (2 if command == "record" else 1), out + err
