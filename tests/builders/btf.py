"""BTF as a kernel describes its types, with the structs that sigtrace looks for and little else."""

from __future__ import annotations

import struct
from itertools import pairwise

from sigtrace.live.kernel.btf import OFFSETS, SIZES, TRACEPOINTS


class Blob:
    """A blob in the making; types have the IDs in which they were added, from 1."""

    def __init__(self) -> None:
        self._strings, self._types, self._count = b"\0", b"", 0

    def name(self, text: str) -> int:
        """Return the position of a name in the strings; names are there once."""
        if text and self._strings.find(b"\0" + text.encode() + b"\0") < 0:
            self._strings += text.encode() + b"\0"
        return self._strings.find(b"\0" + text.encode() + b"\0") + 1 if text else 0

    def add(self, text: str, kind: int, third: int = 0, members: tuple[tuple[int, ...], ...] = ()) -> int:
        """Add a type; third: its size, or the type that it refers to. Returns its ID."""
        self._types += struct.pack("<III", self.name(text), kind << 24 | len(members), third)
        for member in members:
            self._types += struct.pack(f"<{len(member)}I", *member)
        self._count += 1
        return self._count

    def bytes(self) -> bytes:
        """Return the blob."""
        header = struct.pack(
            "<HBBIIIII", 0xEB9F, 1, 0, 24, 0, len(self._types), len(self._types), len(self._strings)
        )
        return header + self._types + self._strings


def kernel() -> bytes:
    """Make a blob that has all that `kernel_facts` asks for; each member is a number in a union without a name."""
    blob = Blob()
    number = blob.add("u64", 1, 8)
    blob._types += struct.pack("<I", 64)
    structs: dict[str, list[str]] = {name: [] for _, name in SIZES}
    for _, name, paths in OFFSETS:
        structs.setdefault(name, []).extend(paths)
    for name, paths in structs.items():
        members = []
        for place, path in enumerate(paths):
            inner = number
            for part, above in pairwise(reversed(path.split("."))):
                inner = blob.add(f"{above}_of_{name}", 4, 8, ((blob.name(part), inner, 0),))
            anonymous = blob.add("", 5, 8, ((blob.name(path.split(".")[0]), inner, 0),))
            members.append((0, anonymous, 64 * place))
        blob.add(name, 4, 8 * len(members), tuple(members))
    for name in TRACEPOINTS.values():
        prototype = blob.add("", 13, 0, ((0, number), (0, number), (0, number)))
        blob.add(f"btf_trace_{name}", 8, blob.add("", 2, prototype))
    blob.add("bpf_func_id", 6, 4, ((blob.name("BPF_FUNC_get_current_task_btf"), 158),))
    return blob.bytes()
