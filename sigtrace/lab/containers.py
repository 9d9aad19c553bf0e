"""Containers as docker's files and cgroups show them, around any process: no daemon, no image.

What the stage's namespaces lack to be containers to sigtrace is a name: this gives them one.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import tempfile
from collections.abc import Iterator
from pathlib import Path

from sigtrace.lab.channel import StageFailed

_HIERARCHIES = ("/sys/fs/cgroup/pids", "/sys/fs/cgroup/unified", "/sys/fs/cgroup")
"""Where a cgroup without demands can be made: cgroup v1, hybrid, cgroup2 alone."""


class FakeDocker:
    """Docker's files below `data`, and cgroups that are called as docker's below one of its own.

    Raises StageFailed where no cgroups are mounted.
    """

    def __init__(self, data: Path) -> None:
        self.data = data
        base = next((Path(each) for each in _HIERARCHIES if Path(each, "cgroup.procs").exists()), None)
        if base is None:
            raise StageFailed(f"no cgroups are mounted where they usually are: {_HIERARCHIES[-1]}.")
        self._base = base
        self._group = self._base / f"sigtrace-stage-{os.getpid()}-{secrets.token_hex(3)}"
        self.env = {"SIGTRACE_ROOTS": f"docker={data}"}
        """Tells sigtrace where its files are."""

    def create(self, name: str, image: str = "", stop_signal: str = "", pod: str = "") -> str:
        """Docker's own file about a container, and its cgroup; the ID.

        pod: NAMESPACE/NAME, as the kubelet has it labelled where docker runs Kubernetes' containers.
        """
        known = secrets.token_hex(32)
        pod_namespace, _, pod_name = pod.rpartition("/")
        labels = {
            "io.kubernetes.pod.name": pod_name,
            "io.kubernetes.pod.namespace": pod_namespace,
            "io.kubernetes.container.name": name,
        }
        settings = {"Image": image, "Labels": labels if pod else {}, "StopSignal": stop_signal}
        config = {
            "ID": known,
            "Name": f"/{name}",
            "Image": "sha256:" + "0" * 64,
            "Config": {key: value for key, value in settings.items() if value},
            "State": {"Running": True},
        }
        self.file(known).parent.mkdir(parents=True)
        self.file(known).write_text(json.dumps(config))
        self.procs(known).parent.mkdir(parents=True)
        return known

    def file(self, known: str) -> Path:
        """What docker keeps of a container."""
        return self.data / "containers" / known / "config.v2.json"

    def procs(self, known: str) -> Path:
        """What a PID is written to, for its process to be in the container's cgroup."""
        return self._group / "docker" / known / "cgroup.procs"

    def adopt(self, pid: int, known: str) -> None:
        """Have a process, and its later children, in the container."""
        self.procs(known).write_text(str(pid))

    def remove(self) -> None:
        """Remove the cgroups; whoever is still in one goes back to the top."""
        for group in sorted([*self._group.rglob("*/"), self._group], key=lambda path: -len(path.parts)):
            with contextlib.suppress(FileNotFoundError):
                for member in (group / "cgroup.procs").read_text().split():
                    with contextlib.suppress(ProcessLookupError):
                        (self._base / "cgroup.procs").write_text(member)
                group.rmdir()


@contextlib.contextmanager
def fake_docker() -> Iterator[FakeDocker]:
    """One without containers."""
    with tempfile.TemporaryDirectory() as data:
        docker = FakeDocker(Path(data))
        try:
            yield docker
        finally:
            docker.remove()
