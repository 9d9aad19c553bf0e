"""The header is the wire format: what Python makes of it is what a C compiler makes of it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from sigtrace.events import wire
from tests.conftest import require

_STRUCTS = {
    "sigtrace_event": wire.EVENT,
    "sigtrace_count_key": wire.COUNT_KEY,
    "sigtrace_cpu": wire.CPU,
    "sigtrace_config": wire.CONFIG,
    "sigtrace_ns_filter": wire.NS_FILTER,
}
_ENUMS = (
    ("STAGE", wire.STAGE),
    ("DISPOSITION", wire.DISPOSITION),
    ("RELATION", wire.RELATION),
    ("FLAG", wire.FLAG),
    ("SCOPE", wire.SCOPE),
)
_TYPES = "".join(
    f"typedef {sign} {kind} __{letter}{bits};\n"
    for bits, kind in ((8, "char"), (16, "short"), (32, "int"), (64, "long long"))
    for letter, sign in (("u", "unsigned"), ("s", "signed"))
)


@pytest.fixture(scope="module")
def as_compiled(tmp_path_factory: pytest.TempPathFactory) -> dict[str, int]:
    """`struct` -> size, `struct.member` -> offset and `ENUMERATOR` -> value, as gcc lays the header out."""
    require(shutil.which("gcc"), "kernel", "gcc is not installed")
    enumerators = [f"{prefix}_{name.upper() or 'NONE'}" for prefix, enum in _ENUMS for name in enum]
    lines = [f'printf("{name} %d\\n", {name});' for name in enumerators]
    for name, layout in _STRUCTS.items():
        lines.append(f'printf("{name} %zu\\n", sizeof(struct {name}));')
        lines += [
            f'printf("{name}.{member} %zu\\n", offsetof(struct {name}, {member}));'
            for member, _, _ in layout.members
        ]
    tmp: Path = tmp_path_factory.mktemp("layout")
    text = f"#include <stdio.h>\n#include <stddef.h>\n{_TYPES}{wire.HEADER}\nint main(void) {{ {''.join(lines)} }}\n"
    (tmp / "layout.c").write_text(text)
    subprocess.run(["gcc", "-o", tmp / "layout", tmp / "layout.c"], check=True)
    out = subprocess.run([tmp / "layout"], check=True, capture_output=True, text=True).stdout
    return {name: int(value) for name, value in (line.split() for line in out.splitlines())}


@pytest.mark.parametrize("name", _STRUCTS)
def test_every_member_lies_where_the_compiler_puts_it(name: str, as_compiled: dict[str, int]) -> None:
    dtype = _STRUCTS[name].dtype()
    assert dtype.fields is not None
    assert dtype.itemsize == _STRUCTS[name].size == as_compiled[name]
    assert {member: offset for member, (_, offset, *_) in dtype.fields.items()} == {
        key.partition(".")[2]: offset for key, offset in as_compiled.items() if key.startswith(f"{name}.")
    }


def test_every_name_stands_for_the_number_the_compiler_gives_it(as_compiled: dict[str, int]) -> None:
    for prefix, enum in _ENUMS:
        for name, number in enum.items():
            assert as_compiled[f"{prefix}_{name.upper() or 'NONE'}"] == number


def test_a_record_fills_whole_words_so_that_the_ring_holds_records_back_to_back() -> None:
    assert wire.EVENT.size % 8 == 0


@pytest.mark.parametrize("layout", [wire.EVENT, wire.COUNT_KEY])
def test_the_facts_of_a_verdict_follow_each_other(layout: wire.Layout) -> None:
    names = [member for member, _, _ in layout.members]
    facts = ["stage", "signal", "result", "disposition", "relation", "flags"]
    first = names.index("stage")
    assert names[first : first + 6] == facts


def test_packed_members_come_back() -> None:
    raw = wire.CONFIG.pack(
        signals=5, harmless=7, wake_ns=9, scope=2, ns_filter=1, announce=1, budget=4, window=3
    )
    assert np.frombuffer(raw, wire.CONFIG.dtype()).tolist() == [(5, 7, 9, 2, 1, 1, 4, 3)]


def test_the_counters_have_one_for_each_stage() -> None:
    assert wire.CPU.dtype()["committed"].shape == (len(wire.STAGE),)
