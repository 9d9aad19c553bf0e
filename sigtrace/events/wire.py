"""The wire format, parsed from `bpf/sigtrace.h`, its only definition.

Struct members become `struct` formats (for maps) and numpy dtypes (for batches); enumerators become names:
`STAGE_GENERATE` is `STAGE["generate"]`, `*_NONE` is the empty string. numpy is imported only when a dtype is needed,
so that attaching does not wait for it.
"""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

_C_TYPES = {
    "__u8": "B",
    "__s8": "b",
    "__u16": "H",
    "__s16": "h",
    "__u32": "I",
    "__s32": "i",
    "__u64": "Q",
    "__s64": "q",
}
_MEMBER = re.compile(r"^\s*(__[us]\d+|char)\s+(\w+)(?:\[(\d+)\])?;", re.M)
_ENUMERATOR = re.compile(r"^\s*([A-Z]+)_(\w+)(?:\s*=\s*(\d+))?,", re.M)


_PACKAGE = os.path.dirname(os.path.dirname(__file__))


def in_checkout() -> bool:
    """Return whether this is a checkout, whose C sources are next to the package, not an installed package."""
    return not os.path.isdir(os.path.join(_PACKAGE, "bpf"))


def sources() -> Path:
    """Return the directory of the C sources: inside the installed package, or next to it in a checkout."""
    from pathlib import Path  # 4 ms, which a start is spared

    return Path(_sources())


def _sources() -> str:
    return os.path.join(os.path.dirname(_PACKAGE) if in_checkout() else _PACKAGE, "bpf")


with open(os.path.join(_sources(), "sigtrace.h")) as _file:
    HEADER = _file.read()


_BODIES: dict[tuple[str, str], str] = {
    (kind, name): body
    for kind, name, body in re.findall(r"^(struct|enum) (\w+) \{(.*?)^\};", HEADER, re.M | re.S)
}
"""(struct or enum, name) -> what is between its braces."""


def _body(kind: str, name: str) -> str:
    if (kind, name) not in _BODIES:
        raise ValueError(f"bpf/sigtrace.h defines no {kind} {name}")
    return _BODIES[kind, name]


def _enum(name: str) -> Mapping[str, int]:
    values: dict[str, int] = {}
    following = 0
    for _, rest, value in _ENUMERATOR.findall(_body("enum", name)):
        number = int(value) if value else following
        values["" if rest == "NONE" else rest.lower()] = number
        following = number + 1
    return MappingProxyType(values)


STAGE = _enum("sigtrace_stage")
DISPOSITION = _enum("sigtrace_disposition")
RELATION = _enum("sigtrace_relation")
FLAG = _enum("sigtrace_flag")
SENDER_FLAG = _enum("sigtrace_sender_flag")
SCOPE = _enum("sigtrace_scope")


class Layout:
    """One struct of the header: its members in order, and how to pack and unpack it."""

    def __init__(self, name: str) -> None:
        self.members = [
            (member, kind, int(size or 0)) for kind, member, size in _MEMBER.findall(_body("struct", name))
        ]
        formats = (
            f"{size}s" if kind == "char" else f"{size or 1}{_C_TYPES[kind]}" for _, kind, size in self.members
        )
        self._struct = struct.Struct("=" + "".join(formats))
        self.size = self._struct.size

    def pack(self, **values: int) -> bytes:
        """Return the bytes of one struct without arrays; members that are not given are 0."""
        return self._struct.pack(*(values.get(member, 0) for member, _, _ in self.members))

    def dtype(self) -> np.dtype[np.void]:
        """Return the numpy dtype of the struct: little-endian, as on x86 and arm64; chars as `S16`."""
        import numpy as np

        return np.dtype(
            [
                (member, f"S{size}")
                if kind == "char"
                else (member, "<" + _numpy_code(kind), *([(size,)] if size else []))
                for member, kind, size in self.members
            ]
        )


def _numpy_code(kind: str) -> str:
    return f"{'i' if kind[2] == 's' else 'u'}{int(kind[3:]) // 8}"


EVENT = Layout("sigtrace_event")
COUNT_KEY = Layout("sigtrace_count_key")
COUNT_VALUE = Layout("sigtrace_count")
CPU = Layout("sigtrace_cpu")
CONFIG = Layout("sigtrace_config")
NS_FILTER = Layout("sigtrace_ns_filter")
