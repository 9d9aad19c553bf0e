"""The service of systemd: what is left to it, and that the agent works under exactly these restrictions."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator

import pytest

from tests.conftest import require
from tests.deploy.machine import ROOT, Machine, booted, why_not
from tests.patience import until

pytestmark = pytest.mark.kernel

UNITS = ROOT / "deploy" / "systemd"
EXPOSURE = 30
"""The greatest score of systemd-analyze, in tenths."""
_INSTALL = f"""
cp {UNITS}/sigtrace-agent.service etc/systemd/system/
mkdir -p etc/sigtrace etc/systemd/system/multi-user.target.wants
echo '[scan]
every = "2s"' > etc/sigtrace/agent.toml
systemd-sysusers --root=. {UNITS}/sigtrace.sysusers.conf
ln -s ../sigtrace-agent.service etc/systemd/system/multi-user.target.wants/
"""


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    require(
        shutil.which("systemd-nspawn") and not why_not(), "runtimes", why_not() or "no systemd-nspawn here"
    )
    where = tmp_path_factory.mktemp("machine") / "disk"
    where.mkdir()
    with booted(where, _INSTALL) as running:
        until(lambda: running.run("systemctl is-active sigtrace-agent", check=False) == "active\n", 60)
        yield running


def metrics(machine: Machine) -> str:
    program = "import urllib.request as u; print(u.urlopen('http://127.0.0.1:9435/metrics').read().decode())"
    return machine.run(f'python3 -c "{program}"')


def test_little_is_left_to_the_service() -> None:
    require(shutil.which("systemd-analyze"), "runtimes", "no systemd-analyze here")
    done = subprocess.run(
        [
            "systemd-analyze",
            "security",
            "--offline=true",
            f"--threshold={EXPOSURE}",
            UNITS / "sigtrace-agent.service",
        ],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "SYSTEMD_COLORS": "0"},
    )
    assert done.returncode == 0, done.stdout[-300:] + done.stderr


def test_it_runs_as_a_user_of_its_own_with_two_capabilities(machine: Machine) -> None:
    status = machine.run("cat /proc/$(systemctl show -p MainPID --value sigtrace-agent)/status")
    assert re.search(r"^Uid:\t[1-9]", status, re.M)
    assert re.search(r"^CapEff:\t0000000000080004$", status, re.M)
    assert re.search(r"^NoNewPrivs:\t1$", status, re.M)
    assert re.search(r"^Seccomp:\t2$", status, re.M)


def test_drops_are_counted_and_recorded(machine: Machine) -> None:
    dropped = 'sigtrace_signals_dropped_total{.*signal="SIGVTALRM"} (\\d+)'
    before = sum(map(int, re.findall(dropped, metrics(machine))))
    machine.run(
        "unshare --pid --fork sleep 999 >/dev/null 2>&1 & sleep 1; for n in 1 2 3; do pkill -VTALRM -x sleep; done"
    )
    until(lambda: sum(map(int, re.findall(dropped, metrics(machine)))) == before + 3)
    until(lambda: re.search(r'sigtrace_namespaces{stop="waits_for_kill"} [1-9]', metrics(machine)))
    assert "VTALRM" in machine.run("sigtrace summary /var/lib/sigtrace/recording")
    assert machine.run("stat -c '%U %a' /var/lib/sigtrace/recording") == "sigtrace 750\n"


def test_reload_and_stop_are_what_systemd_expects(machine: Machine) -> None:
    machine.run("echo '[scan]' > /etc/sigtrace/agent.toml; systemctl reload sigtrace-agent")
    until(lambda: "config_last_reload_successful 1.0" in metrics(machine))
    machine.run("echo '[scna]' > /etc/sigtrace/agent.toml; systemctl reload sigtrace-agent")
    until(lambda: "config_last_reload_successful 0.0" in metrics(machine))
    machine.run("systemctl stop sigtrace-agent")
    assert machine.run("systemctl show -p Result --value sigtrace-agent") == "success\n"
