"""A wheel, built from an sdist and installed where nothing else is, does what a checkout does."""

from __future__ import annotations

import functools
import json
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OTHERS = ("3.10", "3.12", "3.13", "3.14")
"""Minor versions to try besides the one the suite runs under, where this machine has them."""

pytestmark = pytest.mark.timeout(600)


def run(*command: str | Path, cwd: Path, check: bool = True) -> subprocess.CompletedProcess[str]:
    """A command far from the checkout and without its environment; on failure its own words are shown."""
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))
    }
    done = subprocess.run(
        [*map(str, command)], cwd=cwd, env=inherited, capture_output=True, text=True, check=False
    )
    if check and done.returncode:
        pytest.fail(
            f"{command} exited {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-4000:]}", pytrace=False
        )
    return done


@functools.cache
def _version(python: str) -> str:
    """`3.12` for an interpreter that can make environments; empty if it can't or does not start."""
    ask = "import sys, venv; print('%d.%d' % sys.version_info[:2])"
    done = subprocess.run([python, "-c", ask], capture_output=True, text=True, check=False)
    return done.stdout.strip()


def pythons() -> dict[str, str]:
    """Minor version -> interpreter: the one running, then others in OTHERS that are found here."""
    found = {f"{sys.version_info.major}.{sys.version_info.minor}": sys.executable}
    for minor in OTHERS:
        places = [
            shutil.which(f"python{minor}"),
            *sorted(Path.home().glob(f".pyenv/versions/{minor}.*/bin/python")),
        ]
        for place in places:
            if place and minor not in found and _version(str(place)) == minor:
                found[minor] = str(place)
    return found


@dataclass(frozen=True)
class Built:
    """What `python -m build` made."""

    sdist: Path
    wheel: Path


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """An sdist of the checkout, and a wheel made from that sdist."""
    out = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--outdir", out, ROOT, cwd=out)
    return Built(next(out.glob("*.tar.gz")), next(out.glob("*.whl")))


@pytest.fixture(scope="session", params=pythons().items(), ids=lambda item: f"python{item[0]}")
def installed(request: pytest.FixtureRequest, built: Built, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `bin` of a virtual environment that holds the wheel, what it depends on, and nothing else."""
    home = tmp_path_factory.mktemp("venv")
    run(request.param[1], "-m", "venv", "--without-pip", home, cwd=home)
    pip = (
        sys.executable,
        "-m",
        "pip",
        "--python",
        home / "bin/python",
        "install",
        "--quiet",
        "--only-binary=:all:",
    )
    run(*pip, built.wheel, cwd=home)
    return home / "bin"


def test_the_wheel_holds_the_programs_and_both_licences(built: Built) -> None:
    with zipfile.ZipFile(built.wheel) as wheel:
        names = wheel.namelist()
    inside = {name for name in names if name.startswith("sigtrace/bpf/")}
    sources = {f"sigtrace/{path.relative_to(ROOT)}" for path in (ROOT / "bpf").rglob("*") if path.is_file()}
    assert inside == sources
    assert {name.partition("/licenses/")[2] for name in names if "/licenses/" in name} == {
        "LICENSE",
        "bpf/LICENSE",
    }


def test_the_wheel_holds_nothing_but_the_package(built: Built) -> None:
    with zipfile.ZipFile(built.wheel) as wheel:
        names = wheel.namelist()
    assert {name.split("/")[0].partition("-")[0] for name in names} == {"sigtrace"}
    assert [name for name in names if "__pycache__" in name or "/tests/" in name] == []


def test_every_module_and_data_file_of_the_package_is_in_the_wheel(built: Built) -> None:
    with zipfile.ZipFile(built.wheel) as wheel:
        names = set(wheel.namelist())
    files = {str(path.relative_to(ROOT)) for path in (ROOT / "sigtrace").rglob("*") if path.is_file()}
    assert {name for name in files if "__pycache__" not in name} - names == set()


def test_the_wheel_says_that_it_has_types(built: Built) -> None:
    with zipfile.ZipFile(built.wheel) as wheel:
        assert "sigtrace/py.typed" in wheel.namelist()


def test_the_sdist_can_be_built_and_tested_from(built: Built) -> None:
    with tarfile.open(built.sdist) as sdist:
        names = {name.partition("/")[2] for name in sdist.getnames()}
    wanted = {"pyproject.toml", "README.md", "LICENSE", "Makefile", "scripts/setup.sh", "bpf/sigtrace.bpf.c"}
    assert wanted | {"tests/conftest.py", "sigtrace/cli/__init__.py"} <= names
    assert [name for name in names if name.startswith((".venv", ".cache", "build/"))] == []


def test_the_manual_pages_are_where_man_finds_them(installed: Path) -> None:
    pages = {page.name for page in (installed.parent / "share/man/man1").iterdir()}
    assert {"sigtrace.1", "sigtrace-watch.1", "sigtrace-lab.1"} <= pages


def test_the_command_starts_far_from_the_checkout(installed: Path, tmp_path: Path) -> None:
    answer = run(installed / "sigtrace", "--help", cwd=tmp_path)
    assert answer.stdout.startswith("Usage: sigtrace ")
    assert run(installed / "python", "-m", "sigtrace", "--version", cwd=tmp_path).stdout.startswith(
        "sigtrace "
    )


def test_it_is_the_wheel_that_runs(installed: Path, tmp_path: Path) -> None:
    show = "import sigtrace, sigtrace.events.wire as wire; print(sigtrace.__file__); print(wire.sources())"
    places = run(installed / "python", "-c", show, cwd=tmp_path).stdout.splitlines()
    assert [place for place in places if not place.startswith(str(installed.parent / "lib"))] == []


LIBRARY = """
import sys
import sigtrace

help(sigtrace)  # without Altair too, which is not installed
recording = sigtrace.open(sys.argv[1])
print(len(recording.events(verdict="dropped", signal=["TERM"])))
print(recording.postmortem(container="without-handler").findings[0].cause)
print(len(sigtrace.scan(ns="/proc/self/ns/pid")), sigtrace.explain("URG", 1).signal)
"""


def test_the_installed_library_works_from_the_top(installed: Path, tmp_path: Path) -> None:
    shipped = ROOT / "notebooks/recordings/stop"
    *_, dropped, cause, rest = run(
        installed / "python", "-c", LIBRARY, shipped, cwd=tmp_path
    ).stdout.splitlines()
    assert int(dropped) > 0
    assert (cause, rest) == ("dropped-at-generate", "1 23")


@pytest.mark.kernel
def test_the_installed_command_traces_by_pip_alone(installed: Path, tmp_path: Path) -> None:
    assert run(installed / "python", "-c", "import bcc", cwd=tmp_path, check=False).returncode != 0
    done = json.loads(run(installed / "python", ROOT / "tests/distributions/check.py", cwd=tmp_path).stdout)
    assert {"doctor", "demo", "scan", "watch", "record"} < set(done)
