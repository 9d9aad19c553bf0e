"""Probe the kernel by trying: create a map, load a program, attach it, and close everything at once.

Each probe returns 0 or an errno. Kernel versions are not tested.
"""

from __future__ import annotations

import os
import struct
import subprocess
from collections.abc import Callable

from sigtrace.errors import LoadRefused
from sigtrace.live.kernel import syscall
from sigtrace.live.kernel.load import create_maps

_MOV, _EXIT = 0xB7, 0x95
NOTHING = struct.pack("<BBhi", _MOV, 0, 0, 0) + struct.pack("<BBhi", _EXIT, 0, 0, 0)
"""The smallest valid program: `r0 = 0; exit`."""

IMPOSTOR = "impostor"
"""The result of `bcc_version` for a package named bcc that is not the BPF Compiler Collection."""
_ASK_BCC = (
    f"import bcc; print(getattr(bcc, '__version__', 'unknown') if hasattr(bcc, 'BPF') else {IMPOSTOR!r})"
)


def array_map() -> int:
    """Create an array of one number, the simplest bpf(2) call."""
    return _errno(lambda: [syscall.map_create(syscall.MAP_ARRAY, 4, 8, 1, "probe_array")])


def ring(size: int) -> int:
    """Create a ring buffer of `size` bytes, a power of two and a multiple of the page size."""
    return _errno(lambda: [syscall.map_create(syscall.MAP_RINGBUF, 0, 0, size, "probe_ring")])


def maps(ring_bytes: int) -> int:
    """Create all the maps that tracing needs."""
    opened: dict[str, int] = {}

    def create() -> list[int]:
        create_maps(ring_bytes, opened)
        return []

    try:
        return _errno(create)
    finally:
        for descriptor in opened.values():
            os.close(descriptor)


def tracepoint(name: str, btf_id: int | None) -> int:
    """Attach the smallest program to a tracepoint: by the BTF ID of its typedef if given, else raw, by name."""

    def attach() -> list[int]:
        program = syscall.prog_load(NOTHING, "probe", btf_id)
        try:
            return [program, syscall.raw_tracepoint_open(program, None if btf_id else name)]
        except LoadRefused:
            os.close(program)
            raise

    return _errno(attach)


def bcc_version(python: str) -> str:
    """Return the version of an interpreter's bcc; empty if it has none that works, IMPOSTOR for PyPI's `bcc`."""
    try:
        answer = subprocess.run(
            [python, "-I", "-c", _ASK_BCC], capture_output=True, text=True, timeout=60, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return answer.stdout.strip()


def _errno(attempt: Callable[[], list[int]]) -> int:
    try:
        opened = attempt()
    except LoadRefused as err:
        cause = err.__cause__
        if isinstance(cause, OSError) and cause.errno:
            return cause.errno
        raise
    for descriptor in opened:
        os.close(descriptor)
    return 0
