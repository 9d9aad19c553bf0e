"""Children of processes, by /proc alone."""

from __future__ import annotations

import contextlib
from pathlib import Path


def children(pid: int) -> dict[int, str]:
    """PID and comm of each child that the first thread of a process has; a child that ends meanwhile is left out."""
    found = {}
    for child in map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            found[child] = Path(f"/proc/{child}/comm").read_text().strip()
    return found
