"""Containers as docker's files and cgroups show them, around any process: no daemon, no image."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

from sigtrace.lab.fake_docker import FakeDocker, fake_docker

__all__ = ["Dockerlike", "FakeDocker", "dockerlike", "fake_docker"]


@dataclass(frozen=True)
class Dockerlike:
    """What looks like a container of docker."""

    docker: FakeDocker
    id: str

    @property
    def env(self) -> dict[str, str]:
        """Tells sigtrace where its files are."""
        return self.docker.env

    def join(self, *pids: int) -> None:
        """Have other processes in it, which its init's later children would be by themselves."""
        for pid in pids:
            self.docker.adopt(pid, self.id)


@contextlib.contextmanager
def dockerlike(
    pid: int, name: str, image: str = "", stop_signal: str = "", pod: str = ""
) -> Iterator[Dockerlike]:
    """Make the process the init of a docker container."""
    with fake_docker() as docker:
        container = Dockerlike(docker, docker.create(name, image, stop_signal, pod))
        container.join(pid)
        yield container
