"""A runtime's stop of a real namespace, recorded: who asked, the grace period, how it ended, by the kernel's own facts.

The processes are named as containerd's are: a shim that runs `runc`, which lives for a moment and sends the signal.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sigtrace.lab.actor import Fate, Namespace
from sigtrace.lab.stage import Stage
from tests.kernel.test_postmortem_recorded import recorder
from tests.patience import patient

pytestmark = pytest.mark.kernel

KILL, TERM = 9, 15
GRACE = 0.5


@dataclass(frozen=True)
class Shim:
    """A process called containerd-shim that runs `runc` when told to."""

    process: subprocess.Popen[str]
    runc: Path

    def send(self, signal: str, pid: int) -> None:
        """Have a short-lived `runc` send the signal; returns when it has."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{self.runc} -{signal} {pid}; echo $?\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "0\n"


@contextmanager
def shim(where: Path) -> Iterator[Shim]:
    """Programs under the names that containerd's have."""
    program, runc = where / "containerd-shim-runc-v2", where / "runc"
    shutil.copy("/bin/sh", program)
    shutil.copy("/bin/kill", runc)
    pipe = subprocess.PIPE
    with subprocess.Popen([program], stdin=pipe, stdout=pipe, text=True, start_new_session=True) as process:
        yield Shim(process, runc)
        process.communicate(timeout=patient(10))


def findings(directory: Path, namespace: Namespace) -> list[dict[str, Any]]:
    words = [sys.executable, "-m", "sigtrace", "postmortem", str(directory), "--ns", str(namespace.init.pid)]
    done = subprocess.run(
        [*words, "--format", "json"], capture_output=True, text=True, check=False, env=os.environ
    )
    assert done.returncode in (0, 3), done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_a_stop_names_who_asked_the_grace_period_and_sigkill(
    stage: Stage, house: Namespace, tmp_path: Path
) -> None:
    directory = tmp_path / "signals"
    with recorder(directory, house), shim(tmp_path) as asker:
        namespace = house.init.namespace()
        before = time.monotonic()
        asker.send("TERM", namespace.init.pid)
        after = time.monotonic()
        time.sleep(GRACE)
        least = time.monotonic() - after
        asker.send("KILL", namespace.init.pid)
        most = time.monotonic() - before
        assert namespace.init.fate() == Fate("killed", KILL)
        whole = time.monotonic() - before
    (finding,) = findings(directory, namespace)
    stop = finding["stop"]
    assert least <= stop["grace_seconds"] <= most
    assert stop["grace_seconds"] <= stop["seconds"] <= whole
    told = {key: stop[key] for key in ("by", "runtime", "signal", "killed", "ended")}
    assert told == {
        **{"by": "containerd-shim", "runtime": "", "signal": "SIGTERM"},
        **{"killed": True, "ended": "killed by SIGKILL"},
    }
    assert stop["via"][0] == f"containerd-shim[{asker.process.pid}]"
    assert stop["via"][1].startswith("runc[")


def test_sigkill_at_once_has_no_grace_period(stage: Stage, house: Namespace, tmp_path: Path) -> None:
    directory = tmp_path / "signals"
    with recorder(directory, house), shim(tmp_path) as asker:
        namespace = house.init.namespace()
        namespace.member().kill(namespace.init, KILL)  # in vain, from inside
        asker.send("KILL", namespace.init.pid)
        assert namespace.init.fate() == Fate("killed", KILL)
    (finding,) = findings(directory, namespace)
    assert finding["cause"] == "kill-from-inside"
    stop = finding["stop"]
    assert (stop["by"], stop["signal"], stop["grace_seconds"]) == ("containerd-shim", "SIGKILL", None)


def test_a_kill_from_inside_that_comes_to_nothing_is_no_stop(
    stage: Stage, house: Namespace, tmp_path: Path
) -> None:
    directory = tmp_path / "signals"
    with recorder(directory, house):
        namespace = house.init.namespace()
        member = namespace.member()
        member.kill(namespace.init, KILL)
        member.end()
    (finding,) = findings(directory, namespace)
    assert (finding["cause"], finding["stop"]) == ("kill-from-inside", None)
