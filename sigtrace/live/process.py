"""What a process that records does before anything else: it keeps pandas out, and makes the directory."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.abc import MetaPathFinder
from pathlib import Path

from sigtrace.recording import ground

_PATIENCE_SECONDS = 5.0


def without_pandas() -> None:
    """Keep pandas out of this process, for as long as it lives: it only records."""
    sys.meta_path.insert(0, _NoPandas())


class _NoPandas(MetaPathFinder):
    """Keeps pyarrow from importing pandas, which it does for the first array that it makes, if pandas is installed.

    That takes a second of CPU, in which records may be lost, and 30 MB; nothing here uses it. None in `sys.modules`
    does not do: an import by C code, as pyarrow's is, would get the None.
    """

    def find_spec(self, fullname: str, path: object, target: object = None) -> None:
        """Raise ModuleNotFoundError for pandas; leave everything else to the other finders."""
        if fullname == "pandas":
            raise ModuleNotFoundError("a recorder does not use pandas", name=fullname)


@contextmanager
def made(directory: Path) -> Iterator[None]:
    """Make the directory, with the privileges that are given up later: root may write below any directory.

    Where that fails, the recorder will say why. On an error before it is used, the directory is removed again.
    """
    anew: list[bool] = []

    def make() -> None:
        with suppress(OSError):
            existed = os.path.lexists(directory)
            ground.make(directory)
            anew.append(not existed)

    thread = threading.Thread(target=make, name="disk", daemon=True)  # the disk may hang
    thread.start()
    thread.join(_PATIENCE_SECONDS)
    try:
        yield
    except BaseException:
        if any(anew):
            with suppress(OSError):  # it is not empty
                os.rmdir(directory)
        raise
