"""Offsets out of BTF: what the resolver says is what the compiler did, also where members hide."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from sigtrace.errors import CannotTrace
from sigtrace.live.kernel import btf, syscall
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
