"""What a user's files do to commands that root runs: nothing, and the containers of others keep their names."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

import sigtrace
from sigtrace.lab.fake_docker import FakeDocker
from sigtrace.lab.stage import Stage
from tests.builders.bolt import database
from tests.kernel.hostile_user import home, monitored_init
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
