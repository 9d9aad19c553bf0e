"""The programs built in advance: made from these sources, and adapted to a kernel's offsets."""

from __future__ import annotations

import json
import struct
import zlib
from pathlib import Path

import pytest

from sigtrace.errors import CompileFailed
from sigtrace.live.kernel import build, built
from sigtrace.live.kernel.btf import OFFSETS, TRACEPOINTS, KernelFacts
from sigtrace.live.kernel.built import Site, Unfit, placed
from sigtrace.live.kernel.compile import source_digest

LOAD, ADD = 0x79, 0x07
NAMES = [name for name, _, _ in OFFSETS]
FACTS = KernelFacts({**{name: 8 * at for at, name in enumerate(NAMES)}, **build.SIZES}, {}, True)


def instruction(code: int, off: int = 0, imm: int = 0) -> bytes:
    return struct.pack("<BBhi", code, 0x21, off, imm)


def test_the_built_programs_were_made_from_these_sources() -> None:
    assert built.contents()["sources"] == source_digest(), (
        "the programs or offsets changed: run `make programs`"
    )


@pytest.mark.parametrize("direct", [True, False])
@pytest.mark.parametrize(
    "features", [(), ("NUMBERS_FLEXIBLE",), ("EXIT_GROUP_DEAD",), ("NUMBERS_FLEXIBLE", "EXIT_GROUP_DEAD")]
)
def test_every_kind_of_kernel_has_its_programs(direct: bool, features: tuple[str, ...]) -> None:
    facts = KernelFacts({**FACTS.macros, **dict.fromkeys(features, 1)}, {}, True)
    assert list(built.programs(facts, direct).instructions) == list(TRACEPOINTS)


def test_an_offset_is_put_where_the_compiler_would_put_it() -> None:
    code = instruction(LOAD) + instruction(ADD) + instruction(LOAD, 5, 7)
    sites = [Site(0, "off", ("A",), 8), Site(1, "imm", ("A", "B"), -1)]
    assert placed(code, sites, {"A": 16, "B": 300}) == (
        instruction(LOAD, 24) + instruction(ADD, 0, 315) + instruction(LOAD, 5, 7)
    )


def test_an_offset_that_does_not_fit_the_instruction_is_refused() -> None:
    with pytest.raises(Unfit, match="A is 40000 on this kernel"):
        placed(instruction(LOAD), [Site(0, "off", ("A",), 0)], {"A": 40000})


def test_a_kernel_with_another_size_of_a_multiplied_struct_is_refused() -> None:
    with pytest.raises(Unfit, match="S_UPID is 24 on this kernel, and 16"):
        built.programs(KernelFacts({**FACTS.macros, "S_UPID": 24}, {}, True), True)


def test_programs_built_from_other_sources_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(built, "source_digest", lambda: "another")
    with pytest.raises(Unfit, match="make programs"):
        built.programs(FACTS, True)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"x",
        Path(built.FILE).read_bytes()[:1000],
        zlib.compress(b"[" * 200_000),
        zlib.compress(b"[1, 2]"),
        zlib.compress(json.dumps({"sources": source_digest(), "sizes": {}}).encode()),
        zlib.compress(json.dumps({**built.contents(), "programs": []}).encode()),
        zlib.compress(json.dumps({**built.contents(), "programs": [["zz", []]] * 100}).encode()),
    ],
)
def test_a_damaged_file_of_programs_is_unfit(
    content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    damaged = tmp_path / "programs.bin"
    damaged.write_bytes(content)
    monkeypatch.setattr(built, "FILE", damaged)
    built.contents.cache_clear()
    try:
        with pytest.raises(Unfit, match=r"programs\.bin of this installation is missing or damaged"):
            built.programs(FACTS, True)
    finally:
        built.contents.cache_clear()


def test_no_two_sums_of_the_steps_are_equal() -> None:
    steps = build.distinct_sums(40)
    sums = [a + b for at, a in enumerate(steps) for b in steps[at:]]
    assert len({*sums, *steps}) == len(sums) + len(steps)


def _with(values: dict[str, int], *parts: tuple[int, str, tuple[str, ...], int]) -> bytes:
    code = b""
    for kind, field, names, addend in parts:
        code += instruction(kind, **{field: sum(values[name] for name in names) + addend})
    return code


def test_the_sites_are_found_by_comparing_two_compilations() -> None:
    first, second = build._values()[:2]
    parts = (
        (LOAD, "off", ("O_TASK_COMM",), 8),
        (ADD, "imm", ("O_PID_NUMBERS", "O_UPID_NS"), 16),
        (ADD, "imm", (), 9),
    )
    assert build.find_sites("f", _with(first, *parts), _with(second, *parts)) == [
        Site(0, "off", ("O_TASK_COMM",), 8),
        Site(1, "imm", ("O_PID_NUMBERS", "O_UPID_NS"), 16),
    ]


@pytest.mark.parametrize(
    ("one", "other", "complaint"),
    [
        (instruction(LOAD), instruction(LOAD) * 2, "another number of instructions"),
        (instruction(LOAD), instruction(LOAD, 3), "in an unknown way"),
        (instruction(LOAD), instruction(ADD), "is another one"),
    ],
)
def test_what_the_offsets_do_not_explain_fails_the_build(one: bytes, other: bytes, complaint: str) -> None:
    with pytest.raises(CompileFailed, match=complaint):
        build.find_sites("f", one, other)
