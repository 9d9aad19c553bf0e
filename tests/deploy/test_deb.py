"""The Debian package: built, installed, upgraded, removed and purged on a machine that has nothing of sigtrace."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import require
from tests.deploy.machine import ROOT, Machine, booted, why_not
from tests.deploy.test_systemd import metrics
from tests.patience import until

pytestmark = [pytest.mark.kernel, pytest.mark.timeout(600)]

NAME = "sigtrace"


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    require(shutil.which("dpkg-deb") and not why_not(), "runtimes", why_not() or "no dpkg here")
    out = tmp_path_factory.mktemp("deb")
    done = subprocess.run(
        [ROOT / "scripts" / "build_packages.sh", "deb", out],
        env={**os.environ, "VENV": sys.prefix},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    (built,) = out.glob("*.deb")
    return built


@pytest.fixture(scope="module")
def machine(package: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    require(shutil.which("systemd-nspawn"), "runtimes", "no systemd-nspawn here")
    where = tmp_path_factory.mktemp("machine") / "disk"
    where.mkdir()
    with booted(where, f"cp {package} root/{NAME}.deb", bare=True) as running:
        yield running


def active(machine: Machine) -> bool:
    return machine.run("systemctl is-active sigtrace-agent", check=False) == "active\n"


def test_its_life_on_a_machine(machine: Machine) -> None:
    """One test, as each step begins where the one before it ended."""
    # installed: the agent runs, and every command is there, with its page and its completion
    machine.run(f"dpkg --install /root/{NAME}.deb")
    until(lambda: active(machine), 60)
    until(lambda: "sigtrace_build_info" in metrics(machine))
    assert machine.run("sigtrace --version").startswith("sigtrace ")
    assert "SIGTERM" in machine.run("sigtrace explain $$")
    for path in (
        "man/man1/sigtrace-agent.1.gz",
        "bash-completion/completions/sigtrace",
        f"doc/{NAME}/copyright",
    ):
        machine.run(f"test -s /usr/share/{path}")

    # upgraded: settings stay, the agent starts again, and its recording goes on
    machine.run("echo '# mine' >> /etc/sigtrace/agent.toml")
    before = machine.run("systemctl show -p MainPID --value sigtrace-agent")
    machine.run(f"dpkg --install --force-confold /root/{NAME}.deb")
    until(lambda: active(machine), 60)
    assert machine.run("systemctl show -p MainPID --value sigtrace-agent") != before
    assert machine.run("tail -1 /etc/sigtrace/agent.toml") == "# mine\n"
    until(lambda: machine.run("ls /var/lib/sigtrace/recording | grep -c ^namespaces-", check=False) >= "2")

    # removed: nothing of it is left but settings and the recording
    machine.run(f"dpkg --remove {NAME}")
    assert not active(machine)
    machine.run("test ! -e /usr/lib/sigtrace -a ! -e /usr/bin/sigtrace")
    machine.run("test -s /etc/sigtrace/agent.toml -a -d /var/lib/sigtrace/recording")

    # purged: neither are these
    machine.run(f"dpkg --purge {NAME}")
    machine.run("test ! -e /etc/sigtrace -a ! -e /var/lib/sigtrace")
