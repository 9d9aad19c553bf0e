"""What a user's files do to commands that root runs: nothing, and the containers of others keep their names."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

import sigtrace
from sigtrace.lab.fake_docker import FakeDocker, fake_docker
from sigtrace.lab.stage import Stage
from sigtrace.predict import scan as scanning
from sigtrace.procfs.signal_target import Target
from tests.builders.bolt import database
from tests.builders.steps import counting
from tests.kernel.hostile_user import home, init_that_says, monitored_init
from tests.kernel.test_containers import ended, run, tracing

pytestmark = pytest.mark.kernel


@pytest.fixture
def docker(tmp_path: Path) -> Iterator[FakeDocker]:
    """Docker's files on a host that the hostile user has a home on, with a page number of 2^62 in a database there."""
    tmp_path.chmod(0o755)
    root = tmp_path / "host"
    home(root, database(child=1 << 62))
    docker = FakeDocker(root / "docker")
    docker.env["SIGTRACE_ROOTS"] = f"host={root} docker=/docker"
    try:
        yield docker
    finally:
        docker.remove()


def test_a_users_database_breaks_no_command_and_no_name(docker: FakeDocker, tmp_path: Path) -> None:
    with Stage() as stage, monitored_init(tmp_path) as hostile:
        before = stage.namespace()
        docker.adopt(before.init.pid, docker.create("before"))
        where = tmp_path / "recording"
        with tracing(docker, "record", str(where)) as process:
            after = stage.namespace()
            docker.adopt(after.init.pid, docker.create("after"))
            for namespace in (before, after):
                stage.outside.kill(namespace.init, 15)
            ended(process)
        scanned = run(docker, "scan", "--format", "json")
        explained = run(docker, "explain", "--pid", str(hostile), "--format", "json")
        chosen = run(docker, "scan", "--container", "before", "--format", "json")
    assert (scanned.returncode, explained.returncode, chosen.returncode) == (0, 0, 0), (
        scanned.stderr + explained.stderr + chosen.stderr
    )
    names = {row["nsid"]: row["container_name"] for row in map(json.loads, scanned.stdout.splitlines())}
    assert (names[before.inode], names[after.inode]) == ("before", "after")
    assert json.loads(explained.stdout)["container_name"] == "mallory"  # its pod alone is not known
    assert [json.loads(line)["nsid"] for line in chosen.stdout.splitlines()] == [before.inode]
    events = sigtrace.open(where).events()
    recorded = dict(zip(events["nsid"], events["container_name"], strict=True))
    assert (recorded[before.inode], recorded[after.inode]) == ("before", "after")


@pytest.mark.parametrize(
    "below", ["docker-{}.scope", "docker/{}", "x\r0::/docker/{}", "libpod\n\r-x/docker/{}"]
)
def test_a_cgroup_made_in_a_container_does_not_pass_for_another_container(below: str) -> None:
    """The kernel refuses a newline in a name, and nothing else."""
    with fake_docker() as docker, Stage() as stage:
        victim, villain = stage.namespace(), stage.namespace()
        names = {
            victim.inode: docker.create("victim", stop_signal="SIGQUIT"),
            villain.inode: docker.create("villain"),
        }
        for namespace in (victim, villain):
            docker.adopt(namespace.init.pid, names[namespace.inode])
        path = docker.procs(names[villain.inode]).parent / below.format(names[victim.inode])
        if "\n" in below:
            with pytest.raises(OSError, match="Invalid argument"):
                path.mkdir(parents=True)
            return
        path.mkdir(parents=True)
        (path / "cgroup.procs").write_text(str(villain.init.pid))
        record = json.loads(docker.file(names[victim.inode]).read_text())
        record["State"]["Pid"] = victim.init.pid
        docker.file(names[victim.inode]).write_text(json.dumps(record))
        scanned = run(docker, "scan", "--format", "json")
        chosen = run(docker, "explain", "--container", "victim", "--format", "json")
        told = run(docker, "explain", "--pid", str(villain.init.pid))
    rows = {row["nsid"]: row for row in map(json.loads, scanned.stdout.splitlines())}
    assert rows[victim.inode]["container_name"] == "victim"
    assert rows[villain.inode]["container_name"] == "villain"
    assert rows[villain.inode]["container_claims"] == "victim"
    assert rows[villain.inode]["stop_signal"] == "SIGTERM"
    assert json.loads(chosen.stdout)["target_pid"] == victim.init.pid
    assert "claims to be victim, whose runtime does not confirm it" in " ".join(told.stdout.split())


def test_one_namespace_that_cannot_be_judged_leaves_the_others_their_rows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with Stage() as stage:
        broken, whole = stage.namespace(), stage.namespace()
        read = scanning.targets.read_cmdline

        def read_cmdline(target: Target, root: str) -> tuple[str, ...]:
            if target.pid == broken.init.pid:
                raise OverflowError
            return read(target, root)

        monkeypatch.setattr(scanning.targets, "read_cmdline", read_cmdline)
        rows = {row.namespace.nsid: row for row in sigtrace.scan(ns=[broken.inode, whole.inode])}
    assert (rows[broken.inode].verdict, "OverflowError" in rows[broken.inode].why) == ("can't be told", True)
    assert rows[whole.inode].verdict == "waits for KILL"


@pytest.mark.parametrize(
    "words", [("-r", f"{'9' * 5000}:2", "app"), ("-r", "1:1") * 40_000], ids=["digits", "options"]
)
def test_the_command_line_of_an_init_breaks_no_command(words: tuple[str, ...]) -> None:
    """As anybody's image may have it: a number of thousands of digits, half a megabyte of options."""
    with init_that_says("dumb-init", *words) as pid:
        nsid = Path(f"/proc/{pid}/ns/pid").stat().st_ino
        with counting() as steps:
            (row,) = sigtrace.scan(ns=nsid)
            explained = sigtrace.explain("TERM", pid=pid)
    assert row.verdict
    assert "fails" not in row.why
    assert explained.prediction.dropped
    assert steps.count < 2_000_000
