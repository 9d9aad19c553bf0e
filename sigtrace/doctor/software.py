"""What has to be installed besides sigtrace itself: bcc, until its work is in the cache."""

from __future__ import annotations

from sigtrace.doctor.check import Check, Checker, missing, ok, warning
from sigtrace.doctor.host import Host
from sigtrace.doctor.probes import IMPOSTOR
from sigtrace.live.kernel.cache import directory

BCC_PACKAGE = {
    "apt-get": "apt install python3-bpfcc",
    "dnf": "dnf install python3-bcc",
    "pacman": "pacman -S python-bcc",
    "zypper": "zypper install python3-bcc",
    "apk": "apk add py3-bcc",
}
"""How each package manager gets the Python bindings of the BPF Compiler Collection."""


def bcc(host: Host) -> Check:
    """bcc compiles the programs, under any interpreter that has it."""
    found = [
        (python, version) for python, version in host.bcc_versions.items() if version not in ("", IMPOSTOR)
    ]
    if found:
        return ok("bcc", ", ".join(f"{version} under {python}" for python, version in found))
    remedy = BCC_PACKAGE.get(host.package_manager, "install your distribution's Python bindings of bcc")
    if IMPOSTOR in host.bcc_versions.values():
        detail, remedy = (
            "the package named bcc here is not the BPF Compiler Collection",
            f"pip uninstall bcc; {remedy}",
        )
    else:
        detail = f"not there for {' and '.join(host.bcc_versions) or 'any interpreter'}"
        remedy += " (not pip: the package named bcc on PyPI is something else)"
    if host.cached:
        return warning("bcc", f"{detail}; the cache does until kernel or sigtrace change", remedy)
    return missing("bcc", detail, remedy)


def compiled_cache(host: Host) -> Check:
    """Compiled programs are kept for the next start, where nobody else can have written them."""
    if host.cache_complaint:
        return warning(
            "cache",
            host.cache_complaint,
            "every start compiles anew; mend it, or set XDG_CACHE_HOME to a directory of yours",
        )
    if host.cached:
        return ok("cache", f"programs for this kernel are in {directory()}")
    return ok("cache", f"nothing for this kernel in {directory()} yet; the first start fills it")


SOFTWARE: tuple[Checker, ...] = (bcc, compiled_cache)
