"""Every command that runs until it is interrupted ends then, however it was started."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.patience import patient
from tests.terminal import Tty

SIGTRACE = shlex.join([sys.executable, "-m", "sigtrace"])

_BACKGROUND_JOB = """
mkfifo said
{command} {output} said &
exec 3< said
read -r line <&3
kill -{signal} $!
cat <&3 > rest
wait $!
exit $?
"""
"""A shell without job control starts its background jobs with SIGINT and SIGQUIT ignored (POSIX, 2.12)."""

_INTERRUPTED_IN_EXEC = """
import click, sigtrace.cli
sigtrace.cli.cli.main = lambda **_: exec("raise KeyboardInterrupt")
sigtrace.cli.main()
"""


@pytest.mark.kernel
@pytest.mark.parametrize(
    ("words", "output", "code"),
    [
        ("watch", "2>", 0),
        ("record there", "2>", 0),
        ("demo", ">", 130),
        ("lab all", ">", 130),
    ],
)
@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_sigint_ends_the_background_job_of_a_script(
    words: str, output: str, code: int, shell: str, tmp_path: Path
) -> None:
    script = _BACKGROUND_JOB.format(command=f"{SIGTRACE} {words}", output=output, signal="INT")
    done = subprocess.run(
        [shell, "-c", script], cwd=tmp_path, capture_output=True, timeout=patient(60), check=False
    )
    assert done.returncode == code, done.stderr
    assert b"Traceback" not in done.stderr


@pytest.mark.kernel
def test_sigterm_ends_one_that_was_started_with_it_ignored(tmp_path: Path) -> None:
    script = "trap '' TERM\n" + _BACKGROUND_JOB.format(
        command=f"{SIGTRACE} watch", output="2>", signal="TERM"
    )
    done = subprocess.run(
        ["sh", "-c", script], cwd=tmp_path, capture_output=True, timeout=patient(60), check=False
    )
    assert done.returncode == 0, done.stderr
    assert "0 records lost" in (tmp_path / "rest").read_text()


@pytest.mark.kernel
def test_sigint_ends_top_that_was_started_with_it_ignored(tmp_path: Path) -> None:
    tty = Tty(tmp_path, shlex.join(["sh", "-c", f"trap '' INT; exec {SIGTRACE} top"]))
    try:
        tty.shows("sorted by")
        os.kill(tty.child, signal.SIGINT)
        tty.shows("BACK")
        assert tty.file("code").strip() == "0"
        assert "0 records lost" in tty.file("errors")
    finally:
        tty.close()


def test_an_interrupt_while_a_module_executes_text_ends_with_our_exit_code(tmp_path: Path) -> None:
    """Dataclasses and named tuples execute text. Python kills itself after such an interrupt if it runs with -m."""
    (tmp_path / "interrupted.py").write_text(_INTERRUPTED_IN_EXEC)
    done = subprocess.run(
        [sys.executable, "-m", "interrupted"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (130, b"")
