"""Offsets out of BTF: what the resolver says is what the compiler did, also where members hide."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from sigtrace.errors import CannotTrace
from sigtrace.live.kernel import btf, syscall
from tests.builders.btf import Blob, kernel
from tests.builders.steps import counting
from tests.conftest import require

_SOURCE = """
#include <stddef.h>
#include <stdio.h>
typedef struct { int counter; } atomic_t;
struct ns_common { long ops; unsigned inum; };
struct outer {
    char first;
    union { struct { short deep; const volatile atomic_t live; }; long other; };
    unsigned bits : 3, more : 5;
    struct ns_common ns;
    struct upid { int nr; void *ns; } numbers[];
};
enum bpf_func_id { BPF_FUNC_one, BPF_FUNC_two };
typedef void (*btf_trace_thing)(void *, struct outer *, int);
struct outer *keep; btf_trace_thing trace; enum bpf_func_id id;
int main(void) {
    printf("deep %zu\\nlive %zu\\nns.inum %zu\\nnumbers %zu\\n", offsetof(struct outer, deep),
           offsetof(struct outer, live), offsetof(struct outer, ns.inum), offsetof(struct outer, numbers));
}
"""


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> tuple[btf.Btf, dict[str, int]]:
    """The BTF that gcc made of _SOURCE, and the offsets that the program itself prints."""
    require(shutil.which("gcc") and shutil.which("objcopy"), "kernel", "gcc and objcopy are not installed")
    tmp: Path = tmp_path_factory.mktemp("btf")
    (tmp / "it.c").write_text(_SOURCE)
    subprocess.run(["gcc", "-gbtf", "-o", tmp / "it", tmp / "it.c"], check=True)
    subprocess.run(["objcopy", "--dump-section", f".BTF={tmp / 'blob'}", tmp / "it"], check=True)
    said = subprocess.run([tmp / "it"], check=True, capture_output=True, text=True).stdout
    return btf.Btf((tmp / "blob").read_bytes()), {
        name: int(offset) for name, offset in (line.split() for line in said.splitlines())
    }


def test_members_are_found_where_the_compiler_put_them(compiled: tuple[btf.Btf, dict[str, int]]) -> None:
    types, offsets = compiled
    assert offsets  # deep and live hide in an anonymous struct inside an anonymous union
    assert {path: types.offset("outer", path) for path in offsets} == offsets


def test_what_is_not_there_is_none(compiled: tuple[btf.Btf, dict[str, int]]) -> None:
    types, _ = compiled
    assert types.offset("outer", "absent") is None
    assert types.offset("nobody", "pid") is None
    assert types.offset("outer", "first.absent") is None
    assert types.size("nobody") is None
    assert types.typedef_id("btf_trace_absent") is None
    assert types.arguments("btf_trace_absent") is None
    assert not types.enumerates("bpf_func_id", "BPF_FUNC_three")


def test_features_are_read_from_types(compiled: tuple[btf.Btf, dict[str, int]]) -> None:
    types, _ = compiled
    assert types.enumerates("bpf_func_id", "BPF_FUNC_two")
    assert types.arguments("btf_trace_thing") == 3
    assert types.array_length("outer", "numbers") == 0
    assert types.array_length("outer", "ns") is None
    assert types.size("upid") == 16


@pytest.mark.parametrize("blob", [b"", b"\x7fELF" + bytes(40), b"\x9f\xeb"])
def test_what_is_no_btf_is_refused_in_a_sentence(blob: bytes) -> None:
    with pytest.raises(CannotTrace, match="BTF"):
        btf.Btf(blob)


@pytest.mark.parametrize(("listed", "count"), [("0", 1), ("0-3\n", 4), ("0,2-5", 5), ("0-1,4-5,9", 5)])
def test_possible_cpus_are_counted_not_numbered(listed: str, count: int) -> None:
    assert syscall.count_cpus(listed) == count


def test_a_missing_member_is_named(compiled: tuple[btf.Btf, dict[str, int]]) -> None:
    with pytest.raises(CannotTrace, match="struct task_struct has no member pid"):
        btf.kernel_facts(compiled[0])


def test_a_kernel_without_btf_is_told_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(btf, "VMLINUX", tmp_path / "vmlinux")
    with pytest.raises(CannotTrace, match="CONFIG_DEBUG_INFO_BTF"):
        btf.read_vmlinux()


def test_all_that_the_programs_need_is_found_in_one_blob() -> None:
    facts = btf.kernel_facts(btf.Btf(kernel()))
    assert {macro for macro, _, _ in btf.OFFSETS} <= set(facts.macros)
    assert set(facts.tracepoint_ids) == set(btf.TRACEPOINTS)
    assert facts.current_task_typed
    assert facts.macros["EXIT_GROUP_DEAD"] == 1


def _circle(kind: int) -> bytes:
    """A task_struct whose first member has a type that leads to itself."""
    blob = Blob()
    members = ((0, 2, 0),) if kind in (4, 5) else ()
    blob.add("task_struct", 4, 8, ((0, 2, 0),))
    blob.add("", kind, 2, members)
    blob.name("pid")
    return blob.bytes()


def _many() -> bytes:
    """Structs without a name, each with many members of the next one's type: twice as deep is a thousand times more."""
    blob = Blob()
    blob.add("task_struct", 4, 8, ((0, 2, 0),) * 1000)
    for identity in range(2, 12):
        blob.add("", 4, 8, ((0, identity + 1, 0),) * 1000)
    blob.name("pid")
    return blob.bytes()


def _without_ends() -> bytes:
    """A struct of many members whose names are one long text."""
    blob = Blob()
    blob.add("task_struct", 4, 8, tuple((start, 1, 0) for start in range(13, 60_013)))
    blob.name("pid")
    return blob.bytes() + b"x" * 1_000_000


DAMAGED = {
    "types cut": kernel()[:200],
    "no multiple of 4": kernel()[:201],
    "header only": kernel()[:24],
    "lengths beyond the end": kernel()[:12] + b"\xff" * 12 + kernel()[24:],
    "no strings": kernel()[:16] + b"\xff\xff\xff\x7f" + kernel()[20:],
    "a typedef of itself": _circle(8),
    "a struct in itself": _circle(4),
    "a union in itself": _circle(5),
    "many in many": _many(),
    "names without an end": _without_ends(),
    "ones": kernel()[:24] + b"\xff" * 5000,
}


@pytest.mark.parametrize("blob", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_blob_is_one_sentence(blob: bytes) -> None:
    with counting() as steps, pytest.raises(CannotTrace, match="sigtrace does not know"):
        btf.kernel_facts(btf.Btf(blob))
    assert steps.count < 2_000_000
