"""BPF objects of the kernel that no process holds: what a program left behind."""

from __future__ import annotations

import contextlib
import re
import struct
from pathlib import Path

from sigtrace.live.kernel.syscall import bpf

_NEXT_ID = {"prog": 11, "map": 12, "link": 31}
"""The commands of bpf(2) that enumerate all objects of a kind: enum bpf_cmd."""
_HELD = re.compile(r"^(prog|map|link)_id:\t(\d+)", re.M)


def unheld() -> set[tuple[str, int]]:
    """Kind and ID of each program, map and link for which no process has a descriptor, pinned ones included."""
    return _all() - _held()


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


def _held() -> set[tuple[str, int]]:
    held = set()
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has ended
            for name in (process / "fdinfo").iterdir():
                with contextlib.suppress(OSError):
                    held |= {(kind, int(number)) for kind, number in _HELD.findall(name.read_text())}
    return held
