"""Checks of installed software: bcc, which is needed until the compiled programs are in the cache."""

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
"""Package manager -> the command that installs the Python bindings of the BPF Compiler Collection."""


def bcc(host: Host) -> Check:
    """An interpreter has bcc, which compiles the programs."""
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
        detail = f"not installed for {' and '.join(host.bcc_versions) or 'any interpreter'}"
        remedy += " (not pip: the package named bcc on PyPI is something else)"
    if host.cached:
        return warning("bcc", f"{detail}; the cache suffices until the kernel or sigtrace changes", remedy)
    return missing("bcc", detail, remedy)


def compiled_cache(host: Host) -> Check:
    """The cache of compiled programs is usable: nobody else can write to it."""
    if host.cache_complaint:
        return warning(
            "cache",
            host.cache_complaint,
            "until it is fixed, every start compiles again; or set XDG_CACHE_HOME to a directory that you own",
        )
    if host.cached:
        return ok("cache", f"programs for this kernel are in {directory()}")
    return ok("cache", f"nothing for this kernel in {directory()} yet; the first start fills it")


SOFTWARE: tuple[Checker, ...] = (bcc, compiled_cache)
