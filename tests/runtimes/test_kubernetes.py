"""Pods on containerd's CRI: `make test ARGS=tests/runtimes/test_kubernetes.py`."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import sigtrace
from tests.conftest import require
from tests.runtimes.claims import Claims
from tests.runtimes.host import ROOT
from tests.runtimes.kubernetes import Kubernetes
from tests.runtimes.runtime import Spec, until
from tests.runtimes.scenario import Sigtrace, ask


class TestKubernetes(Claims):
    """All claims; each container is a pod's, and chosen by the name of the pod."""

    driver = Kubernetes


class Shared(Kubernetes):
    """Pods with `shareProcessNamespace: true`."""

    shared = True


@pytest.mark.kernel
@pytest.mark.runtimes
class TestSharedProcessNamespace:
    """PID 1 is the sandbox's there, and the containers are processes like any other."""

    @pytest.fixture
    def runtime(self, files: Path) -> Iterator[Shared]:
        runtime = Shared("v2", files)
        why = runtime.available()
        require(not why, "runtimes", why)
        with runtime:
            yield runtime

    def test_a_stop_works_at_once_without_a_handler(self, runtime: Shared, tmp_path: Path) -> None:
        pod = runtime.choice("shared")
        with Sigtrace(runtime.host, "record", tmp_path / "all", "--all", *pod, "--wait"):
            running = runtime.start(Spec("shared"))
            (row,) = ask(runtime.host, "scan", *pod)
            stopped = runtime.stop(running)
        assert (row["container_name"], row["pod_namespace"]) == ("POD", "shop")
        assert stopped.seconds < runtime.grace
        assert stopped.exit_code == 143
        events = sigtrace.open(tmp_path / "all").events()
        asked = events[(events["stage"] == "generate") & (events["signal_name"] == "SIGTERM")]
        assert asked["target_pid"].tolist() == [running.init_pid]
        assert asked["is_init"].tolist() == [False]
        assert asked["verdict"].tolist() == ["queued"]


class Agent(Kubernetes):
    """A privileged pod with `hostPID: true` in which sigtrace runs, and the host's files at /host."""

    def create(self, spec: Spec) -> tuple[str, int]:
        if not spec.name.startswith("agent"):
            return super().create(spec)
        environment = {"SIGTRACE_ROOTS": "host=/host", "PYTHONPATH": str(ROOT), "HOME": "/root"}
        return self.run_pod(spec, pid="NODE", mounts=list(_agent_mounts()), env=environment)


def _agent_mounts() -> Iterator[dict[str, object]]:
    """The host's files at /host, and what an image would have: Python, bcc and sigtrace, where we have them."""
    yield {"container_path": "/host", "host_path": "/", "readonly": True}
    for path in ("/usr", "/lib", "/lib64", "/etc/alternatives", sys.base_prefix, sys.prefix, str(ROOT)):
        if Path(path).exists() and (path == "/usr" or not path.startswith("/usr/")):
            yield {"container_path": path, "host_path": path, "readonly": True}


@pytest.mark.kernel
@pytest.mark.runtimes
class TestAgent:
    """sigtrace in a pod, as the documentation has it."""

    @pytest.fixture
    def runtime(self, files: Path) -> Iterator[Agent]:
        runtime = Agent("v2", files)
        why = runtime.available()
        require(not why, "runtimes", why)
        with runtime:
            yield runtime

    def test_an_agent_in_a_pod_sees_drops_in_another_and_names_it(self, runtime: Agent) -> None:
        agent = runtime.start(Spec("agent", privileged=True))
        running = runtime.start(Spec("watched"))
        watch = (sys.executable, "-m", "sigtrace", "watch", *runtime.choice("watched"))
        with ThreadPoolExecutor(1) as pool:
            watched = pool.submit(runtime.exec, agent, (*watch, "--count", "1", "--format", "json"))

            def seen() -> bool:
                runtime.exec(running, ("/bin/kill", "-TERM", "1"))
                return watched.done()

            until(seen, "a drop is seen", timeout=30)
        row = json.loads(watched.result().stdout)
        assert (row["signal_name"], row["verdict"], row["target_pid"]) == (
            "SIGTERM",
            "dropped_at_generate",
            running.init_pid,
        )
        assert (row["sender_comm"], row["relation"]) == ("kill", "same")
        known = {**runtime.known_as("watched"), "container_id": running.id, "image": runtime.image}
        assert {column: row[column] for column in known} == known
