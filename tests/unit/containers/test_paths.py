"""Where runtimes keep their files, as people say it."""

from __future__ import annotations

import pytest

from sigtrace.containers.paths import Roots
from sigtrace.containers.place import Root, User
from sigtrace.containers.runtimes.registry import ROOTS
from sigtrace.errors import BadInput

NAMED = {directory.name: directory for directory in ROOTS}


def test_a_directory_given_comes_before_the_default() -> None:
    roots = Roots.parse(["host=/host/", "docker=/data/docker", "docker=/srv/docker", "containerd-data=/x"])
    assert roots.host == "/host"
    assert roots.of(NAMED["docker"]) == ("/data/docker", "/srv/docker", "/var/lib/docker")
    assert roots.of(NAMED["containerd-data"]) == ("/x", *Roots().of(NAMED["containerd-data"]))
    assert roots.of(NAMED["podman"]) == Roots().of(NAMED["podman"])


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    with pytest.raises(BadInput, match=r"did you mean docker\?"):
        Roots.parse(["dokcer=/x"])
    with pytest.raises(BadInput, match="known are host, docker, docker-run, podman, "):
        Roots.parse(["zzzzzz=/x"])


@pytest.mark.parametrize(
    "word", ["docker", "docker=", "docker=data", "docker=/a/../b", "host=", "docker=/a\0"]
)
def test_a_directory_must_be_absolute(word: str) -> None:
    with pytest.raises(BadInput, match="needs an absolute directory"):
        Roots.parse([word])


def test_the_environment_sets_roots() -> None:
    assert Roots.from_environment({}) == Roots()
    roots = Roots.from_environment({"SIGTRACE_ROOTS": " host=/host  runc=/run/r "})
    assert (roots.host, roots.of(NAMED["runc"])) == ("/host", ("/run/r", "/run/runc"))
    with pytest.raises(BadInput, match="SIGTRACE_ROOTS: unknown root"):
        Roots.from_environment({"SIGTRACE_ROOTS": "nonsense"})


@pytest.mark.parametrize("directory", ROOTS, ids=lambda directory: directory.name)
def test_every_runtime_has_directories_of_root_and_perhaps_of_users(directory: Root) -> None:
    roots = Roots()
    assert all(place.directory.startswith("/") and not place.confined for place in roots.places(directory))
    for place in roots.places(directory, User(1000, "/home/alice")):
        assert place.confined
        assert place.directory in ("/home/alice", "/run/user/1000")
    assert all(place.directory == "/run/user/1000" for place in roots.places(directory, User(1000)))
