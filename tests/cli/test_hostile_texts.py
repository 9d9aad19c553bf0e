"""Names made to harm, through every output: terminals, pages, spreadsheets and programs get text and nothing else."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pyarrow.parquet as pq
import pytest
from perfetto.protos.perfetto.trace.perfetto_trace_pb2 import Trace

import sigtrace
from sigtrace import plot
from sigtrace.cli.event_lines import EventLines
from sigtrace.cli.output import console
from sigtrace.cli.top_screen import Screen
from sigtrace.cli.top_view import View
from sigtrace.cli.tree import print_tree
from sigtrace.containers.stop_signal import StopRequest
from sigtrace.events.batch import Batch
from sigtrace.events.losses import Losses
from sigtrace.events.nskey import NsKey
from sigtrace.live.rates import Drop, RateRow, Sample
from sigtrace.predict.scan_row import ScanRow
from sigtrace.procfs.namespaces import PidNamespace
from sigtrace.text import columns
from tests import commands
from tests.builders import hostile
from tests.builders.hostile import MARK, TEXTS, unsafe
from tests.builders.pages import Shown, parsed
from tests.builders.pictures import PICTURES
from tests.builders.records import record


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return hostile.recording(tmp_path_factory.mktemp("hostile") / "r")


def said(*words: str | Path) -> str:
    """What a command says on stdout; stderr is for people too."""
    done = commands.sigtrace(*map(str, words))
    assert done.returncode in (0, 3), done.stderr[-2000:]
    assert not unsafe(done.stderr)
    return done.stdout


NS = "4026532000"
TABLES = (("summary",), ("postmortem",), ("postmortem", "--ns", NS), ("summary", "--ns", NS))


@pytest.mark.parametrize("words", TABLES, ids=" ".join)
def test_what_a_terminal_gets_is_printable_and_short(recording: Path, words: tuple[str, ...]) -> None:
    shown = said(words[0], recording, *words[1:])
    assert unsafe(shown) == set()
    assert "\\x" in shown
    assert max(map(len, shown.splitlines())) < 1000


@pytest.mark.parametrize(
    "words", [("summary", "--format"), ("postmortem", "--format"), ("export", "--to")], ids=" ".join
)
def test_json_has_the_texts_as_they_are_in_ascii(recording: Path, words: tuple[str, ...]) -> None:
    more = ("--output", "-") if words[0] == "export" else ()
    lines = said(words[0], recording, words[1], "json", *more).splitlines()
    assert all(line.isascii() and unsafe(line) == set() for line in lines)
    names = {row.get("container_name") for row in map(json.loads, lines)}
    assert set(TEXTS.values()) <= names


@pytest.mark.parametrize("words", [("summary", "--format"), ("export", "--to")], ids=" ".join)
def test_csv_has_neither_formulas_nor_controls(recording: Path, words: tuple[str, ...]) -> None:
    more = ("--output", "-") if words[0] == "export" else ()
    shown = said(words[0], recording, words[1], "csv", *more)
    assert unsafe(shown.replace("\r\n", "\n")) == set()
    csv.field_size_limit(1 << 23)
    cells = [cell for row in csv.reader(io.StringIO(shown)) for cell in row]
    assert [cell for cell in cells if re.match(r"[=+@]|-(?!\d+$|$)", cell)] == []


def test_parquet_and_perfetto_have_the_texts_as_they_are(recording: Path, tmp_path: Path) -> None:
    said("export", recording, "--to", "parquet", "--output", tmp_path / "p")
    said("export", recording, "--to", "perfetto", "--output", tmp_path / "trace")
    (table,) = (tmp_path / "p").glob("events*.parquet")
    names = set(pq.ParquetFile(table).read(["container_name"]).column(0).to_pylist())
    assert set(TEXTS.values()) <= names
    trace = Trace()
    trace.ParseFromString((tmp_path / "trace").read_bytes())
    assert len(trace.packet) > 3 * len(TEXTS)


@pytest.fixture(scope="module")
def page(recording: Path) -> str:
    """The report."""
    file = recording.parent / "report.html"
    said("report", recording, "--output", file)
    return file.read_text()


def test_the_report_is_text_wherever_it_is_opened(page: str) -> None:
    root = parsed(page.encode())
    scripts = [each for each in root.all("script") if each.attributes.get("type") != "application/json"]
    assert scripts
    assert not any(MARK in script.text for script in scripts)
    (facts,) = (each for each in root.all("script") if each not in scripts)
    assert "<" not in facts.text
    assert MARK in json.dumps(json.loads(facts.text), ensure_ascii=False)
    for element in root.all():
        assert not any(name.startswith("on") for name in element.attributes)
        assert not element.attributes.get("href", "#").lower().startswith(("javascript:", "data:", "file:"))
    assert unsafe(re.sub(r"[\t\r]", "", page)) == set()
    assert MARK in root.text
    assert len(page) < 2 << 20


@pytest.mark.parametrize("name", sorted(PICTURES))
def test_pictures_are_text(recording: Path, name: str) -> None:
    opened = sigtrace.open(recording)
    places = [list(TEXTS).index(each) for each in ("escape", "attribute", "bidi", "very long")]
    for place in places if name == "timeline" else (0,):
        chart = plot.timeline(opened, ns=int(NS) + place) if name == "timeline" else PICTURES[name](opened)
        drawn = plot.svg(chart)
        assert unsafe(drawn) == set()
        assert len(drawn) < 4 << 20
        for element in ElementTree.fromstring(drawn).iter():
            assert element.tag.rpartition("}")[2] not in ("script", "image", "a", "foreignObject")
            assert not any(attribute.lower().startswith("on") for attribute in element.attrib)


def test_notebooks_show_text(recording: Path) -> None:
    opened = sigtrace.open(recording)
    pages = [
        opened._repr_html_(),
        *(opened.postmortem(ns=int(NS) + each)._repr_html_() for each in range(len(TEXTS))),
    ]
    for each in pages:
        assert not Shown(each).tags & {"script", "svg", "img", "a", "style"}
        assert unsafe(each) == set()


def test_watch_and_top_show_text() -> None:
    known = {NsKey(number, 5): each for number, each in enumerate(hostile.containers())}
    records = [
        record(
            nsid=number,
            ns_start=5_000_000,
            target_comm=name,
            sender_pid=9,
            sender_comm=name,
            sender_parent_comm=name,
        )
        for number, name in enumerate([*map(hostile.comm, TEXTS.values()), *hostile.RAW.values()])
    ]
    watched = list(
        EventLines(120, colour=False).lines(Batch(np.concatenate(records), 0, "\x1b[2J", known.get))
    )
    rows = tuple(
        RateRow(key, 5, each.name[:15], each, rate=1.0, drops=1, signals=1, last=Drop(15, each.name, 0))
        for key, each in known.items()
    )
    sample = Sample(rows, 1.0, Losses(0, 0, 0, 0), 0.0)
    screen = [line for view in _views(rows) for line in Screen(120, 40, colour=False).lines(view, sample)]
    for line in (*watched, *(re.sub(r"\x1b\[[0-9;]*m", "", line) for line in screen)):
        assert unsafe(line) == set()
        assert columns(line) < 200


def _views(rows: tuple[RateRow, ...]) -> list[View]:
    """The list, and the details of each row."""
    views = [View()]
    for place in range(len(rows)):
        view = View()
        for key in (*["down"] * place, "enter"):
            view.press(key, view.rows(rows))
        views.append(view)
    return views


def test_scan_and_explain_show_text(capsys: pytest.CaptureFixture[str]) -> None:
    for each in hostile.containers():
        claimed = replace(each, claims=each.name)
        namespace = PidNamespace(5, 1, None, 7, 5, 1, 1, (each.name,))
        request = StopRequest(15, "default", claimed, nested=True)
        row = ScanRow(namespace, None, 1.0, {15: "drop"}, "waits for KILL", each.name[:200], request=request)
        print_tree(console(), [row], [15])
        shown = capsys.readouterr().out
        assert unsafe(shown) == set()
        assert max(map(columns, shown.splitlines())) <= 200
