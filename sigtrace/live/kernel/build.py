"""Build the programs once for all kernels: compile with made-up offsets, and find out where each one went.

Each variant is compiled twice. The first time every O_* macro has a value far from all others, the second time each
is raised by a step of its own; no step is the sum of two others, and no two sums of two steps are equal. An instruction
that differs then differs by the step of one offset, or by the sum of two, which names them; what is left is a constant.
Two more compilations with other offsets have to give exactly what is predicted from that, or the build fails.

S_* macros are multiplied, not added, so they are the same in all compilations; the loader compares them with BTF.
"""

from __future__ import annotations

import itertools
import json
import struct
import zlib
from collections.abc import Iterator, Mapping
from typing import Any

from sigtrace.errors import CompileFailed
from sigtrace.live.kernel.btf import OFFSETS, TRACEPOINTS, KernelFacts
from sigtrace.live.kernel.built import Site, placed, variant
from sigtrace.live.kernel.compile import MAPS, Compiled, compile_programs, source_digest, with_maps

SIZES = {"S_UPID": 16, "S_SIGACTION": 32}
"""Bytes of struct upid and struct k_sigaction on all 64-bit machines so far."""

_NAMES = tuple(name for name, _, _ in OFFSETS)


def build() -> bytes:
    """Compile all variants, and return the content of `built.FILE`. Takes 20 s. Raises CompileFailed, CannotTrace.

    Compressed JSON: `sources` (digest), `bcc` (version), `sizes`, `programs` (a list of instructions in hex and the
    rows of `Site`), `variants` (name -> C function -> index into programs).
    """
    programs: list[Any] = []
    variants: dict[str, dict[str, int]] = {}
    version = ""
    for direct, features in _variants():
        compiled = [_compile(offsets, features, direct) for offsets in _values()]
        version = compiled[0].bcc_version
        first, second, *others = (_portable(one) for one in compiled)
        numbers = variants[variant(features, direct)] = {}
        for function in TRACEPOINTS:
            sites = find_sites(function, first[function], second[function])
            for offsets, other in zip(_values()[2:], others, strict=True):
                if placed(first[function], sites, offsets) != other[function]:
                    raise CompileFailed(f"{function}: other offsets give other instructions than predicted.")
            program = [first[function].hex(), [list(site) for site in sites]]
            if program not in programs:
                programs.append(program)
            numbers[function] = programs.index(program)
    held = {
        "sources": source_digest(),
        "bcc": version,
        "sizes": SIZES,
        "programs": programs,
        "variants": variants,
    }
    return zlib.compress(json.dumps(held, separators=(",", ":")).encode(), 9)


def find_sites(function: str, first: bytes, second: bytes) -> list[Site]:
    """Return the sites, given a function's instructions with the first two sets of offsets. Raises CompileFailed."""
    if len(first) != len(second):
        raise CompileFailed(f"{function}: other offsets give another number of instructions.")
    before, after = _values()[:2]
    steps = {name: after[name] - before[name] for name in _NAMES}
    meaning: dict[int, tuple[str, ...]] = {steps[name]: (name,) for name in _NAMES}
    meaning |= {steps[a] + steps[b]: (a, b) for a, b in itertools.combinations_with_replacement(_NAMES, 2)}
    sites = []
    for at in range(len(first) // 8):
        one, two = (struct.unpack_from("<BBhi", code, 8 * at) for code in (first, second))
        for field, position in (("off", 2), ("imm", 3)):
            if one[position] == two[position]:
                continue
            offsets = meaning.get(two[position] - one[position])
            if offsets is None:
                raise CompileFailed(f"{function}: instruction {at} depends on the offsets in an unknown way.")
            sites.append(Site(at, field, offsets, one[position] - sum(before[name] for name in offsets)))
        if one[:2] != two[:2]:
            raise CompileFailed(f"{function}: instruction {at} is another one with other offsets.")
    return sites


def _variants() -> Iterator[tuple[bool, dict[str, int]]]:
    for group_dead in ({}, {"EXIT_GROUP_DEAD": 1}):
        yield False, group_dead
        for flexible in ({}, {"NUMBERS_FLEXIBLE": 1}):
            yield True, {**flexible, **group_dead}


def _values() -> list[dict[str, int]]:
    """Return four sets of offsets: two to find the sites, two to check them."""
    steps = [8 * number for number in distinct_sums(len(_NAMES))]
    first = {name: 2048 + 128 * index for index, name in enumerate(_NAMES)}
    return [
        first,
        {name: first[name] + step for name, step in zip(_NAMES, steps, strict=True)},
        {name: 8 + 16 * index for index, name in enumerate(reversed(_NAMES))},
        {name: 1024 + 8 * (index * 37 % 101) for index, name in enumerate(_NAMES)},
    ]


def distinct_sums(count: int) -> list[int]:
    """Return `count` numbers of which no two sums of one or two are equal (a Sidon set, greedily)."""
    chosen: list[int] = []
    sums: set[int] = set()
    for number in itertools.count(1):
        new = {number + other for other in chosen} | {number, 2 * number}
        if not new & sums:
            chosen.append(number)
            sums |= new
        if len(chosen) == count:
            break
    return chosen


def _compile(offsets: Mapping[str, int], features: Mapping[str, int], direct: bool) -> Compiled:
    return compile_programs(
        KernelFacts({**features, **offsets, **SIZES}, {}, current_task_typed=True), direct
    )


def _portable(compiled: Compiled) -> dict[str, bytes]:
    """Return the instructions with each descriptor of a map replaced by the map's position in MAPS."""
    numbers = {descriptor: MAPS.index(name) for descriptor, name in compiled.maps.items()}
    return {function: with_maps(code, numbers) for function, code in compiled.instructions.items()}
