"""What the tests on real container runtimes share: the containers' root file system, and the scenario."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import require
from tests.runtimes.host import why_not
from tests.runtimes.runtime import Runtime, rootfs, rootfs_missing
from tests.runtimes.scenario import Scenario

pytest.register_assert_rewrite("tests.runtimes.claims")


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the root file system of all containers is, as `Runtime` takes it."""
    require(not rootfs_missing(), "runtimes", rootfs_missing())
    where = tmp_path_factory.mktemp("rootfs")
    rootfs(where)
    return where


@pytest.fixture(scope="class")
def ran(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, files: Path
) -> Iterator[Scenario]:
    """The scenario, run by the test class's `driver`; the parameter is the layout of control groups."""
    layout = request.param
    if missing := why_not(layout):
        pytest.skip(missing)
    runtime: Runtime = request.cls.driver(layout, files)
    why = runtime.available()
    require(not why, "runtimes", why)
    with runtime:
        scenario = Scenario(runtime, tmp_path_factory.mktemp(f"{runtime.name}-{layout}"))
        scenario.run()
        yield scenario
