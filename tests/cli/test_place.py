"""Commands on recordings elsewhere."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.builders.recordings import made, terms
from tests.patience import patient


def test_commands_read_urls_too(tmp_path: Path) -> None:
    made(tmp_path, *terms([1]))
    done = subprocess.run(
        [sys.executable, "-m", "sigtrace", "summary", f"file://{tmp_path}"],
        capture_output=True,
        text=True,
        timeout=patient(60),
        check=False,
    )
    assert "1 signal dropped" in done.stdout, done.stderr
