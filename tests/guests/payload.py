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
    """Build this checkout's wheel and return a disk that has it, made anew each time, which takes seconds."""
    made = cache.directory("payloads") / f"{arch}.ext4"
    with tempfile.TemporaryDirectory() as directory:
        tree = Path(directory)
        wheel = _wheel(tree)
        root.pip_install(tree / "site", arch, "--no-deps", str(wheel))
        wheel.unlink()
        hidden = shutil.ignore_patterns("__pycache__", "files")
        shutil.copytree(REPOSITORY / "tests", tree / "src/tests", ignore=hidden)
        shutil.copy(REPOSITORY / "pyproject.toml", tree / "src")
        root.compile_modules(tree, root.PAYLOAD, "site", "src")
        disk.plain(tree, made, "guest")
    return made


def _wheel(where: Path) -> Path:
    build = [sys.executable, "-m", "build", "--wheel", "--outdir", str(where), str(REPOSITORY)]
    done = subprocess.run(build, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"the wheel could not be built: {done.stdout}{done.stderr}")
    return next(where.glob("*.whl"))
