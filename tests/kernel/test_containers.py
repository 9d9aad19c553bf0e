"""Containers by name on the live kernel, with cgroups and files as docker leaves them, but without docker."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import sigtrace
from sigtrace.lab.channel import wait_until
from sigtrace.lab.stage import Stage
from tests.containers import FakeDocker, fake_docker
from tests.patience import patient

pytestmark = pytest.mark.kernel


@pytest.fixture
def docker() -> Iterator[FakeDocker]:
    with fake_docker() as docker:
        yield docker


@pytest.fixture
def stage(docker: FakeDocker) -> Iterator[Stage]:
    with Stage() as opened:  # its processes leave before the cgroups do
        yield opened


@contextmanager
def tracing(docker: FakeDocker, *words: str) -> Iterator[subprocess.Popen[str]]:
    """A sigtrace command that has said it is ready; what it said before is in `said`."""
    process = subprocess.Popen(
        [sys.executable, "-m", "sigtrace", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **docker.env},
    )
    try:
        assert process.stderr is not None
        line = ""
        while not line.startswith("sigtrace: ready"):
            line = process.stderr.readline()
            assert line, process.communicate()
        yield process
    finally:
        process.kill()
        process.communicate()


def ended(process: subprocess.Popen[str]) -> tuple[str, str]:
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=patient(20))
    assert process.returncode == 0, err
    return out, err


def run(docker: FakeDocker, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "sigtrace", *words],
        capture_output=True,
        text=True,
        check=False,
        timeout=patient(60),
        env={**os.environ, **docker.env},
    )


def test_watch_shows_the_drops_of_the_named_container_and_no_others(stage: Stage, docker: FakeDocker) -> None:
    web, other, bare = stage.namespace(), stage.namespace(), stage.namespace()
    identity = docker.create("tulip-1", image="nginx:1.25")
    docker.adopt(web.init.pid, identity)
    docker.adopt(other.init.pid, docker.create("rose"))
    with tracing(docker, "watch", "--container", "tulip-1", "--format", "json") as process:
        for namespace in (other, web, bare):
            stage.outside.kill(namespace.init, 15)
        out, err = ended(process)
    rows = [json.loads(line) for line in out.splitlines()]
    assert [(row["nsid"], row["signal_name"], row["verdict"]) for row in rows] == [
        (web.inode, "SIGTERM", "dropped_at_generate")
    ]
    assert {
        name: rows[0][name] for name in ("container_id", "container_name", "runtime", "image", "pod")
    } == {
        "container_id": identity,
        "container_name": "tulip-1",
        "runtime": "docker",
        "image": "nginx:1.25",
        "pod": "",
    }
    assert f"1 dropped: 1 in tulip-1 ({web.inode})" in err


def test_the_table_shows_a_name_in_place_of_the_inode(stage: Stage, docker: FakeDocker) -> None:
    web = stage.namespace()
    docker.adopt(web.init.pid, docker.create("tulip-1"))
    with tracing(docker, "watch", "--ns", str(web.inode)) as process:
        stage.outside.kill(web.init, 15)
        out, _ = ended(process)
    assert out.splitlines()[1].split()[1:3] == ["tulip-1", "TERM"]


def test_a_container_that_starts_later_is_followed_from_its_first_signal(
    stage: Stage, docker: FakeDocker
) -> None:
    first = stage.namespace()
    docker.adopt(first.init.pid, docker.create("tulip-1"))
    with tracing(docker, "watch", "--container", "tulip-1", "--format", "json") as process:
        again, other = stage.namespace(), stage.namespace()
        stage.outside.kill(again.init, 15)  # before its runtime has put it into its cgroup
        stage.outside.kill(other.init, 15)
        docker.adopt(again.init.pid, docker.create("tulip-1"))
        docker.adopt(other.init.pid, docker.create("rose"))
        stage.outside.kill(again.init, 1)
        assert process.stdout is not None
        rows = [json.loads(process.stdout.readline()) for _ in range(2)]
        out, err = ended(process)
    assert [(row["nsid"], row["signal_name"]) for row in rows] == [
        (again.inode, "SIGTERM"),
        (again.inode, "SIGHUP"),
    ]
    assert out == ""
    assert f"tulip-1 (docker) is PID namespace {again.inode}" in err
    assert "2 dropped" in err


def test_one_that_is_not_there_is_an_error_unless_one_waits_for_it(stage: Stage, docker: FakeDocker) -> None:
    there = stage.namespace()
    docker.adopt(there.init.pid, docker.create("tulip-1"))
    done = run(docker, "watch", "--container", "tulip-2")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "sigtrace: no container here is called 'tulip-2': did you mean tulip-1?; "
        "if it has yet to start: --wait\n"
    )
    with tracing(docker, "watch", "--container", "tulip-2", "--wait", "--count", "1") as process:
        late = stage.namespace()
        docker.adopt(late.init.pid, docker.create("tulip-2"))
        assert process.stderr is not None
        assert process.stderr.readline() == f"sigtrace: tulip-2 (docker) is PID namespace {late.inode}\n"
        stage.outside.kill(late.init, 15)
        out, _ = process.communicate(timeout=patient(20))
    assert "tulip-2" in out.splitlines()[1]


def test_a_name_that_two_containers_have_is_an_error_that_lists_them(
    stage: Stage, docker: FakeDocker
) -> None:
    one, two = stage.namespace(), stage.namespace()
    for namespace, name in ((one, "tulip-1"), (two, "tulip-2")):
        docker.adopt(namespace.init.pid, docker.create(name))
    done = run(docker, "watch", "--container", "tulip-*", "--duration", "100ms")
    assert done.returncode == 0, done.stderr  # a pattern may mean several
    assert done.stderr.count("(docker) is PID namespace") == 2


def test_a_container_of_50_ms_is_named_in_a_recording(docker: FakeDocker, tmp_path: Path) -> None:
    directory = tmp_path / "recording"
    identity = docker.create("flash", image="busybox:1")
    procs = docker.procs(identity)
    with tracing(docker, "record", str(directory), "--container", "flash", "--wait") as process:
        wait_until(lambda: list(directory.glob("namespaces-*")), "the recorder to have written something")
        subprocess.run(
            [
                *("sh", "-c", f"echo $$ > {procs}; exec unshare --pid --fork --kill-child sleep 0.05"),
            ],
            check=True,
        )
        ended(process)
    recording = sigtrace.open(directory)
    events = recording.events()
    assert set(events["container_name"]) == {"flash"}
    assert set(events["image"]) == {"busybox:1"}
    assert {"init", "exec", "exit"} <= set(events["stage"])
    assert len(recording.events(container="flash")) == len(events)


def test_names_stay_in_a_recording_when_the_container_and_its_files_are_gone(
    stage: Stage, docker: FakeDocker, tmp_path: Path
) -> None:
    directory = tmp_path / "recording"
    web, other = stage.namespace(), stage.namespace()
    identity = docker.create("tulip-1", stop_signal="SIGQUIT")
    docker.adopt(web.init.pid, identity)
    with tracing(docker, "record", str(directory)) as process:
        stage.outside.kill(web.init, 3)
        stage.outside.kill(other.init, 3)
        ended(process)
    docker.file(identity).unlink()
    lines = [
        json.loads(line)
        for line in run(
            docker, "summary", str(directory), "--container", identity[:12], "--format", "json"
        ).stdout.splitlines()
    ]
    assert [(line["container_name"], line["signal_name"], line["count"]) for line in lines[:-1]] == [
        ("tulip-1", "SIGQUIT", 1)
    ]
    assert "tulip-1" in run(docker, "summary", str(directory), "--container", "tulip-1").stdout
    missing = run(docker, "summary", str(directory), "--container", "tulip-3")
    assert (missing.returncode, missing.stderr) == (
        2,
        "sigtrace: no container in the recording is called 'tulip-3': did you mean tulip-1?\n",
    )
    rows = sigtrace.open(directory).namespaces().set_index("nsid")
    assert rows.loc[web.inode, "container_stop_signal"] == "SIGQUIT"
    assert rows.loc[other.inode, "container_id"] == ""


def test_a_notebook_follows_a_container(
    stage: Stage, docker: FakeDocker, monkeypatch: pytest.MonkeyPatch
) -> None:
    web, other = stage.namespace(), stage.namespace()
    docker.adopt(web.init.pid, docker.create("tulip-1"))
    monkeypatch.setenv("SIGTRACE_ROOTS", docker.env["SIGTRACE_ROOTS"])
    with sigtrace.Collector(container=["tulip-1"]) as live:
        stage.outside.kill(other.init, 15)
        stage.outside.kill(web.init, 15)
        frame = live.drain(timeout=patient(5)).to_pandas()
        assert frame["container_name"].tolist() == ["tulip-1"]
        assert live.counts().dropped() == {web.inode: 1}


def test_a_namespace_nested_in_a_container_is_that_containers(stage: Stage, docker: FakeDocker) -> None:
    web = stage.namespace()
    docker.adopt(web.init.pid, docker.create("tulip-1"))
    with tracing(docker, "watch", "--container", "tulip-1", "--format", "json", "--count", "1") as process:
        nested = web.init.namespace()
        stage.outside.kill(nested.init, 15)
        out, _ = process.communicate(timeout=patient(20))
    row = json.loads(out)
    assert (row["nsid"], row["container_name"]) == (nested.inode, "tulip-1")


def test_top_names_a_container_that_has_ended_meanwhile(docker: FakeDocker) -> None:
    procs = docker.procs(docker.create("tulip-top"))
    with subprocess.Popen(
        [sys.executable, "-m", "sigtrace", "top", "--once", "--interval", "4s", "--format", "json"],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **docker.env},
    ) as top:
        for _ in range(5):  # the first may come before it listens
            subprocess.run(
                ["sh", "-c", f"echo $$ > {procs}; exec unshare --pid --fork --kill-child sleep 0.5"],
                check=True,
            )
        assert top.stdout is not None
        rows = [json.loads(line) for line in top.stdout]
    assert "tulip-top" in {row["container_name"] for row in rows if row["state"] == "ended"}
