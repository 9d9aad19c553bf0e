"""Where kernels, root file systems and logs are kept between runs: outside the repository."""

from __future__ import annotations

import os
from pathlib import Path

VARIABLE = "SIGTRACE_MATRIX_CACHE"


def directory(*parts: str) -> Path:
    """Return a directory below the cache's, made if it is not there."""
    top = os.environ.get(VARIABLE) or "~/.cache/sigtrace/matrix"
    path = Path(top).expanduser().joinpath(*parts)
    path.mkdir(parents=True, exist_ok=True)
    return path
