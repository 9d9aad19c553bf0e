"""The second disk of a guest: the wheel as pip installs it, the tests, and what runs in the guest."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.guests import cache, disk, root

REPOSITORY = Path(__file__).parents[2]


def image(arch: str) -> Path:
    """Build the wheel from this checkout, and return a disk that has it. Takes a few seconds, so it is always made anew."""
    made = cache.directory("payloads") / f"{arch}.ext4"
    with tempfile.TemporaryDirectory() as directory:
        tree = Path(directory)
        wheel = _wheel(tree)
        root.pip_install(tree / "site", arch, "--no-deps", str(wheel))
        wheel.unlink()
        hidden = shutil.ignore_patterns("__pycache__", "files")
        shutil.copytree(REPOSITORY / "tests", tree / "src/tests", ignore=hidden)
        shutil.copy(REPOSITORY / "pyproject.toml", tree / "src")
        disk.plain(tree, made, "guest")
    return made


def _wheel(where: Path) -> Path:
    build = [sys.executable, "-m", "build", "--wheel", "--outdir", str(where), str(REPOSITORY)]
    subprocess.run(build, check=True, stdout=subprocess.DEVNULL)
    return next(where.glob("*.whl"))
