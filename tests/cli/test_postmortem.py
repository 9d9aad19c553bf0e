"""`sigtrace postmortem` as people run it: on recordings, and on this host."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from sigtrace.cli import cli
from sigtrace.errors import BadInput
from sigtrace.lab.stage import Stage
from sigtrace.recording import schema
from tests.builders.recordings import UTC, Made, another
from tests.builders.stories import stop
from tests.patience import patient

NSID, OTHER, SECOND = 4026532249, 4026532250, 1_000_000_000
ROOT = Path(__file__).parents[2]


def run(*words: str) -> Result:
    return CliRunner().invoke(cli, ["postmortem", *words])


@pytest.fixture
def directory(tmp_path: Path) -> str:
    """A recording of two stops, the second of them healthy: its SIGKILL came at once."""
    made = Made(tmp_path / "one")
    calm = stop(OTHER, 5000, 200 * SECOND)[1:]
    made.add(*stop(), *calm)
    made.close()
    return str(tmp_path / "one")


def test_the_story_of_a_namespace_with_its_cause_and_what_was_ruled_out(directory: str) -> None:
    done = run(directory, "--ns", str(NSID))
    assert done.exit_code == 3
    assert done.output.splitlines()[:19] == [
        "PID namespace 4026532249, init app[4242]",
        "  2023-11-14 (UTC)",
        "  22:15:01.000  +0 s         asked to stop by runc[77], child of shim[70]",
        "                             SIGTERM, then SIGKILL after a grace period of 10 s",
        "  22:15:01.000  +0 s         SIGTERM from runc[77], child of shim[70]",
        "                             DROPPED: the init has no handler for it: discarded",
        "                               as it was sent",
        "  22:15:11.000  +10 s        SIGKILL from runc[77], child of shim[70]",
        "                             queued, and obeyed",
        "  22:15:11.000  +10 s        app[4242] killed by SIGKILL",
        "                             10 s after the first signal that asked it to",
        "",
        "ERROR dropped-at-generate (certain)",
        "  SIGTERM was sent to app[4242], PID 1 of its namespace, once and discarded: it",
        "  has no handler for it.",
        "    evidence  22:15:01.000 generate SIGTERM to app[4242] from runc[77], child",
        "              of shim[70]: the init has no handler for it: discarded as it was",
        "              sent",
        "    to do     install a handler for it in the program, before it starts its",
    ]
    assert "Ruled out: a signal blocked for ever; a signal discarded at delivery;" in done.output
    folded = "Not checked, as there is no snapshot: 9 causes, which --verbose names."
    assert folded in " ".join(done.output.split())
    told = " ".join(run(directory, "--ns", str(NSID), "--verbose").output.split())
    assert "Not checked, as there is no snapshot: a core dump in progress; " in told
    assert "--verbose" not in told
    assert max(len(line) for line in done.output.splitlines()) < 80


def test_a_healthy_stop_is_told_and_nothing_found(directory: str) -> None:
    done = run(directory, "--ns", str(OTHER))
    assert done.exit_code == 0
    assert "Nothing was found that keeps it from stopping." in done.output
    assert "app[5000] killed by SIGKILL" in done.output


def test_without_a_namespace_all_are_listed_the_most_stuck_first(directory: str) -> None:
    done = run(directory)
    assert done.exit_code == 3
    assert done.output.splitlines() == [
        "NAMESPACE  INIT               ASKED   OUTCOME              WHY",
        "4026532249 app[4242]          TERM    killed after 10 s    dropped-at-generate",
        "4026532250 app[5000]          KILL    killed after 0 s     -",
        "",
        "2 PID namespaces, 1 with findings.",
    ]


def _with_losses(path: Path, *samples: tuple[int, int], records: bool = True) -> str:
    """A recording of the two stops in which so many records (ns after UTC, cumulative) were lost."""
    made = Made(path)
    rows = [{"time": UTC + at, "lost": lost, "committed": at} for at, lost in samples]
    made.writer.rows("losses", schema.LOSSES, rows)
    if records:
        made.add(*stop(), *stop(OTHER, 5000, 200 * SECOND)[1:])
    made.close()
    return str(path)


def test_nothing_found_is_said_of_what_was_recorded_if_records_of_that_time_were_lost(tmp_path: Path) -> None:
    where = _with_losses(tmp_path / "r", (199 * SECOND, 0), (201 * SECOND, 4))
    done = run(where, "--ns", str(OTHER))
    assert done.exit_code == 4
    assert "Nothing was found in what was recorded; 4 records of that time were lost." in done.output
    assert "Ruled out" not in done.output  # what needs snapshots alone has none
    assert "Not checked, as 4 records of that time were lost:" in done.output
    done = run(where, "--ns", str(OTHER), "--format", "json")
    assert (done.exit_code, done.stdout) == (4, "")
    assert done.stderr == "sigtrace: not all is known: 4 records of that time were lost\n"


def test_a_finding_stands_and_says_first_what_was_lost(tmp_path: Path) -> None:
    where = _with_losses(tmp_path / "r", (100 * SECOND, 0), (105 * SECOND, 1))
    done = run(where, "--ns", str(NSID))
    assert done.exit_code == 3
    before, _, after = done.output.partition("ERROR dropped-at-generate (certain)")
    assert "Not all is known: 1 record of that time was lost." in before
    assert after
    (finding,) = [
        json.loads(line) for line in run(where, "--ns", str(NSID), "--format", "json").stdout.splitlines()
    ]
    assert (finding["records_lost"], finding["complete"]) == (1, False)


def test_records_lost_at_another_time_do_not_matter(tmp_path: Path) -> None:
    where = _with_losses(tmp_path / "r", (300 * SECOND, 0), (301 * SECOND, 4))
    done = run(where, "--ns", str(OTHER))
    assert done.exit_code == 0
    assert "Nothing was found that keeps it from stopping." in done.output


def test_the_list_says_first_what_was_lost_and_marks_what_is_not_known(tmp_path: Path) -> None:
    done = run(_with_losses(tmp_path / "r", (199 * SECOND, 0), (201 * SECOND, 4)))
    first, _, _, *rows, _, total, unclear = done.output.splitlines()
    assert first == "What follows is what was recorded; 4 records of that time were lost."
    assert [row.split()[-1] for row in rows] == ["dropped-at-generate", "?"]
    assert total == "2 PID namespaces, 1 with findings."
    assert unclear == "Of 1 without findings (?), records may have been lost."


def test_a_list_of_nothing_is_no_verdict_if_records_were_lost(tmp_path: Path) -> None:
    done = run(_with_losses(tmp_path / "r", (1, 3), records=False))
    assert done.exit_code == 4
    assert done.output.startswith("What follows is what was recorded; 3 records of that time were lost.\n")


@pytest.mark.parametrize("words", [("--ns", str(NSID)), ()])
def test_json_lines_are_findings_with_stable_keys(directory: str, words: tuple[str, ...]) -> None:
    done = run(directory, "--format", "json", *words)
    (finding,) = [json.loads(line) for line in done.output.splitlines()]
    assert list(finding) == [
        *("cause", "nsid", "severity", "confidence", "past", "summary", "evidence", "advice", "path"),
        *(
            "container_id",
            "container_name",
            "runtime",
            "image",
            "pod",
            "pod_namespace",
            "stop",
            "host",
            "time",
            "records_lost",
            "complete",
        ),
    ]
    assert finding["stop"] == {
        **{"by": "runc", "runtime": "runc", "via": ["shim[70]", "runc[77]"], "signal": "SIGTERM"},
        **{"grace_seconds": 10.0, "seconds": 10.0, "killed": True, "ended": "killed by SIGKILL"},
    }
    assert (finding["cause"], finding["nsid"], finding["host"]) == ("dropped-at-generate", NSID, "web-1")
    assert done.exit_code == 3


def test_an_earlier_moment_knows_nothing_of_what_came_later(directory: str) -> None:
    at = np.datetime_as_string(np.datetime64(UTC + 103 * SECOND, "ns"), unit="s")
    done = run(directory, "--ns", str(NSID), "--at", str(at))
    assert "SIGTERM" in done.output
    assert "SIGKILL" not in done.output.partition("Ruled out")[0]


def test_an_inode_that_was_used_again_means_its_last_namespace_and_says_so(tmp_path: Path) -> None:
    made = Made(tmp_path / "one")
    made.writer.rows("namespaces", _schema(), [_life(100), _life(500)])
    made.add(*stop(), *stop(start=500 * SECOND, pid=6000))
    made.close()
    last, first = (run(str(tmp_path / "one"), "--ns", name) for name in (str(NSID), "4242"))
    assert "init app[6000]" in last.output
    assert "2 namespaces had the inode 4026532249" in last.output
    (earlier,) = re.findall(r"--at (\S+) \(started", last.output)
    assert "init app[4242]" in run(str(tmp_path / "one"), "--ns", str(NSID), "--at", earlier).output
    assert "init app[4242]" in first.output
    assert "6000" not in first.output
    assert run(str(tmp_path / "one"), "--verbose").output.count("dropped-at-generate") == 2


def test_each_day_of_a_story_has_its_date(tmp_path: Path) -> None:
    made = Made(tmp_path / "one")
    made.add(*stop(grace=6 * 3600))
    made.close()
    lines = run(str(tmp_path / "one"), "--ns", str(NSID)).output.splitlines()
    assert [line for line in lines if line.endswith("(UTC)")] == ["  2023-11-14 (UTC)", "  2023-11-15 (UTC)"]


def test_an_outcome_is_shown_whole_and_the_name_makes_room_for_it(tmp_path: Path) -> None:
    made = Made(tmp_path / "one")
    made.add(*stop()[:1], *stop(OTHER, 5000, 190 * SECOND, grace=4000)[1:])
    made.close()
    lines = run(str(tmp_path / "one")).output.splitlines()
    assert any(" TERM    still there after 1 h 8 min " in line for line in lines)
    assert max(len(line) for line in lines) < 80


def _schema() -> Any:
    from sigtrace.recording.schema import NAMESPACES

    return NAMESPACES


def _life(start: int) -> dict[str, Any]:
    pid = 4242 if start == 100 else 6000
    about = {"time": UTC, "nsid": NSID, "ns_start": start * SECOND, "ns_level": 1, "init_pid": pid}
    return {**about, "born": UTC + start * SECOND}


def test_two_hosts_with_the_same_inode_are_two_cases(directory: str, tmp_path: Path) -> None:
    made = Made(tmp_path / "two", another(host="web-2", boot_id="c" * 32, run="r2"))
    made.add(*stop(grace=3))
    made.close()
    done = run(directory, str(tmp_path / "two"), "--ns", str(NSID), "--format", "json")
    assert [json.loads(line)["host"] for line in done.output.splitlines()] == ["web-1", "web-2"]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ((), "name the directory of a recording, or for this host"),
        (("--live", "--at", "10m"), "--at is only for recordings"),
        (("{}", "--live"), "leave out the recording, or --live"),
        (("{}", "--ns", "nonsense"), "'nonsense' is not a PID namespace: give an inode"),
        (("{}", "--ns", "4026539999"), "the recording has no PID namespace '4026539999'"),
        (("{}", "--ns", "31"), "the recording has no PID namespace '31'"),
        (("/nowhere", "--ns", "31"), "/nowhere"),
    ],
)
def test_what_makes_no_sense_is_refused_in_a_sentence(
    directory: str, words: tuple[str, ...], sentence: str
) -> None:
    done = run(*(word.format(directory) for word in words))
    assert isinstance(done.exception, BadInput)
    assert sentence in str(done.exception)


@pytest.mark.kernel
def test_a_container_that_hangs_now_is_explained_from_the_outside() -> None:
    with Stage() as stage:
        namespace = stage.namespace()
        namespace.joined()  # its parent, the holder, does not reap it
        stage.outside.kill(namespace.init, 9)
        words = ["--live", "--ns", str(namespace.init.pid), "--listen", "300ms"]
        done = subprocess.run(
            [sys.executable, "-m", "sigtrace", "postmortem", *words],
            capture_output=True,
            text=True,
            timeout=patient(60),
            check=False,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
    assert (done.returncode, done.stderr) == (3, "")
    assert "ERROR zombie-held (certain)" in done.stdout
    assert "zap_pid_ns_processes" in done.stdout
    assert max(len(line) for line in done.stdout.splitlines()) < 80


@pytest.mark.kernel
def test_all_namespaces_of_this_host_are_listed_live() -> None:
    with Stage() as stage:
        calm, stuck = stage.namespace(), stage.namespace()
        calm.init.set("handler", 15)
        done = run("--live", "--listen", "100ms", "--format", "json")
        found = {json.loads(line)["nsid"]: json.loads(line) for line in done.stdout.splitlines()}
    assert calm.inode not in found
    assert (found[stuck.inode]["cause"], found[stuck.inode]["confidence"]) == (
        "dropped-at-generate",
        "possible",
    )
    assert done.exit_code == 3


def test_a_number_and_its_unit_stay_on_one_line(directory: str) -> None:
    for line in run(directory, "--ns", str(NSID)).output.splitlines():
        assert not line.strip().startswith(("s ", "ms ", "min ")), line
        assert line.strip() not in ("s", "ms", "min"), line
