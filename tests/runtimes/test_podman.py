"""podman on runc and on crun: `make test ARGS=tests/runtimes/test_podman.py`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import require
from tests.runtimes.claims import ClaimsOfItsInit
from tests.runtimes.host import why_not
from tests.runtimes.podman import Podman, PodmanCrun, PodmanRunc
from tests.runtimes.runtime import Spec
from tests.runtimes.scenario import ask


class TestPodmanRunc(ClaimsOfItsInit):
    """All claims, on runc."""

    driver = PodmanRunc


class TestPodmanCrun(ClaimsOfItsInit):
    """All claims, on crun."""

    driver = PodmanCrun


@pytest.fixture
def podman(files: Path) -> Iterator[Podman]:
    """podman on a host of its own, with cgroup v1: here runc lets no pod's infra container open /dev/null on v2."""
    if missing := why_not("hybrid"):
        pytest.skip(missing)
    runtime = PodmanRunc("hybrid", files)
    why = runtime.available()
    require(not why, "runtimes", why)
    with runtime:
        yield runtime


@pytest.mark.runtimes
def test_a_pod_of_podmans_is_chosen_by_its_name(podman: Podman) -> None:
    podman.start_pod("checkout", Spec("app"))
    podman.start(Spec("alone"))
    rows = ask(podman.host, "scan", "--pod", "checkout")
    assert {row["pod"] for row in rows} == {"checkout"}
    (app,) = (row for row in rows if row["container_name"] == "app")
    assert (app["image"], app["pod_namespace"], app["verdict"]) == (podman.image, "", "waits for KILL")
    assert len(rows) == 2  # and what holds the pod together
