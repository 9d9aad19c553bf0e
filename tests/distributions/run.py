"""Install the wheel by pip alone in root file systems of distributions, and do there what a user does first.

    python -m tests.distributions.run [NAME ...]      bullseye, bookworm, trixie, sid; without a name, all

Needs root, mmdebstrap, Debian's archive among apt's sources, and a kernel that can trace: every root runs on this one.
The roots are kept (`tests.guests.cache`); the environment in them, with the wheel of this checkout, is made anew each
time. Prints a line of a table for each.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.guests import cache, kernels

ROOT = Path(__file__).parents[2]
SUITES = ("bullseye", "bookworm", "trixie", "sid")
_PACKAGES = ("python3", "python3-venv", "procps", "util-linux", "ca-certificates")
_TO_BUILD_PYTHON = ("gcc", "libc6-dev", "make", "zlib1g-dev", "libffi-dev", "libssl-dev", "xz-utils")
_OWN_PYTHON = {"bullseye": "python3.13"}
"""Releases whose own Python, here 3.9, is too old: the upstream tarball of a Debian source package, built there."""
_CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"


def main(names: list[str]) -> int:
    """Run all, print the table, and return the number of roots in which something failed."""
    unknown = set(names) - set(SUITES)
    if unknown:
        sys.exit(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(SUITES)}")
    failed = 0
    with tempfile.TemporaryDirectory() as directory:
        built = ["-m", "build", "--wheel", "--outdir", directory, str(ROOT)]
        subprocess.run([sys.executable, *built], check=True, stdout=subprocess.DEVNULL)
        wheel = next(Path(directory).glob("*.whl"))
        print(f"{'root':<10} {'Python':<8} {'libc':<12} {'MB':>4}  seconds")
        for suite in names or SUITES:
            try:
                found, megabytes = run(suite, wheel)
            except (subprocess.CalledProcessError, OSError) as err:
                failed += 1
                print(f"{suite:<10} FAILED: {err}", flush=True)
                continue
            python, libc = found.pop("python"), found.pop("libc")
            steps = ", ".join(f"{name} {took}" for name, took in found.items())
            print(f"{suite:<10} {python:<8} {libc:<12} {megabytes:>4}  {steps}", flush=True)
    return failed


def run(suite: str, wheel: Path) -> tuple[dict[str, object], int]:
    """Return what check.py found in the root, and the size of what pip installed there in MB.

    Raises CalledProcessError; what the command said is on stderr then.
    """
    top = root(suite)
    python = "/opt/python/bin/python3" if suite in _OWN_PYTHON else "/usr/bin/python3"
    for source in ("/etc/resolv.conf", _CERTIFICATES, "/etc/pip.conf"):  # the network as this host has it
        if os.path.exists(source):
            shutil.copy(source, top / source[1:])
    shutil.copy(wheel, top / "tmp")
    shutil.copy(Path(__file__).with_name("check.py"), top / "tmp")
    shutil.rmtree(top / "opt/sigtrace", ignore_errors=True)
    inside(top, python, "-m", "venv", "/opt/sigtrace")
    before = _megabytes(top / "opt/sigtrace")
    pip = (
        "-m",
        "pip",
        "install",
        "-q",
        "--no-cache-dir",
        "--disable-pip-version-check",
        "--only-binary=:all:",
    )
    inside(top, "/opt/sigtrace/bin/python", *pip, f"/tmp/{wheel.name}")
    size = _megabytes(top / "opt/sigtrace") - before
    return json.loads(inside(top, "/opt/sigtrace/bin/python", "/tmp/check.py")), size


def root(suite: str) -> Path:
    """The root file system of a Debian release, made if there is none."""
    top = cache.directory("distributions") / suite
    made = top.with_name(f"{suite}.made")
    if not made.exists():
        shutil.rmtree(top, ignore_errors=True)
        include = _PACKAGES if suite not in _OWN_PYTHON else (*_PACKAGES[2:], *_TO_BUILD_PYTHON)
        options = ["--quiet", "--variant=minbase", f"--include={','.join(include)}"]
        options += ['--aptopt=Acquire::Check-Valid-Until "false"'] * (
            suite == "sid"
        )  # a mirror may be behind
        subprocess.run(["mmdebstrap", *options, suite, str(top), kernels.mirror()], check=True)
        if suite in _OWN_PYTHON:
            _build_python(top, _OWN_PYTHON[suite])
        made.touch()
    return top


def inside(top: Path, *command: str) -> str:
    """Run a command in the root, with /proc, /sys and tracefs in a mount namespace of its own; return its output.

    The PID namespace stays the host's, as with `docker run --pid=host`. Raises CalledProcessError.
    """
    mounts = f"""
        mount --rbind /proc {top}/proc && mount --rbind /sys {top}/sys && mount --rbind /dev {top}/dev &&
        mount -t tmpfs tmpfs {top}/run && exec chroot {top} "$@"
    """
    clean = {
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": "/root",
        "PIP_CERT": _CERTIFICATES,
        "LANG": "C.UTF-8",
    }
    shell = ["unshare", "--mount", "--propagation", "private", "sh", "-c", mounts, "sh", *command]
    return subprocess.run(shell, env=clean, stdout=subprocess.PIPE, text=True, check=True).stdout


def _build_python(top: Path, name: str) -> None:
    """Build CPython into /opt/python of the root, against its own libc: takes several minutes."""
    with tempfile.TemporaryDirectory() as directory:
        source = f"deb-src {kernels.mirror()} trixie main\n"
        (Path(directory) / "sources.list").write_text(source)
        lists = [f"-oDir::Etc::sourcelist={directory}/sources.list", "-oDir::Etc::sourceparts=-"]
        lists += [
            f"-oDir::State::lists={directory}/lists",
            "-oDir::Cache::srcpkgcache=",
            "-oDir::Cache::pkgcache=",
        ]
        (Path(directory) / "lists/partial").mkdir(parents=True)
        subprocess.run(["apt-get", "-qq", *lists, "update"], check=True)
        subprocess.run(
            ["apt-get", "-qq", *lists, "--download-only", "source", name], cwd=directory, check=True
        )
        tarball = next(Path(directory).glob("*.orig.tar.xz"))
        target = top / "usr/src/python"
        target.mkdir(parents=True, exist_ok=True)
        subprocess.run(["tar", "-xf", str(tarball), "-C", str(target), "--strip-components=1"], check=True)
    build = "./configure -q --prefix=/opt/python >/dev/null && make -s -j$(nproc) >/dev/null 2>&1 && make -s install"
    inside(top, "sh", "-c", f"cd /usr/src/python && {build} >/dev/null 2>&1")
    shutil.rmtree(target)


def _megabytes(path: Path) -> int:
    """The size of the files below a directory, without the bytecode."""
    files = (file for file in path.rglob("*") if file.is_file() and not file.is_symlink())
    return round(sum(file.stat().st_size for file in files if file.suffix != ".pyc") / 1e6)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]) > 0)
