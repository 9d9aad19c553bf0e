"""Compile the C source to instructions, with bcc in a short-lived child of the interpreter that has it.

No text from a user reaches the compiler: the flags are offsets (numbers) and fixed names of features.
"""

from __future__ import annotations

import json
import os
import struct
import sys
from dataclasses import dataclass
from typing import Any

from sigtrace.errors import CannotTrace, CompileFailed
from sigtrace.events import wire
from sigtrace.live.kernel.btf import OFFSETS, SIZES, TRACEPOINTS, KernelFacts
from sigtrace.text import shorten
from sigtrace.units import SECOND, duration

SYSTEM_PYTHON = "/usr/bin/python3"
MAPS = (
    "config",
    "namespaces",
    "counts",
    "cpus",
    "pending",
    "scratch",
    "exited",
    "followed",
    "shares",
    "events",
)
"""The maps of `bpf/sigtrace.bpf.c`, by name."""

_NO_BCC = 3
"""The child's exit status; see `bcc_child`."""
_LD_IMM64, _PSEUDO_MAP_FD = 0x18, 1
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


def source_digest() -> str:
    """Return a digest of everything that instructions are made from, but for the compiler."""
    import hashlib

    digest = hashlib.blake2b(digest_size=20)
    shim = sorted((wire.sources() / "shim").rglob("*.h"))
    for part in (
        source_text(),
        *(path.read_text() for path in shim),
        repr((OFFSETS, SIZES, list(TRACEPOINTS))),
    ):
        digest.update(f"{len(part)}:{part}".encode())  # lengths, so that no two lists of parts read alike
    return digest.hexdigest()


def interpreters() -> list[str]:
    """Return the Python interpreters that may have bcc: this one, then the system's."""
    return list(
        dict.fromkeys(path for path in (sys.executable, SYSTEM_PYTHON) if path and os.access(path, os.X_OK))
    )


def with_maps(instructions: bytes, descriptors: dict[int, int]) -> bytes:
    """Replace the descriptor in every map reference (BPF_PSEUDO_MAP_FD) of the instructions."""
    code = bytearray(instructions)
    for at in range(0, len(code), 8):
        if code[at] == _LD_IMM64 and code[at + 1] >> 4 == _PSEUDO_MAP_FD:
            (old,) = struct.unpack_from("<i", code, at + 4)
            struct.pack_into("<i", code, at + 4, descriptors[old])
    return bytes(code)


def compile_programs(facts: KernelFacts, direct: bool) -> Compiled:
    """Compile for the running kernel: for BTF tracepoints if `direct`, else for raw tracepoints.

    Raises CannotTrace if no interpreter has bcc, and CompileFailed with the compiler's output if it fails.
    """
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
            return _compiled(python, answer, facts.tracepoint_ids if direct else {})
    raise CannotTrace(
        "bcc is not installed for "
        + " or ".join(interpreters())
        + ": install your distribution's package (Debian, Ubuntu: apt install python3-bpfcc; Fedora: dnf install "
        "python3-bcc; Arch: pacman -S python-bcc). The package named bcc on PyPI is something else."
    )


def _compiled(python: str, answer: str, tracepoint_ids: dict[str, int]) -> Compiled:
    """Read the answer of bcc_child.py. Raises CompileFailed if it is something else."""
    try:
        held: dict[str, Any] = json.loads(answer)
        instructions = {str(name): bytes.fromhex(code) for name, code in held["instructions"].items()}
        maps = {int(fd): str(name) for fd, name in held["maps"].items()}
        if sorted(maps.values()) != sorted(MAPS) or instructions.keys() != TRACEPOINTS.keys():
            raise ValueError
        return Compiled(instructions, maps, tracepoint_ids, str(held["version"]))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as err:
        raise CompileFailed(
            f"bcc under {python} gave an answer that makes no sense: {shorten(answer, 100)}"
        ) from err


def _run_child(python: str, job: str) -> str | None:
    """Return what the child prints; None if that interpreter has no bcc."""
    import subprocess

    script = os.path.join(os.path.dirname(__file__), "bcc_child.py")
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
        raise CompileFailed(
            f"bcc under {python} did not finish within {duration(_TIMEOUT * SECOND)}."
        ) from None
    if child.returncode == _NO_BCC:
        return None
    if child.returncode or not child.stdout:
        messages = child.stderr.strip()[-2000:] or f"it ended with {child.returncode} and said nothing"
        raise CompileFailed(f"bcc under {python} could not compile the BPF programs:\n{messages}")
    return child.stdout
