"""Docker's files and cgroups around any process, without daemon and image.

They give the stage's namespaces the names by which sigtrace recognises containers.
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
"""Hierarchies in which an empty cgroup needs no settings: cgroup v1, hybrid, cgroup2 alone."""


class FakeDocker:
    """Docker's files below `data`, and cgroups with docker's names below a cgroup of their own.

    Raises StageFailed if no cgroups are mounted.
    """

    def __init__(self, data: Path) -> None:
        self.data = data
        base = next((Path(each) for each in _HIERARCHIES if Path(each, "cgroup.procs").exists()), None)
        if base is None:
            raise StageFailed(f"no cgroups are mounted where they usually are: {_HIERARCHIES[-1]}.")
        self._base = base
        self._group = self._base / f"sigtrace-stage-{os.getpid()}-{secrets.token_hex(3)}"
        self.env = {"SIGTRACE_ROOTS": f"docker={data}"}
        """Environment that gives sigtrace the location of the files."""

    def create(self, name: str, image: str = "", stop_signal: str = "", pod: str = "") -> str:
        """Create the file of a container and its cgroup; returns the container's ID.

        pod: NAMESPACE/NAME, in the kubelet's labels.
        """
        container_id = secrets.token_hex(32)
        pod_namespace, _, pod_name = pod.rpartition("/")
        labels = {
            "io.kubernetes.pod.name": pod_name,
            "io.kubernetes.pod.namespace": pod_namespace,
            "io.kubernetes.container.name": name,
        }
        settings = {"Image": image, "Labels": labels if pod else {}, "StopSignal": stop_signal}
        config = {
            "ID": container_id,
            "Name": f"/{name}",
            "Image": "sha256:" + "0" * 64,
            "Config": {key: value for key, value in settings.items() if value},
            "State": {"Running": True},
        }
        self.file(container_id).parent.mkdir(parents=True)
        self.file(container_id).write_text(json.dumps(config))
        self.procs(container_id).parent.mkdir(parents=True)
        return container_id

    def file(self, container_id: str) -> Path:
        """Return docker's file about a container."""
        return self.data / "containers" / container_id / "config.v2.json"

    def procs(self, container_id: str) -> Path:
        """Return the cgroup.procs of the container's cgroup."""
        return self._group / "docker" / container_id / "cgroup.procs"

    def adopt(self, pid: int, container_id: str) -> None:
        """Move a process, and so its later children, into the container's cgroup."""
        self.procs(container_id).write_text(str(pid))

    def remove(self) -> None:
        """Remove the cgroups; processes that are still in one move to the root."""
        for group in sorted([*self._group.rglob("*/"), self._group], key=lambda path: -len(path.parts)):
            with contextlib.suppress(FileNotFoundError):
                for member in (group / "cgroup.procs").read_text().split():
                    with contextlib.suppress(ProcessLookupError):
                        (self._base / "cgroup.procs").write_text(member)
                group.rmdir()


@contextlib.contextmanager
def fake_docker() -> Iterator[FakeDocker]:
    """Yield a FakeDocker without containers, and remove it afterwards."""
    with tempfile.TemporaryDirectory() as data:
        docker = FakeDocker(Path(data))
        try:
            yield docker
        finally:
            docker.remove()
