"""BPF objects of the kernel that no process holds: what a program left behind.

Programs of other types than those of sigtrace are left out: a container's runtime attaches one to its cgroup.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import struct
from pathlib import Path

from sigtrace.live.kernel.syscall import PROG_RAW_TRACEPOINT, PROG_TRACING, bpf

_NEXT_ID = {"prog": 11, "map": 12, "link": 31}
"""The commands of bpf(2) that enumerate all objects of a kind: enum bpf_cmd."""
_PROG_GET_FD_BY_ID, _OBJ_INFO, _INFO_BYTES = 13, 15, 256
_HELD = re.compile(r"^(prog|map|link)_id:\t(\d+)", re.M)


def unheld() -> set[tuple[str, int]]:
    """Kind and ID of each program, map and link for which no process has a descriptor, pinned ones included."""
    return {(kind, number) for kind, number in _all() - _held() if kind != "prog" or _may_be_ours(number)}


def _all() -> set[tuple[str, int]]:
    found = set()
    for kind, command in _NEXT_ID.items():
        last = 0
        with contextlib.suppress(FileNotFoundError):  # that was the last one
            while True:
                _, attributes = bpf(command, struct.pack("<II", last, 0))
                (last,) = struct.unpack_from("<I", attributes, 4)
                found.add((kind, last))
    return found


def _may_be_ours(program: int) -> bool:
    """Whether a program is of a type that sigtrace loads; not if it is gone by now."""
    info = ctypes.create_string_buffer(_INFO_BYTES)
    with contextlib.suppress(FileNotFoundError):
        fd, _ = bpf(_PROG_GET_FD_BY_ID, struct.pack("<III", program, 0, 0))
        try:
            bpf(_OBJ_INFO, struct.pack("<IIQ", fd, _INFO_BYTES, ctypes.addressof(info)))
        finally:
            os.close(fd)
    (kind,) = struct.unpack_from("<I", info.raw)
    return kind in (PROG_RAW_TRACEPOINT, PROG_TRACING)


def _held() -> set[tuple[str, int]]:
    held = set()
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has ended
            for name in (process / "fdinfo").iterdir():
                with contextlib.suppress(OSError):
                    held |= {(kind, int(number)) for kind, number in _HELD.findall(name.read_text())}
    return held
