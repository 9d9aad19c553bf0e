"""Compile the C source to instructions, with bcc in a short-lived child of the interpreter that has it.

No text from a user reaches the compiler: the flags are offsets (numbers) and fixed names of features.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sigtrace.errors import CannotTrace, CompileFailed, LoadRefused
from sigtrace.events import wire
from sigtrace.live.kernel.btf import TRACEPOINTS, KernelFacts

SYSTEM_PYTHON = "/usr/bin/python3"
MAPS = ("config", "namespaces", "counts", "cpus", "pending", "scratch", "exited", "followed", "events")
"""The maps of `bpf/sigtrace.bpf.c`, by name."""

_NO_BCC = 3
"""The child's exit status; see `bcc_child`."""
_VERSION = re.compile(r"""^__version__\s*=\s*['"]([^'"]+)""", re.M)
_TIMEOUT = 120
"""Seconds; compiling takes one, or several on a slow or busy machine."""


@dataclass(frozen=True)
class Compiled:
    """The compiled programs for one kernel, which can be loaded once the maps exist."""

    instructions: dict[str, bytes]
    """C function -> instructions of 8 bytes each; maps are referenced by the child's descriptors."""
    maps: dict[int, str]
    """Descriptor in the instructions -> name of the map."""
    tracepoint_ids: dict[str, int]
    """C function -> BTF ID to attach to; empty if compiled for raw tracepoints."""
    bcc_version: str


def source_text() -> str:
    """Return the C source with its header inserted: the compiler needs no other file of ours."""
    program = (wire.sources() / "sigtrace.bpf.c").read_text()
    return program.replace('#include "sigtrace.h"', wire.HEADER)


def interpreters() -> list[str]:
    """Return the Python interpreters that may have bcc: this one, then the system's."""
    return list(
        dict.fromkeys(path for path in (sys.executable, SYSTEM_PYTHON) if path and os.access(path, os.X_OK))
    )


def installed_bcc_version() -> str | None:
    """Read the version of the bcc that compiling would use from its files; None if not found."""
    places = [Path(entry) for entry in sys.path if entry.endswith("-packages")]
    places += [
        Path("/usr/lib/python3/dist-packages"),
        *sorted(Path("/usr/lib").glob("python3.*/site-packages")),
    ]
    for place in places:
        with contextlib.suppress(OSError):
            found = _VERSION.search((place / "bcc" / "version.py").read_text(errors="replace"))
            if found:
                return found[1]
    return None


def compile_programs(facts: KernelFacts, direct: bool) -> Compiled:
    """Compile for the running kernel: for BTF tracepoints if `direct`, else for raw tracepoints.

    Raises CannotTrace if no interpreter has bcc, LoadRefused if the kernel is too old for `direct`, and
    CompileFailed with the compiler's output if it fails.
    """
    if direct and not facts.current_task_typed:
        raise LoadRefused("this kernel has no bpf_get_current_task_btf(), which BTF tracepoints need here.")
    flags = [f"-D{name}={value}" for name, value in facts.macros.items()]
    if direct:
        flags.append("-DDIRECT")
    job = {
        "text": source_text(),
        "flags": [*flags, "-Wno-macro-redefined"],
        "functions": list(TRACEPOINTS),
        "maps": MAPS,
        "kernel_source": str(wire.sources() / "shim"),
    }
    for python in interpreters():
        answer = _run_child(python, json.dumps(job))
        if answer is not None:
            return Compiled(
                {name: bytes.fromhex(code) for name, code in answer["instructions"].items()},
                {int(fd): name for fd, name in answer["maps"].items()},
                facts.tracepoint_ids if direct else {},
                answer["version"],
            )
    raise CannotTrace(
        "bcc is not installed for "
        + " or ".join(interpreters())
        + ": install your distribution's package (Debian, Ubuntu: apt install python3-bpfcc; Fedora: dnf install "
        "python3-bcc; Arch: pacman -S python-bcc). The package named bcc on PyPI is something else."
    )


def _run_child(python: str, job: str) -> dict[str, Any] | None:
    import subprocess

    script = str(Path(__file__).with_name("bcc_child.py"))
    # -I: neither PYTHON* variables nor the current directory may decide what a root process imports.
    command = [python, "-I", script]
    try:
        child = subprocess.run(
            command,
            input=job,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_TIMEOUT,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise CompileFailed(f"bcc under {python} did not finish within {_TIMEOUT} s.") from None
    if child.returncode == _NO_BCC:
        return None
    if child.returncode or not child.stdout:
        messages = child.stderr.strip()[-2000:]
        raise CompileFailed(f"bcc under {python} could not compile the BPF programs:\n{messages}")
    answer: dict[str, Any] = json.loads(child.stdout)
    return answer
