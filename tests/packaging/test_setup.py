"""`make` and `scripts/setup.sh`, on machines that lack something."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.patience import patient

ROOT = Path(__file__).parents[2]
TOOLS = ("bash", "cat", "cut", "dirname", "env", "flock", "id", "mkdir", "sha256sum", "tail")


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A checkout with only the set-up in it, and a `bin` with next to nothing: no package manager, no Python."""
    (tmp_path / "bin").mkdir()
    for tool in TOOLS:
        borrow(tmp_path, tool)
    shutil.copytree(ROOT / "scripts", tmp_path / "scripts")
    script = tmp_path / "scripts/setup.sh"
    text = script.read_text().replace("/usr/bin/python3", "/nowhere/python3")
    script.write_text(text.replace("/usr/sbin/policy-rc.d", str(tmp_path / "policy-rc.d")))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def give(bare: Path, tool: str, script: str = "exit 0") -> None:
    """Put a command of that name on the bare machine, in place of one that was there.

    Always a new file, never written through a link: nothing outside the bare machine can be reached.
    """
    path = bare / "bin" / tool
    path.unlink(missing_ok=True)
    with path.open("x") as file:
        file.write(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def borrow(bare: Path, tool: str) -> None:
    """Put one of this machine's own commands there, as a script that runs it: a link could be written through."""
    give(bare, tool, f'exec {shutil.which(tool)} "$@"')


def set_up(bare: Path, goal: str = "demo") -> subprocess.CompletedProcess[str]:
    """Run the set-up there."""
    command = ["env", "-i", f"PATH={bare / 'bin'}", str(bare / "scripts/setup.sh"), goal]
    return subprocess.run(command, capture_output=True, text=True, timeout=patient(60), check=False)


def made(bare: Path) -> None:
    """A Python that makes environments in no time, and whose pip installs nothing but says so."""
    python = bare / "bin" / "python3"
    pip = f'case "$*" in *"-m pip install"*) echo "$*" >>{bare}/installed;; esac'
    give(
        bare,
        "python3",
        f'case "$*" in *"-m venv"*) mkdir -p .venv/bin; cp {python} .venv/bin/python;; esac\n{pip}',
    )
    borrow(bare, "cp")


def test_make_help_names_every_target() -> None:
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.M)
    help_text = subprocess.run(
        ["make", "-s", "help"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert {"demo", "test", "lint", "bench", "build"} <= set(targets)
    assert [line.split()[1] for line in help_text.splitlines()] == targets
    assert max(map(len, help_text.splitlines())) <= 80


def test_a_second_set_up_installs_nothing(bare: Path) -> None:
    made(bare)
    first, second = set_up(bare), set_up(bare)
    assert first.returncode == second.returncode == 0, first.stderr
    assert (bare / "installed").read_text().count("pip install") == 1
    assert "pip install" not in second.stderr


def test_a_changed_pyproject_is_installed_again(bare: Path) -> None:
    made(bare)
    set_up(bare)
    with (bare / "pyproject.toml").open("a") as file:
        file.write("# changed\n")
    set_up(bare)
    assert (bare / "installed").read_text().count("pip install") == 2


def test_missing_packages_are_installed_once_as_root(bare: Path) -> None:
    made(bare)
    give(bare, "dpkg-query", f"[ -e {bare}/apt-installed ] && echo installed || echo not-installed")
    give(bare, "apt-cache", 'echo "  Candidate: 1.0"')
    give(bare, "apt-get", f'echo "$*" >>{bare}/apt-calls; : >{bare}/apt-installed')
    give(bare, "id", "echo 0")
    for tool in ("mktemp", "rm"):
        borrow(bare, tool)
    assert set_up(bare).returncode == set_up(bare).returncode == 0
    calls = (bare / "apt-calls").read_text().splitlines()
    assert len(calls) == 1
    assert calls[0].endswith("install --no-install-recommends python3 python3-venv")


def test_a_runtime_that_is_there_stays_and_none_is_started_by_its_installation(bare: Path) -> None:
    made(bare)
    policy = bare / "policy-rc.d"
    give(bare, "dpkg-query", "echo not-installed")
    give(bare, "apt-cache", 'echo "  Candidate: 1.0"')
    give(bare, "apt-get", f'{{ echo "$*"; cat {policy}; }} >>{bare}/apt-calls 2>/dev/null; true')
    give(bare, "id", "echo 0")
    give(bare, "podman")
    for tool in ("mktemp", "rm", "grep", "tee", "chmod"):
        borrow(bare, tool)
    answer = set_up(bare, "test")
    assert answer.returncode == 0, answer.stderr
    tools, runtimes, *meanwhile = (bare / "apt-calls").read_text().splitlines()
    assert {"gcc", "jq"} <= set(tools.split())
    assert {"crun", "lxc", "--no-remove"} <= set(runtimes.split())
    assert "podman" not in runtimes.split()
    assert meanwhile == ["#!/bin/sh", "exit 101"]
    assert not policy.exists()


def test_guests_need_emulators_and_no_compiler(bare: Path) -> None:
    made(bare)
    give(bare, "dpkg-query", "echo not-installed")
    give(bare, "apt-get", "exit 1")
    give(bare, "id", "echo 1000")
    answer = set_up(bare, "matrix")
    assert answer.returncode == 0
    packages = set(answer.stderr.partition("as root:  apt-get install ")[2].splitlines()[0].split())
    assert {"qemu-system-x86", "qemu-system-arm", "mmdebstrap", "gpgv"} <= packages
    assert not packages & {"gcc", "python3-bpfcc", "docker.io"}


def test_who_is_not_root_is_told_the_command_and_goes_on(bare: Path) -> None:
    made(bare)
    give(bare, "dpkg-query", "echo not-installed")
    give(bare, "apt-get", "exit 1")
    give(bare, "id", "echo 1000")
    answer = set_up(bare)
    assert answer.returncode == 0
    assert "as root:  apt-get install python3 python3-venv" in answer.stderr


def test_a_machine_without_python_is_told_so_in_one_sentence(bare: Path) -> None:
    give(bare, "python3", "exit 1")
    answer = set_up(bare)
    assert answer.returncode == 1
    assert answer.stderr.splitlines()[-1].startswith("setup: needs Python 3.10 or later")
