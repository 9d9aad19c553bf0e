"""What a notebook shows: a recording at a glance, and a collector at work."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

import sigtrace
from sigtrace.errors import BadInput
from sigtrace.events.batch import Batch
from sigtrace.events.counts import COUNT, Counts
from sigtrace.events.losses import Losses
from sigtrace.live.collector import Collector
from sigtrace.notebook import LiveView, watch_in_notebook
from sigtrace.recording import schema
from tests.builders.pages import HOSTILE, Shown
from tests.builders.recordings import UTC, Made
from tests.builders.records import record
from tests.builders.stories import INIT, SECOND, WEB, recorded, stop_of_ten_seconds


def _shown(recording: sigtrace.Recording) -> Shown:
    return Shown(recording._repr_html_())


def _counts(count: int) -> Counts:
    records = np.zeros(1, COUNT)
    first = record(**INIT)
    for name in COUNT.names or ():
        records[name] = count if name == "count" else 0 if name.startswith("pad") else first[name]
    return Counts(records)


def test_a_recording_shows_hosts_span_namespaces_drops_and_losses(tmp_path: Path) -> None:
    recording = Made(tmp_path)
    recording.add(record(**INIT, time=8 * SECOND))
    recording.writer.counts(_counts(1234), UTC + 9 * SECOND)
    recording.writer.rows("namespaces", schema.NAMESPACES, [{"time": UTC, **WEB}])
    recording.writer.rows("losses", schema.LOSSES, [{"time": UTC, "lost": 5}])
    recording.close()
    page = _shown(sigtrace.open(tmp_path))
    assert "Recording of web-1" in re.sub(r"\s+", " ", page.text)
    assert "1 PID namespace, 1 container; 1,234 signals seen, 1,234 dropped" in page.text
    assert re.search(r"web-1\s+web-1\s+app\s+SIGTERM\s+1,234", page.text)
    assert "5 records lost (the totals are still exact)" in page.text
    assert "2023-11-14 22:13:29" in page.text


def test_without_counts_the_events_are_counted(tmp_path: Path) -> None:
    page = _shown(sigtrace.open(recorded(tmp_path / "r", stop_of_ten_seconds(), WEB)))
    assert "4 signals seen, 1 dropped" in page.text
    assert re.search(r"web-1\s+web-1\s+app\s+SIGTERM\s+1", page.text)


def test_an_empty_recording_shows_that_there_is_nothing(tmp_path: Path) -> None:
    Made(tmp_path).close()
    assert "0 PID namespaces; 0 signals seen, 0 dropped" in _shown(sigtrace.open(tmp_path)).text


def test_hostile_names_are_text(tmp_path: Path) -> None:
    records = [record(**{**INIT, "target_comm": b"</td><script>"}, time=SECOND, sender_comm=b"<img src=x>")]
    row = {**WEB, "container_name": HOSTILE, "init_comm": HOSTILE}
    recording = sigtrace.open(recorded(tmp_path / "r", records, row, host=HOSTILE))
    recording.problems.append(HOSTILE)
    page = recording._repr_html_()
    assert Shown(page).tags == {"div", "b", "br", "table", "tr", "th", "td"}
    assert "\x1b" not in page
    assert "alert(1)" in Shown(page).text


class _Live:
    """A collector that has these batches, one a look, and is then interrupted."""

    def __init__(self, *batches: Batch) -> None:
        self._batches = list(batches)

    def drain(self, timeout: float = 0) -> Batch:
        if not self._batches and timeout:
            raise KeyboardInterrupt
        return self._batches.pop(0) if self._batches else Batch(record()[:0], 0, "h")

    def counts(self) -> Counts:
        return _counts(3)

    def losses(self) -> Losses:
        return Losses(lost=7)


def _watched(*batches: Batch, lines: int = 15) -> tuple[LiveView, list[str]]:
    pages: list[str] = []
    view = LiveView(cast(Collector, _Live(*batches)), pages.append, lines)
    view.run(every=0.01)
    return view, pages


def _batch(count: int, **changes: Any) -> Batch:
    records = [
        record(**{**INIT, "time": number, "sender_pid": 5, "sender_comm": b"runc", **changes})
        for number in range(count)
    ]
    return Batch(np.concatenate(records), UTC, "web-1")


def test_a_watched_collector_shows_its_last_events_and_ends_when_interrupted() -> None:
    view, pages = _watched(_batch(2), _batch(3, signal=1))
    text = Shown(pages[-1]).text
    assert "3 signals seen, 3 dropped, 7 records lost (the totals are still exact) (ended)" in text
    assert text.count("runc/5") == 5
    assert text.count("dropped: no handler") == 5
    assert "font-weight:bold" in pages[-1]
    assert len(view.events()) == 5
    assert view.events()["signal_name"].tolist()[-1] == "SIGHUP"


def test_only_the_last_lines_are_shown_and_the_last_events_kept() -> None:
    view, pages = _watched(_batch(30), _batch(30, signal=1), lines=4)
    assert Shown(pages[-1]).text.count("runc/5") == 4
    assert len(view.events()) == 60


def test_hostile_names_in_a_watched_collector_are_text() -> None:
    _, pages = _watched(_batch(1, sender_comm=b"<script>", target_comm=b"</table>\x1b"))
    assert Shown(pages[-1]).tags == {"div", "table", "tr", "th", "td"}
    assert "\x1b" not in pages[-1]


def test_outside_a_notebook_it_says_what_to_use_instead(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BadInput, match="in a terminal, use sigtrace watch"):
        watch_in_notebook(seconds=1)
    monkeypatch.setitem(sys.modules, "IPython.display", None)
    with pytest.raises(BadInput, match=r"pip install 'sigtrace\[notebook\]'"):
        watch_in_notebook(seconds=1)


def test_the_library_imports_without_pandas_until_a_frame_is_asked_for() -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sigtrace, sys; sys.exit('pandas' in sys.modules or 'numpy' in sys.modules)",
        ],
        check=False,
    )
    assert done.returncode == 0
