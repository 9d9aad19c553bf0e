"""No test waits for a fixed time: all deadlines go through `tests/patience.py`."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).parents[1]
FIXED = re.compile(r"timeout=\d|monotonic\(\) \+ [\d.]+\s*(#|$)|\.wait\(\d\d|\.join\(\d\d")
SCALED = ("until(", '"ExecSync"', "--timeout=")
"""What multiplies what it is given; a call that takes whole seconds; pytest in a guest."""
ALONE = (TESTS / "distributions" / "check.py",)
"""What runs where the tests are not."""


def test_every_deadline_is_scaled() -> None:
    fixed = [
        f"{path.relative_to(TESTS)}:{number}: {line.strip()}"
        for path in TESTS.rglob("*.py")
        if path not in ALONE
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if FIXED.search(line) and not any(word in line for word in SCALED)
    ]
    assert fixed == []


def test_patience_multiplies() -> None:
    show = "from tests.patience import patient; from sigtrace.lab.channel import DEADLINE; print(patient(20), DEADLINE)"
    environment = {**os.environ, "SIGTRACE_PATIENCE": "3", "PYTHONPATH": str(TESTS.parent)}
    command = [sys.executable, "-c", show]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "60.0 30.0\n"
