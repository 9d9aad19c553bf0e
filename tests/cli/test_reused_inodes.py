"""PID namespaces that had one inode, one after the other: each command is about the one that is meant."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sigtrace.clock import TICK_NS
from sigtrace.events.counts import Counts
from sigtrace.recording import schema
from tests.builders.recordings import UTC, Made
from tests.builders.records import counted, record
from tests.patience import patient

SECOND = 10**9
INODE, OUTER, UNRELATED = 4026532249, 4026532200, 4026532201
LIVES = ((4242, 10, UNRELATED), (5111, 20, OUTER), (6200, 30, OUTER))
"""PID of the init, the second at which it started, and the namespace it was made in."""


def run(*words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sigtrace", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=patient(60), check=False)


def life(pid: int, born: int) -> dict[str, Any]:
    return {
        **{"nsid": INODE, "ns_start": born * SECOND, "ns_level": 2},
        **{"target_pid": pid, "target_comm": b"app", "target_start": born * SECOND},
    }


@pytest.fixture
def reused(tmp_path: Path) -> Path:
    """Three lives of one inode: the first, elsewhere, drops a QUIT; the others, in OUTER, a TERM each."""
    recording = Made(tmp_path / "r")
    events, rows = [], []
    for nsid, pid in ((OUTER, 77), (UNRELATED, 78)):
        rows.append(
            {"time": UTC, "nsid": nsid, "ns_start": SECOND, "init_pid": pid, "init_comm": "sh", "ns_level": 1}
        )
    for pid, born, above in LIVES:
        facts, end = life(pid, born), (born + 5) * SECOND
        what = 3 if above == UNRELATED else 15
        events += [
            record(**facts, time=born * SECOND, stage="init", signal=0, result=-1, flags=("init",)),
            record(**facts, time=(born + 1) * SECOND, signal=what, sender_pid=9, sender_comm=b"runc"),
            record(**facts, time=end, stage="exit", signal=0, result=-1, flags=("init",), exit_code=0),
        ]
        rows.append(
            {
                **{
                    "time": UTC + born * SECOND,
                    "nsid": INODE,
                    "ns_start": born * SECOND,
                    "parent_nsid": above,
                },
                **{"init_pid": pid, "init_comm": "app", "ns_level": 2},
                **{"born": UTC + born * SECOND, "died": UTC + end},
            }
        )
    recording.add(*events)
    counts = [counted(record(**life(pid, born)), 1) for pid, born, _ in LIVES[1:]]
    recording.writer.counts(Counts(np.concatenate(counts)), UTC + 60 * SECOND)
    recording.writer.rows("namespaces", schema.NAMESPACES, rows)
    recording.close()
    return recording.path


def _drops(*words: object) -> list[tuple[int, int]]:
    """(PID of the init, count) of the lines about dropped TERMs."""
    said = run("summary", *words, "--signal", "TERM", "--format", "json").stdout
    *lines, _ = [json.loads(line) for line in said.splitlines()]
    return [(line["init_pid"], line["count"]) for line in lines if line["verdict"] == "dropped_at_generate"]


def test_a_summary_by_the_pid_of_an_init_counts_nothing_of_later_users_of_its_inode(reused: Path) -> None:
    assert _drops(reused, "--ns", 4242) == []
    assert _drops(reused, "--ns", 5111) == [(5111, 1)]


def test_a_summary_by_inode_tells_its_users_apart(reused: Path) -> None:
    assert sorted(_drops(reused, "--ns", INODE)) == [(5111, 1), (6200, 1)]
    shown = run("summary", reused, "--ns", INODE).stdout
    drops = [line.split()[0] for line in shown.splitlines() if "dropped: no handler" in line]
    assert sorted(drops) == ["#4242", "#5111", "#6200"]
    assert f"{INODE} had several namespaces, one after the other: #4242, #5111, #6200" in shown
    assert max(map(len, shown.splitlines())) < 80


def test_a_postmortem_by_the_pid_of_an_init_is_of_that_namespace(reused: Path) -> None:
    done = run("postmortem", reused, "--ns", 5111)
    assert (done.returncode, "app[5111]" in done.stdout, "app[6200]" in done.stdout) == (3, True, False)


def test_a_postmortem_by_inode_is_of_the_last_user_and_names_the_others(reused: Path) -> None:
    done = run("postmortem", reused, "--ns", INODE)
    assert ("app[6200]" in done.stdout, "app[5111]" in done.stdout) == (True, False)
    assert f"3 namespaces had the inode {INODE}, one after the other: this is the last" in done.stderr


def test_what_is_told_of_a_nested_namespace_is_nothing_of_an_earlier_user_of_its_inode(reused: Path) -> None:
    findings = [
        json.loads(line)
        for line in run("postmortem", reused, "--ns", OUTER, "--format", "json").stdout.splitlines()
    ]
    evidence = [line for finding in findings for line in finding["evidence"]]
    assert [finding["cause"] for finding in findings] == ["nested-init"]
    assert any("app[5111]" in line for line in evidence)
    assert not any("app[4242]" in line or "QUIT" in line for line in evidence)


@pytest.mark.parametrize("command", ["summary", "postmortem", "report", "export"])
def test_a_namespace_is_named_the_same_way_in_every_command(
    reused: Path, tmp_path: Path, command: str
) -> None:
    rest = {
        "report": ["-o", tmp_path / "r.html"],
        "export": ["--to", "json", "-o", tmp_path / "events.json"],
    }.get(command, [])
    for text in (INODE, f"pid:[{INODE}]", 5111):
        assert run(command, reused, "--ns", text, *rest, *(["--force"] if rest else [])).returncode in (0, 3)
    for text, said in {
        "nonsense": "'nonsense' is not a PID namespace: give an inode, pid:[inode], a path or a PID",
        "4026539999": "the recording has no PID namespace '4026539999': it has ",
        "31": "the recording has no PID namespace '31': it has ",
        "net:[4026531840]": "net:[4026531840] is a network namespace, not a PID namespace: it has ",
    }.items():
        done = run(command, reused, "--ns", text, *rest)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith(f"sigtrace: {said}")


def test_a_path_stands_for_the_namespace_that_lives_now(tmp_path: Path) -> None:
    own = os.stat("/proc/self/ns/pid").st_ino
    init = Path("/proc/1/stat").read_text().rpartition(")")[2].split()
    start = int(init[19]) * TICK_NS
    recording = Made(tmp_path / "r")
    recording.add(
        record(time=1, nsid=own, ns_start=start + 1000 * TICK_NS),  # of a later user of the inode, as it were
        record(time=2, nsid=own, ns_start=start, signal=1),
    )
    recording.close()
    *lines, _ = run(
        "summary", tmp_path / "r", "--ns", "/proc/self/ns/pid", "--format", "json"
    ).stdout.splitlines()
    assert [json.loads(line)["signal_name"] for line in lines] == ["SIGHUP"]


def test_a_summary_of_a_recording_without_its_manifest_has_its_lines(reused: Path) -> None:
    before = run("summary", reused).stdout
    (reused / "manifest.json").unlink()
    assert "dropped: no handler" in before
    assert run("summary", reused).stdout == before


def test_a_moment_before_a_namespace_was_born_has_nothing_of_it(reused: Path) -> None:
    done = run("postmortem", reused, "--ns", 6200, "--at", "2023-11-14T22:13:35")  # its birth: 22:13:50
    assert (done.returncode, done.stdout) == (2, "")
    assert f"no events of PID namespace {INODE} had been recorded by then" in done.stderr
