"""A dockerd whose data-root is elsewhere: sigtrace learns that from the daemon, without SIGTRACE_ROOTS."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from tests.conftest import require
from tests.runtimes.docker import Docker
from tests.runtimes.runtime import Spec, rootfs


class DockerElsewhere(Docker):
    """docker with another data-root, which only its configuration names."""

    name = "docker-elsewhere"
    configuration = '{"data-root": "/run/elsewhere"}'


def test_a_data_root_that_only_the_daemon_knows_is_found(tmp_path: Path) -> None:
    require(os.geteuid() == 0, "kernel", "containers need root")
    rootfs(tmp_path)
    runtime = DockerElsewhere("v2", tmp_path)
    require(not (why := runtime.available()), "runtimes", why)
    with runtime:
        running = runtime.start(Spec("web", stop_signal="SIGQUIT"))
        assert (runtime.host.root / "run/elsewhere/containers" / running.id).is_dir()
        assert not (runtime.host.root / "var/lib/docker/containers" / running.id).exists()
        done = runtime.host.run(sys.executable, "-m", "sigtrace", "scan", running.name, "--json")
    (row,) = map(json.loads, done.stdout.splitlines())
    assert (row["container_name"], row["image"], row["stop_signal"], row["stop_signal_from"]) == (
        running.name,
        "bb:1",
        "SIGQUIT",
        "container",
    )
    assert row["verdict"] == "waits for KILL"
