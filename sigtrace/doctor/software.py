"""The checks of what is installed: wheels that run on this processor, BPF programs that fit, or bcc to compile them."""

from __future__ import annotations

from sigtrace import cpu
from sigtrace.doctor.check import Check, Checker, missing, ok, warning
from sigtrace.doctor.host import Host
from sigtrace.doctor.probes import IMPOSTOR

BCC_PACKAGE = {
    "apt-get": "apt install python3-bpfcc",
    "dnf": "dnf install python3-bcc",
    "pacman": "pacman -S python-bcc",
    "zypper": "zypper install python3-bcc",
    "apk": "apk add py3-bcc",
}
"""Package manager -> the command that installs the Python bindings of the BPF Compiler Collection."""


def processor(host: Host) -> Check:
    """The processor has the instructions that numpy and pyarrow are compiled for."""
    if host.cpu_problem:
        return missing("cpu", host.cpu_problem, cpu.REMEDY)
    return ok("cpu", "it can run numpy and pyarrow")


def programs(host: Host) -> Check:
    """The programs that come with sigtrace fit this kernel, or an interpreter has bcc, which compiles them."""
    if not host.unfit:
        return ok("programs", "those that come with sigtrace fit this kernel: no compiler is needed")
    found = [
        (python, version) for python, version in host.bcc_versions.items() if version not in ("", IMPOSTOR)
    ]
    if found:
        compiler = ", ".join(f"{version} under {python}" for python, version in found)
        return warning(
            "programs", f"{host.unfit}; bcc {compiler} compiles them at each start", "please report this"
        )
    remedy = BCC_PACKAGE.get(host.package_manager, "install your distribution's Python bindings of bcc")
    if IMPOSTOR in host.bcc_versions.values():
        detail, remedy = (
            "the package named bcc here is not the BPF Compiler Collection",
            f"pip uninstall bcc; {remedy}",
        )
    else:
        detail = f"bcc is not installed for {' and '.join(host.bcc_versions) or 'any interpreter'}"
        remedy += " (not pip: the package named bcc on PyPI is something else)"
    return missing("programs", f"{host.unfit}; {detail}", remedy)


SOFTWARE: tuple[Checker, ...] = (processor, programs)
