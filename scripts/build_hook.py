"""Puts the manual pages into a wheel, as share/man/man1: pip installs them where man(1) finds them."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class ManPages(BuildHookInterface):  # type: ignore[type-arg]
    """Makes them from the commands' help, which is then never another than the wheel's."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Make the pages before a wheel is built; an editable installation has none."""
        if version != "standard":
            return
        self._made = tempfile.TemporaryDirectory()
        command = [sys.executable, str(Path(self.root, "scripts", "man_pages.py")), self._made.name]
        before = filter(None, [os.environ.get("PYTHONPATH")])  # pip's isolated environment is in it
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join((self.root, *before))}
        subprocess.run(command, check=True, cwd=self.root, env=environment)
        for page in Path(self._made.name).iterdir():
            build_data["shared_data"][str(page)] = f"share/man/man1/{page.name}"
