"""Frames and pictures of what this kernel did: a stop that was dropped, and one that was not."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import pandas as pd
import pytest

import sigtrace
from sigtrace import frames, plot
from sigtrace.lab.actor import Namespace
from sigtrace.lab.stage import Stage
from sigtrace.notebook import LiveView
from sigtrace.recording.reader import Recording
from sigtrace.recording.writer import Limits
from tests.patience import patient

pytestmark = pytest.mark.kernel


@pytest.fixture
def told(stage: Stage, house: Namespace, tmp_path: Path) -> tuple[Recording, Namespace, Namespace, float]:
    """A recording of two stops, one dropped and then killed, one handled; their namespaces; how long it took."""
    from sigtrace.live.recorder import Recorder

    with sigtrace.Collector(ns=[house.inode], descendants=True, scope="inits") as live:
        recorder = Recorder(live, tmp_path / "r", Limits(1 << 30, 1e9, 1e9), lambda _: None)
        thread = threading.Thread(target=recorder.run)
        thread.start()
        try:
            deaf, polite = house.init.namespace(), house.init.namespace()
            stage.outside.kill(polite.init, signal.SIGTERM)  # too early
            polite.init("signal.signal(signal.SIGTERM, lambda *_: os._exit(3)) and None")
            began = time.monotonic()
            stage.outside.kill(deaf.init, signal.SIGTERM)
            stage.outside.kill(polite.init, signal.SIGTERM)
            assert polite.init.fate().state != "running"
            stage.outside.kill(deaf.init, signal.SIGKILL)
            assert deaf.init.fate().state != "running"
            took = time.monotonic() - began
        finally:
            live.stop()
            thread.join(patient(30))
    return sigtrace.open(tmp_path / "r"), deaf, polite, took


def test_stops_are_told_apart_by_what_became_of_the_request(
    told: tuple[Recording, Namespace, Namespace, float],
) -> None:
    recording, deaf, polite, took = told
    stops = recording.stops().set_index("nsid")
    killed, exited = stops.loc[deaf.inode], stops.loc[polite.inode]
    assert (killed["dropped"], killed["killed"], killed["exit_signal"]) == (True, True, 9)
    assert (exited["killed"], exited["exit_code"], exited["requests"]) == (False, 3, 2)
    assert killed["asked_by"] == exited["asked_by"]
    assert pd.Timedelta(0) < killed["grace"] <= killed["duration"] < pd.Timedelta(took, "s")
    assert pd.isna(exited["grace"])


def test_the_start_up_window_is_bounded_by_what_was_dropped_and_handled(
    told: tuple[Recording, Namespace, Namespace, float],
) -> None:
    recording, _, polite, _ = told
    table = frames.df_startup(recording)
    (row,) = table[table["nsid"] == polite.inode].to_dict("records")
    assert (row["signal_name"], row["dropped"]) == ("SIGTERM", 1)
    assert pd.Timedelta(0) < row["deaf_at_least"] < row["deaf_at_most"]


def test_a_kill_is_followed_from_generate_to_exit(
    told: tuple[Recording, Namespace, Namespace, float],
) -> None:
    recording, deaf, _, _ = told
    table = frames.df_kill_latency(recording)
    (row,) = table[table["target_pid"] == deaf.init.pid].to_dict("records")
    assert row["sent"] <= row["delivered"] <= row["exited"]
    assert row["exit_signal"] == 9


def test_pictures_are_drawn_of_it(told: tuple[Recording, Namespace, Namespace, float]) -> None:
    recording, deaf, _, _ = told
    assert "grace period" in plot.svg(plot.timeline(recording, deaf.inode))
    for chart in (plot.drops_over_time(recording), plot.senders(recording), plot.stop_durations(recording)):
        assert plot.svg(chart).startswith("<svg")
    assert str(deaf.inode) in plot.svg(plot.tree(recording))


def test_a_collector_is_watched_until_the_cell_is_interrupted(stage: Stage) -> None:
    namespace = stage.namespace()
    pages: list[str] = []

    def play() -> None:
        stage.outside.kill(namespace.init, signal.SIGTERM)
        while not any("dropped: no handler" in page for page in pages):
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)  # as the notebook's stop button does

    with sigtrace.Collector(ns=[namespace.inode]) as live:
        view = LiveView(live, pages.append)
        thread = threading.Thread(target=play)
        thread.start()
        view.run(seconds=30, every=0.05)
        thread.join()
        seen = view.events()
    assert "1 signal seen, 1 dropped, 0 records lost (ended)" in pages[-1]
    assert seen["target_pid"].tolist() == [namespace.init.pid]
    assert view.counts is not None
    assert view.counts.dropped() == {namespace.inode: 1}


_CELLS = (
    "import os, threading, time\nimport sigtrace\nfrom sigtrace import plot",
    "recording = sigtrace.open({path!r})\nrecording",
    "plot.timeline(recording, {inode})",
    # It signals itself once the programs are attached. The notebook's stop button is a SIGINT to its kernel.
    "def play():\n"
    "    opened = '/proc/self/fd'\n"
    "    while not any('bpf_link' in os.path.realpath(f'{{opened}}/{{fd}}') for fd in os.listdir(opened)):\n"
    "        time.sleep(0.01)\n"
    "    for number in (23, 23, 23, 2):\n"
    "        time.sleep(0.5)\n"
    "        os.kill(os.getpid(), number)\n"
    "threading.Thread(target=play).start()\n"
    "seen = sigtrace.watch_in_notebook(scope='all', signals=['URG'], every=0.1)",
    "mine = seen.events()\nprint(len(mine[mine.target_pid == os.getpid()]))",
)


def test_a_notebook_shows_a_recording_a_picture_and_a_live_collector(
    told: tuple[Recording, Namespace, Namespace, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    import nbformat
    from nbclient import NotebookClient

    recording, deaf, _, _ = told
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    texts = [cell.format(path=str(recording.paths[0]), inode=deaf.inode) for cell in _CELLS]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(text) for text in texts])
    NotebookClient(notebook, timeout=patient(60)).execute()
    _, shown, picture, live, mine = [cell["outputs"] for cell in notebook.cells]
    assert "dropped" in shown[0]["data"]["text/html"]
    assert {"application/vnd.vegalite.v5+json", "image/png"} <= set(picture[0]["data"])
    assert "(ended)" in live[0]["data"]["text/html"]
    assert mine[0]["text"].strip() == "3"
