"""The summary of many namespaces that live for a moment, each stopped by SIGTERM and SIGKILL."""

from __future__ import annotations

from pathlib import Path

import sigtrace
from bench.synthetic import events
from sigtrace.recording.selection import Selection
from sigtrace.recording.summary import summarise
from tests.builders.recordings import made
from tests.builders.steps import counting


def _steps(path: Path, namespaces: int) -> int:
    """The lines of Python that the summary of so many namespaces takes."""
    recording = sigtrace.open(made(path / str(namespaces), events(namespaces)))
    with counting() as steps:
        found = summarise(recording, Selection())
        hits, of = found.table.hits(10)
    assert found.dropped == len(found.stops) == namespaces
    assert of == len({stop.nsid for stop in found.stops})
    assert len(hits) == 10
    assert all(stop.killed and stop.grace for stop in found.stops)
    return steps.count


def test_a_namespace_takes_few_lines_of_python(tmp_path: Path) -> None:
    few, many = _steps(tmp_path, 100), _steps(tmp_path, 1100)
    assert many - few < 30 * 1000
