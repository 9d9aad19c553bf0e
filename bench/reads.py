"""A command of sigtrace that counts how often it reads the namespaces table, and what that costs. Run as a child.

python bench/reads.py OUT ARGUMENT...     as `python -m sigtrace ARGUMENT...`; one JSON object into the file OUT

The package is the one that PYTHONPATH names. Instead of a profiler a clock around one function: a profiler makes every
call of Python dearer, and so the share of what consists of such calls larger than it is.
"""

from __future__ import annotations

import functools
import importlib
import json
import runpy
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sigtrace.recording import tables
from sigtrace.recording.reader import Recording
from sigtrace.recording.segments import Segments


@dataclass
class Reads:
    """What is counted; seconds are CPU, of all threads."""

    asked: int = 0
    """Calls of `Recording.namespaces`."""
    passes: int = 0
    """Times its files were read, all of them."""
    batches: int = 0
    """Record batches read from them."""
    seconds: float = 0.0
    """In `tables.namespaces`, which reads them and makes one table of them."""
    total: float = 0.0
    """Of the process."""


def watch(found: Reads) -> None:
    """Put the counters in place."""
    ask, read, make = Recording.namespaces, Segments.read, tables.namespaces

    @functools.wraps(ask)
    def asked(*args: Any, **kwargs: Any) -> Any:
        found.asked += 1
        return ask(*args, **kwargs)

    @functools.wraps(read)
    def passed(self: Segments, table: str, *args: Any, **kwargs: Any) -> Iterator[Any]:
        ours = table == "namespaces"
        found.passes += ours
        for part in read(self, table, *args, **kwargs):
            found.batches += ours
            yield part

    @functools.wraps(make)
    def made(*args: Any, **kwargs: Any) -> Any:
        importlib.import_module("pandas")  # it does so itself, at first: no cost of the table
        began = time.process_time()
        try:
            return make(*args, **kwargs)
        finally:
            found.seconds += time.process_time() - began

    replacements: dict[tuple[object, str], Callable[..., Any]] = {
        (Recording, "namespaces"): asked,
        (Segments, "read"): passed,
        (tables, "namespaces"): made,
    }
    for (owner, name), function in replacements.items():
        setattr(owner, name, function)


def main() -> None:
    """Run the command; its exit code is ours."""
    found, out = Reads(), Path(sys.argv[1])
    watch(found)
    sys.argv = ["sigtrace", *sys.argv[2:]]
    try:
        runpy.run_module("sigtrace", run_name="__main__", alter_sys=True)
    finally:
        found.total = time.process_time()
        out.write_text(json.dumps(asdict(found)))


if __name__ == "__main__":
    main()
