"""The types that a user of the library gets: their script passes mypy --strict, and what is mistaken does not."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import get_type_hints

import pytest

import sigtrace
from sigtrace import notebook, plot, postmortem
from sigtrace.events.counts import Counts
from sigtrace.postmortem.event import Event
from sigtrace.postmortem.snapshot import Columns, Snapshot, Task
from sigtrace.predict.explain import Explanation
from sigtrace.predict.scan import Scan
from sigtrace.predict.scan_row import ScanRow
from sigtrace.recording.namespaces import Namespaces
from sigtrace.snapshot import COLUMNS
from tests.patience import patient

SCRIPT = """
import pandas as pd
from typing_extensions import assert_type

import sigtrace
from sigtrace import frames, plot
from sigtrace.events.container import Container
from sigtrace.events.counts import Counts
from sigtrace.postmortem.snapshot import Snapshot
from sigtrace.predict.explain import Explanation
from sigtrace.predict.scan import Scan

recording = sigtrace.open("/var/tmp/signals")
assert_type(recording, sigtrace.Recording)
assert_type(recording.events(signal="TERM", verdict="dropped", columns=["time"]), pd.DataFrame)
assert_type(recording.stops(container=["web-1", "web-2"]), pd.DataFrame)
assert_type(recording.manifest["kernel"], str)
assert_type(recording.totals().dropped(), dict[int, int])
assert_type(recording.postmortem(ns=4026532249, at="2026-11-22T07:53"), sigtrace.postmortem.Report)
for finding in recording.postmortem(container="web-1", host="host-a").findings:
    assert_type(finding.advice, str)
    assert_type(finding.evidence, tuple[str, ...])
live = sigtrace.postmortem.live(container="web-1", listen=0.5)
assert_type(live.case.last, Snapshot | None)
if live.case.last:
    assert_type(live.case.last.space.pids_max, int)
assert_type(sigtrace.postmortem.postmortems(recording), pd.DataFrame)

with sigtrace.Collector(container="web-1", signals=["TERM", 2], scope="inits") as collector:
    assert_type(collector, sigtrace.Collector)
    for batch in collector:
        assert_type(batch[batch.verdicts == 1], sigtrace.Batch)
        assert_type(batch.to_pandas(), pd.DataFrame)
        for record in batch.rows():
            assert_type(record["verdict"], str | int | bool | None)
    assert_type(collector.counts().to_pandas(), pd.DataFrame)
    assert_type(collector.losses().lost, int)

found = sigtrace.scan(pod="shop/*", ns=4026532249)
assert_type(found, Scan)
for row in found:
    assert_type(row.why, str)
    assert_type(row.container and row.container.label, Container | None | str)
assert_type(sigtrace.explain("TERM", 4242), Explanation)
assert_type(sigtrace.explain(container="web-1").prediction.dropped, bool)

assert_type(frames.df_drops(recording, every="10s"), pd.DataFrame)
assert_type(frames.df_stops(recording.events()), pd.DataFrame)
assert_type(plot.timeline(recording, ns=4026532249).dark(), plot.Picture)
assert_type(plot.svg(plot.tree(recording)), str)
assert_type(sigtrace.watch_in_notebook(container="web-1").counts, Counts | None)
"""
"""What a user may ask, and the type that each answer has; Any passes for none of them."""

MISTAKES = """
import sigtrace
from typing_extensions import assert_type

recording = sigtrace.open("/var/tmp/signals")
recording.events(verdit="dropped")  # Unexpected keyword argument "verdit" for "events" of "Recording"
recording.postmortem(name="web-1")  # Unexpected keyword argument "name" for "postmortem" of "Recording"
sigtrace.Collector(nss=[4026532249])  # Unexpected keyword argument "nss" for "Collector"
sigtrace.Collector(scope="everything")  # Argument "scope" to "Collector" has incompatible type
sigtrace.scan(1, 2, 3, 4, 5)  # Too many positional arguments for "scan"
sigtrace.explain(pid="web-1")  # Argument "pid" to "explain" has incompatible type
sigtrace.watch_in_notebook(verdict="dropped")  # Unexpected keyword argument "verdict" for "watch_in_notebook"
sigtrace.colector  # Module has no attribute "colector"
assert_type(recording.events(), int)  # Expression is of type "DataFrame", not "int"
"""
"""Each mistake, and what mypy has to say of it."""


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where mypy keeps what it knows of the package from one script to the next."""
    return tmp_path_factory.mktemp("mypy")


def said(script: str, where: Path, cache: Path) -> dict[int, str]:
    """What `mypy --strict` says of each line of a script, far from the checkout and its configuration."""
    (where / "script.py").write_text(script)
    command = [
        sys.executable,
        "-m",
        "mypy",
        "--strict",
        "--config-file=",
        f"--cache-dir={cache}",
        "script.py",
    ]
    done = subprocess.run(
        command, cwd=where, capture_output=True, text=True, timeout=patient(300), check=False
    )
    assert done.returncode in (0, 1), done.stderr
    lines: dict[int, str] = {}
    for number, words in re.findall(r"^script\.py:(\d+): (.*)$", done.stdout, re.M):
        lines.setdefault(int(number), words)
    return lines


def expected(script: str) -> dict[int, str]:
    """The comment of each line that has one."""
    commented = ((n, line.partition("  # ")[2]) for n, line in enumerate(script.splitlines(), 1))
    return {number: comment for number, comment in commented if comment}


@pytest.mark.timeout(600)
def test_a_users_strict_script_passes_and_its_values_have_types(tmp_path: Path, cache: Path) -> None:
    assert said(SCRIPT, tmp_path, cache) == {}


@pytest.mark.timeout(600)
def test_a_mistaken_script_is_told_so_line_by_line(tmp_path: Path, cache: Path) -> None:
    found, wanted = said(MISTAKES, tmp_path, cache), expected(MISTAKES)
    assert {
        number: words.removeprefix("error: ")[: len(wanted.get(number, words))]
        for number, words in found.items()
    } == wanted


def public() -> Iterator[tuple[str, object]]:
    """What users reach from the top: functions, methods and properties, and the classes whose attributes these are."""
    heads = {sigtrace, sigtrace.frames, plot, postmortem, notebook}
    things = {getattr(module, name) for module in heads for name in module.__all__ if name != "__version__"}
    things |= {Counts, Event, Explanation, Namespaces, ScanRow, Scan, Snapshot, Task}
    for thing in things - heads:
        name = getattr(thing, "__qualname__", repr(thing))
        yield name, thing
        if inspect.isclass(thing):
            for own, member in vars(thing).items():
                if not own.startswith("_") or own in ("__init__", "__getitem__", "__iter__", "__enter__"):
                    yield f"{name}.{own}", _function(member)


def _function(member: object) -> object:
    """What a property, a cached property or a class method was made of."""
    return next(
        (found for name in ("fget", "func", "__func__") if (found := getattr(member, name, None))), member
    )


def test_nothing_that_users_reach_is_any() -> None:
    seen = {name: getattr(thing, "__annotations__", {}) for name, thing in public()}
    assert {"Recording.events", "Batch.rows", "Report", "df_drops", "timeline", "Task.mask"} <= seen.keys()
    vague = [name for name, hints in seen.items() if re.search(r"\bAny\b", str(list(hints.values())))]
    assert vague == []


def test_the_attributes_of_a_snapshots_task_are_the_columns_that_there_are() -> None:
    kinds = {"int": int, "str": str, "bool": bool}
    assert get_type_hints(Columns) == {name: kinds[kind] for name, kind in COLUMNS.items()}


def test_dir_and_help_show_the_library(tmp_path: Path) -> None:
    names = {"open", "Collector", "scan", "explain", "postmortem", "frames", "plot"}
    script = """
        import sys
        sys.modules["altair"] = None  # it is not there: no reason to help less
        import sigtrace
        print(dir(sigtrace))
        help(sigtrace)
    """
    command = [sys.executable, "-c", textwrap.dedent(script)]
    shown = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert names <= set(re.findall(r"'(\w+)'", shown.splitlines()[0]))
    top = shown.partition("PACKAGE CONTENTS")[0]
    assert {name for name in names if not re.search(rf"^ +sigtrace\.{name}\b.* {{2,}}\w", top, re.M)} == set()
    described = (
        *(
            "Open a recording",
            "Predict what the init of each PID namespace",
            "Predict the outcome of a signal",
        ),
        *("class Collector(", "Attached to the kernel between"),
    )
    assert [words for words in described if words not in shown] == []


def test_help_spells_out_which_part_of_a_recording_may_be_asked_for() -> None:
    for method in (sigtrace.Recording.events, sigtrace.Recording.stops, sigtrace.Recording.batch):
        shown = inspect.signature(method).parameters
        assert {
            "ns",
            "container",
            "pod",
            "descendants",
            "signal",
            "verdict",
            "since",
            "until",
        } <= shown.keys()
        assert all(each.kind is not each.VAR_KEYWORD for each in shown.values())
        assert shown["verdict"].annotation == "str | Iterable[str]"
        assert (shown["verdict"].default, shown["since"].default) == ((), None)
