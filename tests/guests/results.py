"""What the guests told, kept in docs/kernels.json: a run replaces what it ran again, and leaves the rest as it was.

    methods     kernel and architecture -> its release, the date, the sample, and a line for each step by each method
    conditions  kernel, architecture and condition -> its release, the date, and the lines of `doctor` and `watch`

Instead of these, `problem` says why a kernel was not run.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from tests.guests.boot import Told
from tests.guests.cells import Cell

FILE = Path(__file__).parents[2] / "docs" / "kernels.json"

Results = dict[str, dict[str, dict[str, Any]]]


def load() -> Results:
    """Read what is kept."""
    return {"methods": {}, "conditions": {}, **json.loads(FILE.read_text() if FILE.exists() else "{}")}


def save(results: Results) -> None:
    """Write all of it, in the order of names, so that a difference shows what has changed."""
    FILE.write_text(json.dumps(results, indent=1, sort_keys=True) + "\n")


def keep(results: Results, cell: Cell, told: Told) -> None:
    """Put what a guest told into the results."""
    today = datetime.datetime.now(datetime.timezone.utc).date().isoformat()
    of_all = {"release": told.release, "date": today}
    if cell.job == "methods":
        lines = with_end(told)
        results["methods"][cell.system] = {
            **of_all,
            "sample": cell.of,
            "seconds": told.seconds,
            "lines": lines,
        }
        return
    for name in cell.of.split(","):
        lines = [line for line in with_end(told) if line.get("condition", name) == name]
        results["conditions"][f"{cell.system} {name}"] = {**of_all, "lines": lines}


def keep_problem(results: Results, cell: Cell, problem: str) -> None:
    """Note why a kernel was not run."""
    if cell.job == "methods":
        results["methods"][cell.system] = {"problem": problem}
    for name in cell.of.split(",") if cell.job == "conditions" else ():
        results["conditions"][f"{cell.system} {name}"] = {"problem": problem}


def with_end(told: Told) -> list[dict[str, Any]]:
    """Return the lines of a guest; one that did not come to its end has a line more, which failed."""
    end = {"step": "end", "passed": 0, "failed": 1, "seconds": 0, "said": "the guest did not come to its end"}
    return [*told.lines, *([] if told.complete else [end])]


def failures(lines: Iterable[dict[str, Any]]) -> Iterator[str]:
    """Yield a text for each step that failed."""
    for line in lines:
        if line.get("failed"):
            about = line.get("method") or line.get("condition") or ""
            yield f"{about} {line['step']}: {line['said']}".strip()
