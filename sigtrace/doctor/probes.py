"""Asking the kernel by doing: make a map, load a program, attach it, and let go of it at once.

Each probe returns 0, or the errno of the refusal. Kernel versions are never looked at.
"""

from __future__ import annotations

import os
import struct
import subprocess
from collections.abc import Callable

from sigtrace.errors import LoadRefused
from sigtrace.live.kernel import syscall

_MOV, _EXIT = 0xB7, 0x95
NOTHING = struct.pack("<BBhi", _MOV, 0, 0, 0) + struct.pack("<BBhi", _EXIT, 0, 0, 0)
"""The least program there is: `r0 = 0; exit`."""

IMPOSTOR = "impostor"
"""What `bcc_version` says of a package named bcc that is not the BPF Compiler Collection."""
_ASK_BCC = (
    f"import bcc; print(getattr(bcc, '__version__', 'unknown') if hasattr(bcc, 'BPF') else {IMPOSTOR!r})"
)


def array_map() -> int:
    """The humblest bpf(2) call: an array of one number."""
    return _errno(lambda: [syscall.map_create(syscall.MAP_ARRAY, 4, 8, 1, "probe_array")])


def ring(size: int) -> int:
    """A ring buffer of `size` bytes, a power of two of pages."""
    return _errno(lambda: [syscall.map_create(syscall.MAP_RINGBUF, 0, 0, size, "probe_ring")])


def tracepoint(name: str, btf_id: int | None) -> int:
    """The least program, attached to a tracepoint: by the BTF id of its typedef, or else raw, by name."""

    def attach() -> list[int]:
        program = syscall.prog_load(NOTHING, "probe", btf_id)
        try:
            return [program, syscall.raw_tracepoint_open(program, None if btf_id else name)]
        except LoadRefused:
            os.close(program)
            raise

    return _errno(attach)


def bcc_version(python: str) -> str:
    """The version of bcc under an interpreter; empty if it has none that works, IMPOSTOR for PyPI's `bcc`."""
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
