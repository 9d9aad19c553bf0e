"""Help is instant: what is slow to import is imported by the command that needs it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import click
import pytest

from sigtrace.cli import cli

ROOT = Path(__file__).parents[2]
SLOW = ("bcc", "numpy", "pandas", "pyarrow", "rich")
ASK = f"""
import json, sys
from sigtrace.cli import main
try:
    main()
except SystemExit as exit:
    print(json.dumps([exit.code, sorted(set({SLOW!r}) & set(sys.modules))]), file=sys.stderr)
"""


@pytest.mark.parametrize("command", ["", *cli.list_commands(click.Context(cli))])
def test_help_imports_nothing_slow(command: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", ASK, *command.split(), "-h"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert json.loads(done.stderr.splitlines()[-1]) == [0, []]
    assert done.stdout.startswith("Usage: ")
