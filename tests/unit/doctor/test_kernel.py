"""What a kernel must have, and what is in the way."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from sigtrace.doctor import kernel as kernel_checks
from sigtrace.errors import CannotTrace
from tests.builders.hosts import a_host, holding

CGROUP_V1 = "31 23 0:28 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n"
CGROUP_V2 = "41 31 0:38 / /sys/fs/cgroup rw shared:4 master:1 - cgroup2 cgroup2 rw\n"
OVERLAY = "1 0 0:2 / / rw - overlay cgroup2 rw\n"


def test_a_refusal_is_blamed_on_what_is_in_the_way() -> None:
    able = holding("BPF", "PERFMON")
    no_capabilities = kernel_checks.bpf_syscall(a_host(array_map_errno=errno.EPERM))
    filtered = kernel_checks.bpf_syscall(a_host(array_map_errno=errno.EPERM, effective=able, seccomp=2))
    secured = kernel_checks.bpf_syscall(a_host(array_map_errno=errno.EPERM, effective=able))
    assert "capabilities that are missing above" in no_capabilities.remedy
    assert "seccomp=unconfined" in filtered.remedy
    assert "AppArmor" in secured.remedy


def test_a_kernel_without_bpf_or_ring_buffer_is_told_apart_from_a_refusal() -> None:
    assert "CONFIG_BPF_SYSCALL" in kernel_checks.bpf_syscall(a_host(array_map_errno=errno.ENOSYS)).remedy
    assert "no BPF ring buffer" in kernel_checks.ring_buffer(a_host(small_ring_errno=errno.EINVAL)).detail
    assert "EPERM" in kernel_checks.ring_buffer(a_host(small_ring_errno=errno.EPERM)).detail


def test_a_memlock_limit_that_is_in_the_way_names_every_way_out() -> None:
    found = kernel_checks.memlock(a_host(maps_errno=errno.EPERM, small_ring_errno=0, memlock=64 << 10))
    assert found.status == "missing"
    assert "64 KiB" in found.detail
    assert all(way in found.remedy for way in ("ulimit -l", "LimitMEMLOCK", "CAP_SYS_RESOURCE"))


def test_a_memlock_limit_that_sigtrace_may_raise_is_no_obstacle() -> None:
    found = kernel_checks.memlock(a_host(maps_errno=errno.EPERM, effective=holding("SYS_RESOURCE")))
    assert found.status == "ok"


def test_a_memlock_limit_that_is_not_charged_is_no_obstacle() -> None:
    assert kernel_checks.memlock(a_host(maps_errno=0, memlock=64 << 10)).status == "ok"


def test_a_kernel_without_btf_is_told_of_the_option(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("sigtrace.live.kernel.btf.VMLINUX", tmp_path / "vmlinux")
    found = kernel_checks.btf(a_host())
    assert found.status == "missing"
    assert "CONFIG_DEBUG_INFO_BTF=y" in found.remedy
    with pytest.raises(CannotTrace):
        _ = a_host().kernel_facts


def test_raw_tracepoints_do_where_btf_programs_cannot() -> None:
    nowhere, everywhere = {"signal_generate": errno.EINVAL}, {"signal_generate": 0}
    found = kernel_checks.tracepoints(a_host(btf_tracepoint_errnos=nowhere, raw_tracepoint_errnos=everywhere))
    assert found.status == "ok"
    assert "raw tracepoints" in found.detail


def test_a_tracepoint_that_is_nowhere_is_named() -> None:
    nowhere = {"signal_generate": 0, "signal_deliver": errno.ENOENT}
    found = kernel_checks.tracepoints(a_host(btf_tracepoint_errnos=nowhere, raw_tracepoint_errnos=nowhere))
    assert found.status == "missing"
    assert "signal_deliver" in found.detail


@pytest.mark.parametrize(
    ("mounts", "layout"),
    [
        (CGROUP_V2, "v2"),
        (CGROUP_V1, "v1"),
        (CGROUP_V1 + CGROUP_V2, "hybrid"),
        (OVERLAY, "none"),
        ("", "none"),
    ],
)
def test_the_cgroup_layout_is_read_from_the_mounts(mounts: str, layout: str) -> None:
    assert kernel_checks.cgroup_layout(mounts) == layout


def test_no_cgroups_is_a_warning_only() -> None:
    assert kernel_checks.cgroups(a_host(mountinfo=OVERLAY)).status == "warning"
