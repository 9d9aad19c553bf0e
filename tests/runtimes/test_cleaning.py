"""Nothing stays behind, whatever becomes of a test run: `make test ARGS=tests/runtimes/test_cleaning.py`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import require
from tests.runtimes.bundle import Runc, ends
from tests.runtimes.host import ROOT, Host
from tests.runtimes.runtime import until

pytestmark = [pytest.mark.kernel, pytest.mark.runtimes]

_RUN = """
import sys, time
from pathlib import Path
from tests.runtimes.bundle import Runc
from tests.runtimes.runtime import Spec
with Runc("v2", Path(sys.argv[1])) as runtime:
    running = runtime.start(Spec("left"))
    print(runtime.host.pid, running.init_pid, running.name, flush=True)
    time.sleep(100)
"""


@dataclass(frozen=True)
class _Run:
    """A run of tests that has a container."""

    process: subprocess.Popen[str]
    keeper: int
    init: int
    container: str

    @property
    def group_is_there(self) -> bool:
        """Whether the container's control group is."""
        with Host("v2") as host:
            return (host.root / "sys/fs/cgroup" / self.container).exists()


@pytest.fixture
def run(files: Path) -> Iterator[_Run]:
    why = Runc("v2", files).available()
    require(not why, "runtimes", why)
    process = subprocess.Popen(
        [sys.executable, "-c", _RUN, str(files)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        keeper, init, container = process.stdout.readline().split()
        yield _Run(process, int(keeper), int(init), container)
    finally:
        process.kill()
        process.communicate()


def test_a_test_run_that_is_killed_leaves_no_container(run: _Run) -> None:
    run.process.kill()
    assert ends(run.init, 20)
    assert ends(run.keeper, 20)
    assert not run.group_is_there


def test_what_a_killed_keeper_leaves_goes_with_the_next_run(run: _Run) -> None:
    os.kill(run.keeper, signal.SIGKILL)
    run.process.kill()
    assert ends(run.keeper, 20)
    assert not ends(run.init, 0)
    with Host("v2") as host:
        assert ends(run.init, 20)
        assert not (host.root / "sys/fs/cgroup" / run.container).exists()


def test_what_another_run_has_is_left_alone(run: _Run) -> None:
    with Host("hybrid"):
        pass
    assert not ends(run.init, 0.5)
    until(lambda: run.group_is_there, "its control group is still there", timeout=1)
