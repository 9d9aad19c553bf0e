"""A machine with a systemd of its own: this system in a container of systemd-nspawn, whose changes are thrown away.

It has this host's kernel, files and network, and PIDs of its own. sigtrace is there as /usr/bin/sigtrace, with the
packages of the environment that runs the tests.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import signal
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.patience import patient, until

ROOT = Path(__file__).parents[2]
SYSTEMD = Path("/usr/lib/systemd/systemd")
PYTHON = Path("/usr/bin/python3")

_COMMAND = """#!/usr/bin/python3 -P
import sys
sys.path[:0] = ["/opt/sigtrace/source", "/opt/sigtrace/site"]
from sigtrace.__main__ import main
main()
"""
_BOOT = """set -e
mount -t tmpfs none {here}
mkdir {here}/upper {here}/work {here}/root
mount -t overlay overlay -o lowerdir=/,upperdir={here}/upper,workdir={here}/work {here}/root
cd {here}/root
echo uninitialized > etc/machine-id
rm -rf etc/systemd/system/*.wants etc/rc?.d usr/lib/systemd/system/*.target.wants
ln -sf /usr/lib/systemd/system/multi-user.target etc/systemd/system/default.target
mkdir -p /run/systemd/nspawn
mount -t tmpfs none /run/systemd/nspawn
{prepare}
exec systemd-nspawn --quiet --register=no --keep-unit --directory={here}/root --boot --console=pipe --capability=all \\
  --system-call-filter="bpf perf_event_open" --private-users=no \\
  --bind-ro={source}:/opt/sigtrace/source --bind-ro={site}:/opt/sigtrace/site
"""


def why_not() -> str:
    """Why there can be no such machine here; empty if it can."""
    version = subprocess.run(
        [PYTHON, "-c", "import sys; print(sys.version_info[:2])"], capture_output=True, text=True, check=False
    ).stdout.strip()
    if version != str(sys.version_info[:2]):
        return f"{PYTHON} is another version than this Python, and cannot use its packages"
    return "" if SYSTEMD.exists() else f"no {SYSTEMD} here"


class Machine:
    """A machine that has booted."""

    def __init__(self, init: int) -> None:
        self.init = init

    def run(self, command: str, check: bool = True) -> str:
        """Run a command of the shell there; returns what it prints."""
        done = subprocess.run(
            ["nsenter", f"--target={self.init}", "--all", "--", "bash", "-c", command],
            capture_output=True,
            text=True,
            check=False,
        )
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@contextmanager
def booted(where: Path, prepare: str, bare: bool = False) -> Iterator[Machine]:
    """Boot; prepare: commands of the shell that run in its root directory before. bare: without sigtrace."""
    files = f"mkdir -p opt/sigtrace/source opt/sigtrace/site; printf %s {shlex.quote(_COMMAND)} > usr/bin/sigtrace"
    script = _BOOT.format(
        here=where,
        source=ROOT,
        site=sysconfig.get_path("purelib"),
        prepare=f"{files}; {'rm' if bare else 'chmod 755'} usr/bin/sigtrace; {prepare}",
    )
    with (where.parent / "boot.log").open("w") as log:
        manager = subprocess.Popen(
            ["unshare", "--mount", "bash", "-c", script], stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
    try:
        found: list[int] = []
        until(lambda: manager.poll() is not None or found.extend(_systemd_below(manager.pid)) or found, 60)
        assert found, (where.parent / "boot.log").read_text()
        machine = Machine(found[0])
        until(lambda: machine.run("systemctl is-active basic.target", check=False) == "active\n", 60)
        yield machine
    finally:
        for pid in found:
            os.kill(pid, signal.SIGKILL)  # its PID 1, and with it everything in it
        manager.wait(patient(20))


def _systemd_below(manager: int) -> list[int]:
    """The PID of the machine's systemd, once it runs."""
    with contextlib.suppress(OSError):
        children = Path(f"/proc/{manager}/task/{manager}/children").read_text().split()
        for pid in children:
            status = Path(f"/proc/{pid}/status").read_text()
            if re.search(r"^Name:\tsystemd$", status, re.M) and re.search(r"^NSpid:\t\d+\t1$", status, re.M):
                return [int(pid)]
    return []
