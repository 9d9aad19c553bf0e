"""Debian's cloud kernels, from the mirrors that apt is configured with: found, fetched, and unpacked, not installed.

These have NVMe, ext4, devtmpfs and BTF built in, so a guest needs no initramfs and no modules.
"""

from __future__ import annotations

import re
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from tests.guests import cache

NEWEST = "newest"
"""The name of the newest kernel in the archive."""

_SUITES = ("bullseye-security", "bookworm-security", "trixie-security", "trixie-backports")
_RELEASES = ("bullseye", "bookworm", "trixie", "forky", "sid", "oldstable", "stable", "testing", "unstable")
_PACKAGE = re.compile(r"linux-(image|binary)-(\d+)\.(\d+)\.\d[0-9.+a-z-]*-cloud-(amd64|arm64)")
_FRESH = 86400
"""Seconds after which the archive's package lists are read again."""


class NotInArchive(Exception):
    """The archive has no such kernel, any more or yet."""


@dataclass(frozen=True)
class Kernel:
    """A kernel, unpacked."""

    name: str
    arch: str
    release: str
    """As uname -r says."""
    image: Path


def fetch(name: str, arch: str) -> Kernel:
    """Return the newest kernel of a series, such as `6.12`, or the newest of all. Raises NotInArchive."""
    apt = _Apt(arch)
    package = newest(name, arch, apt.names())
    directory = cache.directory("kernels") / package
    if not directory.exists():
        apt.unpack(package, directory)
    image = next(iter([*directory.glob("boot/vmlinuz-*"), *directory.glob("usr/lib/modules/*/vmlinuz")]))
    release = image.name.removeprefix("vmlinuz-") if image.name != "vmlinuz" else image.parent.name
    return Kernel(name, arch, release, image)


def newest(name: str, arch: str, packages: list[str]) -> str:
    """Return the package of a series' newest version. Since 7.0 the image is in linux-binary-*, which is preferred."""
    found = []
    for package in packages:
        match = _PACKAGE.fullmatch(package)
        if match and match[4] == arch and name in (NEWEST, f"{match[2]}.{match[3]}"):
            version = tuple(map(int, re.findall(r"\d+", package.removesuffix(arch))))
            found.append((version, match[1] == "binary", package))
    if not found:
        raise NotInArchive(f"no kernel {name} for {arch} in {', '.join(_SUITES)}")
    return max(found)[2]


def mirror(security: bool = False) -> str:
    """Return the address of Debian's archive, or of its security updates, as this host's apt has it."""
    command = ["apt-get", "indextargets", "--format", "$(RELEASE) $(REPO_URI)"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    for line in sorted(listed.splitlines()):
        release, address = line.split()
        name, _, part = release.partition("-")
        if name in _RELEASES and (part == "security") == security:
            return address.rstrip("/")
    raise SystemExit("the guests come from Debian's archive, which is not among this host's apt sources")


class _Apt:
    """apt with lists of its own: it checks signatures and checksums, and goes through this host's proxies."""

    def __init__(self, arch: str) -> None:
        self._directory = cache.directory("apt", arch)
        for part in ("lists/partial", "archives/partial"):
            (self._directory / part).mkdir(parents=True, exist_ok=True)
        (self._directory / "status").touch()
        sources = self._directory / "sources.list"
        self._options = [
            *(
                "-o",
                f"Dir::State={self._directory}",
                "-o",
                f"Dir::State::status={self._directory / 'status'}",
            ),
            *("-o", f"Dir::Cache={self._directory}", "-o", f"Dir::Etc::SourceList={sources}"),
            *("-o", "Dir::Etc::SourceParts=-", "-o", f"APT::Architecture={arch}"),
            *("-o", f"APT::Architectures={arch}", "-o", "APT::Sandbox::User=root"),
            *("-o", "Acquire::Languages=none", "-o", "Acquire::Check-Valid-Until=false"),
        ]
        if not sources.exists() or time.time() - sources.stat().st_mtime > _FRESH:
            sources.write_text(
                "".join(f"deb {mirror(suite.endswith('-security'))} {suite} main\n" for suite in _SUITES)
            )
            try:
                self._run("apt-get", "-qq", "update")
            except BaseException:
                sources.unlink()
                raise

    def names(self) -> list[str]:
        """The names of all packages of kernels."""
        return self._run("apt-cache", "pkgnames", "linux-").split()

    def unpack(self, package: str, into: Path) -> None:
        """Download a package and unpack it."""
        where = cache.directory("debs")
        self._run("apt-get", "-qq", "download", package, cwd=where)
        (deb,) = where.glob(f"{package}_*.deb")
        subprocess.run(["dpkg-deb", "-x", str(deb), f"{into}.new"], check=True)
        Path(f"{into}.new").rename(into)
        deb.unlink()

    def _run(self, program: str, *words: str, cwd: Path | None = None) -> str:
        command = [program, *self._options, *words]
        return subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE, cwd=cwd).stdout
