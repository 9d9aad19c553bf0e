"""The programs that were built in advance, adapted to the running kernel: a host needs no compiler.

`programs.bin` has the instructions of each variant, and for each instruction that contains an offset of a kernel
struct, which offset that is (`build.py` makes it). At load the offsets that BTF gives for this kernel are put in.
"""

from __future__ import annotations

import functools
import json
import os
import struct
import zlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sigtrace.events import wire
from sigtrace.live.kernel.btf import KernelFacts
from sigtrace.live.kernel.compile import MAPS, Compiled, source_digest

FILE = os.path.join(os.path.dirname(__file__), "programs.bin")

_FIELDS = {"off": ("<h", 2), "imm": ("<i", 4)}
"""struct bpf_insn: format and position of the fields that can contain an offset."""


class Site(NamedTuple):
    """A field of an instruction whose value depends on the kernel: the sum of some offsets and a constant."""

    instruction: int
    field: str
    """`off` or `imm`."""
    offsets: tuple[str, ...]
    """Names of O_* macros."""
    addend: int


class Unfit(Exception):
    """The programs built in advance do not fit this kernel; `str()` says why."""


def variant(macros: Mapping[str, int], direct: bool) -> str:
    """Return the name of the variant for a kernel: how it attaches, and the features that change the program."""
    features = ["NUMBERS_FLEXIBLE"] * direct + ["EXIT_GROUP_DEAD"]
    return " ".join(["btf" if direct else "raw", *(name for name in features if name in macros)])


def programs(facts: KernelFacts, direct: bool) -> Compiled:
    """Return the programs for this kernel, for BTF tracepoints if `direct`. Raises Unfit."""
    try:
        return _programs(facts, direct)
    except (
        OSError,
        zlib.error,
        ValueError,
        KeyError,
        IndexError,
        TypeError,
        AttributeError,
        RecursionError,
    ) as err:
        raise Unfit(
            f"{os.path.basename(FILE)} of this installation is missing or damaged: install sigtrace again"
        ) from err


def _programs(facts: KernelFacts, direct: bool) -> Compiled:
    held = contents()
    # Only in a checkout can somebody have edited them: reading them all at each start costs as much as placing offsets.
    if wire.in_checkout() and held["sources"] != source_digest():
        raise Unfit("the programs were built from other sources: run `make programs`")
    for size, value in held["sizes"].items():
        if facts.macros[size] != value:
            raise Unfit(
                f"{size} is {facts.macros[size]} on this kernel, and {value} in the programs that were built"
            )
    functions = held["variants"][variant(facts.macros, direct)]
    instructions = {}
    for function, number in functions.items():
        code, sites = held["programs"][number]
        instructions[function] = placed(bytes.fromhex(code), [Site(*site) for site in sites], facts.macros)
    ids = facts.tracepoint_ids if direct else {}
    return Compiled(instructions, dict(enumerate(MAPS)), ids, held["bcc"])


def placed(code: bytes, sites: Sequence[Site], macros: Mapping[str, int]) -> bytes:
    """Return the instructions with the kernel's offsets. Raises Unfit if one is too large for its field."""
    out = bytearray(code)
    for at, field, offsets, addend in sites:
        form, position = _FIELDS[field]
        value = sum(macros[name] for name in offsets) + addend
        try:
            struct.pack_into(form, out, 8 * at + position, value)
        except struct.error:
            raise Unfit(f"the offset {' + '.join(offsets)} is {value} on this kernel: too large") from None
    return bytes(out)


@functools.cache
def contents() -> dict[str, Any]:
    """Read the file: see `build.build`."""
    with open(FILE, "rb") as file:
        held: dict[str, Any] = json.loads(zlib.decompress(file.read()))
    return held
