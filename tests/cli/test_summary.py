"""`sigtrace summary` and `sigtrace record`, as their user runs them: whole outputs, and what they refuse."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from sigtrace.events.counts import Counts
from sigtrace.recording import schema
from tests.builders.recordings import UTC, Made, another, made, terms
from tests.builders.records import counted, record, reloaded
from tests.conftest import require
from tests.patience import patient

SECOND = 10**9
INIT = {"nsid": 4026532249, "ns_start": 5}


def _run(*words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sigtrace", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=patient(60), check=False)


@pytest.fixture
def story(tmp_path: Path) -> Path:
    """A stop that took ten seconds, of which a second drop was lost; and a member that handles HUP."""
    recording = Made(tmp_path / "story")
    recording.add(
        record(**INIT, time=2 * SECOND, sender_pid=9, sender_comm=b"runc"),
        record(
            **INIT,
            time=12 * SECOND,
            signal=9,
            result=0,
            sender_pid=10,
            sender_comm=b"r\x1bc",
            flags=("init",),
        ),
        record(**INIT, time=12 * SECOND + 1, stage="exit", signal=0, result=-1, exit_code=9, flags=("init",)),
        reloaded(7, 3 * SECOND),
    )
    recording.writer.counts(Counts(counted(record(**INIT), 2)), UTC + 13 * SECOND)
    recording.writer.rows("losses", schema.LOSSES, [{"time": UTC, "lost": 1}])
    recording.writer.rows("namespaces", schema.NAMESPACES, [{"time": UTC, **INIT, "init_comm": "app"}])
    recording.close()
    return recording.path


_AS_NOBODY = """
import os, sys
import sigtrace
from sigtrace.errors import BadInput
sigtrace.open, sigtrace.Recording
import pandas, sigtrace.recording
os.setgid(65534)
os.setuid(65534)
try:
    sigtrace.open(sys.argv[1])
except BadInput as err:
    print(err)
"""

TABLE = """\
1 record lost (the totals are still exact)

HIT                     DROPPED SIGNALS            BY                 KILLED
app                           2 TERM               runc, -            1 of 1

NAMESPACE  SIGNAL   SENDER      WHAT BECAME OF IT       COUNT    FIRST     LAST
4026532249 TERM     runc        dropped: no handler         1 22:13:22 22:13:22
4026532249 TERM     -           dropped: no handler         1 22:13:33 22:13:33
7          HUP      -           handled                     1 22:13:23 22:13:23
4026532249 KILL     r\\x1bc      killed                      1 22:13:32 22:13:32

2 signals dropped for the 1 init of 1 PID namespace
1 init stopped, 1 of them by SIGKILL: p50 10 s, p90 10 s, p99 10 s, longest 10 s
"""


def test_the_table_is_a_page_of_under_80_columns(story: Path) -> None:
    done = _run("summary", story)
    assert (done.stdout, done.stderr, done.returncode) == (TABLE, "", 0)
    assert max(map(len, done.stdout.splitlines())) <= 81


def test_json_lines_have_their_keys_and_end_with_the_totals(story: Path) -> None:
    *lines, last = [
        json.loads(line) for line in _run("summary", story, "--format", "json").stdout.splitlines()
    ]
    assert lines[0] == {
        "host": "web-1",
        "nsid": 4026532249,
        "container_name": "",
        "init_comm": "app",
        "signal": 15,
        "signal_name": "SIGTERM",
        "sender_comm": "runc",
        "origin": "",
        "verdict": "dropped_at_generate",
        "count": 1,
        "first": "2023-11-14T22:13:22.000000000Z",
        "last": "2023-11-14T22:13:22.000000000Z",
        "container_id": "",
        "runtime": "",
        "image": "",
        "pod": "",
        "pod_namespace": "",
        "ns_start": 5,
        "init_pid": None,
    }
    assert lines[1]["sender_comm"] is None
    assert last == {
        "dropped": 2,
        "stops": 1,
        "stops_killed": 1,
        "stop_seconds_p50": pytest.approx(10),
        "stop_seconds_p90": pytest.approx(10),
        "stop_seconds_p99": pytest.approx(10),
        "stop_seconds_longest": pytest.approx(10),
        "signals_thinned": 0,
        "records_lost": 1,
        "signals_uncounted": 0,
        "recorders_cut_short": 0,
        "totals_exact": True,
    }


def test_csv_has_a_header_and_the_same_lines(story: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(_run("summary", story, "--format", "csv").stdout)))
    lines = [json.loads(line) for line in _run("summary", story, "--format", "json").stdout.splitlines()][:-1]
    assert [row["count"] for row in rows] == [str(line["count"]) for line in lines]
    assert list(rows[0]) == list(lines[0])


def test_no_cell_of_csv_is_a_formula_or_an_escape(tmp_path: Path) -> None:
    for number, comm in enumerate((b"=cmd|' /C calc'!", b"@SUM(1)", b"+1", b"-1", b"\x1b[31mred\nx")):
        recording = Made(tmp_path, another(run=f"r{number}", host="=HYPERLINK(1)"))
        recording.add(*terms([number + 1], sender_comm=comm, sender_pid=5, nsid=number + 1))
        recording.close()
    raw = _run("summary", tmp_path, "--format", "csv").stdout
    rows = list(csv.DictReader(io.StringIO(raw)))
    assert "\x1b" not in raw
    assert {row["sender_comm"] for row in rows} == {
        *("'=cmd|' /C calc'!", "'@SUM(1)", "'+1", "'-1", r"\x1b[31mred\nx"),
    }
    assert {row["host"] for row in rows} == {"'=HYPERLINK(1)"}


@pytest.mark.parametrize(
    ("options", "seen"),
    [
        (("--ns", "4026532249"), {"SIGTERM", "SIGKILL"}),
        (("--ns", "pid:[4026532249]", "--signal", "TERM"), {"SIGTERM"}),
        (("--signal", "KILL"), {"SIGKILL"}),
        (("--since", "2023-11-14T22:13:23", "--until", "2023-11-14T22:13:24Z"), {"SIGHUP"}),
        (("--since", "1h"), set()),
    ],
)
def test_filters_leave_the_rest_out(story: Path, options: tuple[str, ...], seen: set[str]) -> None:
    done = _run("summary", story, *options, "--format", "json")
    assert {json.loads(line)["signal_name"] for line in done.stdout.splitlines()[:-1]} == seen, done.stderr


def test_hosts_have_their_own_tables(tmp_path: Path) -> None:
    made(tmp_path / "a", *terms([SECOND]))
    made(tmp_path / "b", *terms([SECOND]), run=another(host="web-2"))
    out = _run("summary", tmp_path / "a", tmp_path / "b").stdout
    assert [line for line in out.splitlines() if line.startswith("host")] == ["host web-1", "host web-2"]


def test_what_cannot_be_read_is_said_and_the_rest_is_summed_up(story: Path) -> None:
    (story / "events-000009.arrow").write_text("hello")
    done = _run("summary", story)
    assert done.stdout == TABLE
    assert done.stderr == (
        f"sigtrace: {story}/events-000009.arrow is not a file of a recording, or is damaged: it is left out\n"
    )


def test_a_recorder_cut_short_is_said(tmp_path: Path) -> None:
    recording = Made(tmp_path)
    recording.add(*terms([SECOND]))
    recording.crash()
    assert "was cut short: what it had not written by then is missing" in _run("summary", tmp_path).stderr


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("summary", "/etc/passwd"), "/etc/passwd is not a directory: give that of a recording"),
        (("summary", "/nowhere"), "/nowhere is not a directory"),
        (("summary", "/proc/self/fdinfo"), "contains no recording"),
        (("summary", "STORY", "--ns", "4026539999"), "the recording has no PID namespace '4026539999'"),
        (("summary", "STORY", "--since", "someday"), "'someday' is not a time"),
        (("summary", "STORY", "--signal", "TREM"), "did you mean TERM?"),
        (("record", "/etc/passwd"), "/etc/passwd is not a directory: give one to record into"),
        (("record", "/nowhere/at/all"), "does not exist: create that first"),
        (("record", "STORY", "--max-size", "lots"), "'lots' is not a size: write it as 500MiB or 1GiB."),
        (("record", "STORY", "--max-size", "10"), "'10' is too small: give at least 1MiB."),
        (("record", "STORY", "--rotate", "often"), "'often' is not a duration"),
        (("record", "STORY", "--max-age", "-3d"), "'-3d' is not a duration"),
    ],
)
@pytest.mark.kernel
def test_bad_input_gets_one_sentence_and_a_usage_code(story: Path, words: tuple[str, ...], says: str) -> None:
    done = _run(*(str(story) if word == "STORY" else word for word in words))
    assert done.returncode == 2
    assert says in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert done.stdout == ""


def test_a_newer_recording_is_refused(story: Path) -> None:
    manifest = json.loads((story / "manifest.json").read_text())
    (story / "manifest.json").write_text(json.dumps({**manifest, "format": 2}))
    done = _run("summary", story)
    assert done.returncode == 2
    assert "was written by a newer sigtrace (format 2;" in done.stderr


def test_somebody_elses_recording_is_refused(tmp_path: Path) -> None:
    require(os.geteuid() == 0, "root", "only root can become somebody else")
    with tempfile.TemporaryDirectory() as where:
        made(Path(where) / "r", *terms([1]))
        os.chmod(where, 0o755)
        os.chmod(Path(where) / "r", 0o700)
        done = subprocess.run(
            [sys.executable, "-c", _AS_NOBODY, f"{where}/r"], capture_output=True, text=True, check=False
        )
    assert done.stdout == f"permission denied for {where}/r: run sigtrace as root\n", done.stderr


@pytest.mark.kernel
def test_record_ends_with_a_footer_and_can_be_read(tmp_path: Path) -> None:
    where = tmp_path / "new"
    done = _run("record", where, "--duration", "300ms")
    assert done.returncode == 0
    assert done.stdout == ""
    ready, seen, lost, recorded = done.stderr.splitlines()
    assert ready == f"sigtrace: ready: recording what concerns namespace inits into {where}; Ctrl-C ends"
    assert re.match(r"sigtrace: [\d,]+ signals? seen", seen)
    assert lost == "sigtrace: 0 records lost"
    assert re.fullmatch(rf"sigtrace: [\d,]+ events? recorded into {where}", recorded)
    assert _run("summary", where).returncode == 0
    assert [path.name for path in where.glob("*.open")] == []


@pytest.mark.kernel
def test_a_second_recorder_is_refused(tmp_path: Path) -> None:
    first = Made(tmp_path)
    done = _run("record", tmp_path)
    first.close()
    assert done.returncode == 2
    assert done.stderr.startswith(f"sigtrace: another recorder writes into {tmp_path}")
