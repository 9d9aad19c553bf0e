"""The root file system of a guest: Debian's Python and a shell, and what sigtrace depends on, but no compiler.

Packages are unpacked and not configured, so no code of another architecture has to run here; the wheels are chosen by
platform. sigtrace itself is on the second disk.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import shutil
import subprocess
import sys
from pathlib import Path

from tests.guests import cache, disk, kernels

SUITE, PYTHON = "bookworm", "3.11"
"""A Debian release, and the version of its Python."""

PAYLOAD = "/guest"
"""Where the second disk is mounted; `inside/start.sh` is on it."""

_PACKAGES = (
    *("python3", "dash", "bash", "coreutils", "grep", "sed", "util-linux", "util-linux-extra", "mount"),
    *("base-files", "passwd", "procps", "iproute2", "findutils", "libstdc++6"),  # the last for numpy
)
_TESTS = ("pytest>=8", "pytest-timeout>=2")
_MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}
_INIT = f"""#!/bin/sh
export PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev
mount -o ro LABEL=guest {PAYLOAD} && . {PAYLOAD}/src/tests/guests/inside/start.sh
echo o > /proc/sysrq-trigger; sleep 60
"""
_SIGTRACE = '#!/bin/sh\nexec python3 -m sigtrace "$@"\n'


def image(arch: str) -> Path:
    """Return the disk with the root file system, made if there is none, or it was made from something else."""
    made_from = repr((SUITE, _PACKAGES, requirements(), _INIT, _SIGTRACE))
    stamp = hashlib.sha256(made_from.encode()).hexdigest()[:12]
    images = cache.directory("roots")
    found = images / f"{SUITE}-{arch}-{stamp}.img"
    if not found.exists():
        for old in images.glob(f"{SUITE}-{arch}-*.img"):
            old.unlink()
        tree = images / f"{SUITE}-{arch}"
        shutil.rmtree(tree, ignore_errors=True)
        _fill(tree, arch)
        disk.partitioned(tree, found)
        shutil.rmtree(tree)
    return found


def requirements() -> list[str]:
    """What pip installs besides sigtrace: what sigtrace depends on, and pytest."""
    needed = importlib.metadata.requires("sigtrace") or []
    return [*(one for one in needed if "extra ==" not in one), *_TESTS]


def pip_install(into: Path, arch: str, *words: str) -> None:
    """Install wheels for the guest's Python and architecture, with the pip of this environment."""
    machine = _MACHINES[arch]
    platforms = [f"manylinux_2_{minor}_{machine}" for minor in (28, 27, 24, 17)] + [
        f"manylinux2014_{machine}"
    ]
    for_guest = ["--python-version", PYTHON, "--implementation", "cp", "--only-binary=:all:"]
    for_guest += [word for platform in platforms for word in ("--platform", platform)]
    pip = [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-compile"]
    subprocess.run([*pip, "--target", str(into), *for_guest, *words], check=True)


def _fill(tree: Path, arch: str) -> None:
    include = ",".join(_PACKAGES)
    options = ["--quiet", "--variant=extract", f"--architectures={arch}", f"--include={include}"]
    subprocess.run(["mmdebstrap", *options, SUITE, str(tree), kernels.mirror()], check=True)
    for name in ("bin", "sbin", "lib"):
        if not (tree / name).exists():
            (tree / name).symlink_to(f"usr/{name}")
    if not (tree / "bin/sh").exists():
        (tree / "bin/sh").symlink_to("dash")
    for name in ("proc", "sys", "dev", "tmp", "run", "root", "var/tmp", "usr/local/bin", PAYLOAD[1:]):
        (tree / name).mkdir(parents=True, exist_ok=True)
    (tree / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n")
    (tree / "etc/group").write_text("root:x:0:\nnogroup:x:65534:\n")
    site = tree / f"usr/local/lib/python{PYTHON}/dist-packages"
    pip_install(site, arch, *requirements())
    (site / "sigtrace-on-disk.pth").write_text(f"{PAYLOAD}/site\n")
    for tests in site.glob("*/tests"):
        shutil.rmtree(tests)
    for path, text in (("usr/local/bin/sigtrace", _SIGTRACE), ("init-guest", _INIT)):
        (tree / path).write_text(text)
        (tree / path).chmod(0o755)
    for useless in ("usr/share/doc", "usr/share/man", "usr/share/locale", "var/lib/apt", "var/cache"):
        shutil.rmtree(tree / useless, ignore_errors=True)
    compile_modules(tree, "/", f"usr/lib/python{PYTHON}", str(site.relative_to(tree)))


def compile_modules(tree: Path, mounted: str, *directories: str) -> None:
    """Compile the modules in directories of a tree, as pip does, if this host has a Python of the guest's version."""
    python = shutil.which(f"python{PYTHON}", path="/usr/bin:/usr/local/bin") or shutil.which(
        f"python{PYTHON}"
    )
    if python:
        command = [python, "-m", "compileall", "-q", "-j", "0", "-s", str(tree), "-p", mounted]
        subprocess.run(
            [*command, *(str(tree / name) for name in directories)], check=False, capture_output=True
        )
