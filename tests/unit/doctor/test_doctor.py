"""Each check on its own, on hosts that do not exist: what it says, and what it tells people to do."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from sigtrace.doctor import CHECKS, Check, Host, privileges, run_all, software, tracing_works
from sigtrace.doctor import kernel as kernel_checks
from sigtrace.doctor.host import CAPABILITIES, INITIAL_PID_NS, INITIAL_USER_NS, parse_status
from sigtrace.doctor.probes import IMPOSTOR
from sigtrace.errors import CannotTrace

CGROUP_V1 = "31 23 0:28 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n"
CGROUP_V2 = "41 31 0:38 / /sys/fs/cgroup rw shared:4 master:1 - cgroup2 cgroup2 rw\n"
OVERLAY = "1 0 0:2 / / rw - overlay cgroup2 rw\n"
SYSTEM_PYTHON = "/usr/bin/python3"


def holding(*capabilities: str) -> int:
    """An effective set of exactly these capabilities."""
    return sum(1 << CAPABILITIES[name] for name in capabilities)


def a_host(**facts: object) -> Host:
    """The host of a plain user on the bare machine, but for the facts given."""
    plain = {
        "uid": 1000,
        "effective": 0,
        "last_capability": 40,
        "seccomp": 0,
        "pid_namespace": INITIAL_PID_NS,
        "user_namespace": INITIAL_USER_NS,
        "in_container": False,
        "memlock": 8 << 20,
    }
    return Host(**{**plain, **facts})


def test_a_fact_that_does_not_exist_is_refused() -> None:
    with pytest.raises(TypeError, match="colour"):
        Host(colour="blue")


def test_capabilities_are_read_as_the_kernel_writes_them() -> None:
    host = Host(status=parse_status("Name:\tx: y\nCapEff:\t000000c000080000\nSeccomp:\t2\n"))
    assert [name for name in CAPABILITIES if host.has(name)] == ["SYS_PTRACE", "PERFMON", "BPF"]
    assert host.status["Name"] == "x: y"
    assert host.seccomp == 2


@pytest.mark.parametrize("check", [privileges.cap_bpf, privileges.cap_perfmon])
def test_a_user_without_capabilities_is_told_to_use_sudo(check: privileges.Checker) -> None:
    found = check(a_host())
    assert (found.status, found.remedy) == ("missing", "run it as root: sudo sigtrace doctor")


@pytest.mark.parametrize("capability", ["BPF", "PERFMON"])
def test_a_container_is_told_which_cap_add_it_lacks(capability: str) -> None:
    others = holding(*{"BPF", "PERFMON"} - {capability})
    found = {
        check.name: check
        for check in run_all(privileges.PRIVILEGES, a_host(uid=0, in_container=True, effective=others))
    }
    assert [name for name, check in found.items() if check.status == "missing"] == [
        f"cap-{capability.lower()}"
    ]
    assert f"--cap-add {capability} " in found[f"cap-{capability.lower()}"].remedy


def test_root_stripped_of_a_capability_is_told_who_took_it() -> None:
    found = privileges.cap_bpf(a_host(uid=0))
    assert found.status == "missing"
    assert found.remedy.startswith("root without CAP_BPF")
    assert "CapabilityBoundingSet" in found.remedy


def test_sys_admin_stands_for_bpf_and_perfmon() -> None:
    host = a_host(effective=holding("SYS_ADMIN"))
    assert host.may_bpf()
    assert privileges.cap_bpf(host).status == privileges.cap_perfmon(host).status == "ok"


def test_bpf_and_perfmon_do_without_sys_admin() -> None:
    host = a_host(effective=holding("BPF", "PERFMON"))
    assert host.may_bpf()
    assert privileges.cap_sys_admin(host).status == "ok"


def test_a_kernel_that_has_no_cap_bpf_asks_for_sys_admin() -> None:
    old = a_host(last_capability=37, in_container=True)
    assert privileges.cap_bpf(old).status == "ok"
    found = privileges.cap_sys_admin(old)
    assert found.status == "missing"
    assert "--cap-add SYS_ADMIN" in found.remedy


def test_without_sys_ptrace_tracing_goes_on_but_other_users_stay_unseen() -> None:
    found = privileges.cap_sys_ptrace(a_host(in_container=True))
    assert found.status == "warning"
    assert "--cap-add SYS_PTRACE" in found.remedy


def test_a_child_pid_namespace_is_told_of_pid_host() -> None:
    found = privileges.pid_namespace(a_host(pid_namespace=4026532249))
    assert found.status == "warning"
    assert "pid:[4026532249]" in found.detail
    assert "--pid=host" in found.remedy
    assert "hostPID: true" in found.remedy


def test_a_child_user_namespace_cannot_trace_whatever_it_holds() -> None:
    found = privileges.user_namespace(a_host(user_namespace=4026532250, effective=holding("SYS_ADMIN")))
    assert found.status == "missing"
    assert "host's root" in found.remedy


def test_lockdown_matters_only_in_confidentiality_mode() -> None:
    assert privileges.lockdown(a_host(lockdown="none integrity [confidentiality]")).status == "missing"
    assert privileges.lockdown(a_host(lockdown="none [integrity] confidentiality")) == Check(
        "lockdown", "ok", "integrity"
    )
    assert privileges.lockdown(a_host(lockdown="")) == Check("lockdown", "ok", "not in this kernel")


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
    found = kernel_checks.memlock(
        a_host(default_ring_errno=errno.EPERM, small_ring_errno=0, memlock=64 << 10)
    )
    assert found.status == "missing"
    assert "64 KiB" in found.detail
    assert all(way in found.remedy for way in ("ulimit -l", "LimitMEMLOCK", "CAP_SYS_RESOURCE"))


def test_a_memlock_limit_that_sigtrace_may_raise_is_no_obstacle() -> None:
    found = kernel_checks.memlock(a_host(default_ring_errno=errno.EPERM, effective=holding("SYS_RESOURCE")))
    assert found.status == "ok"


def test_a_memlock_limit_that_is_not_charged_is_no_obstacle() -> None:
    assert kernel_checks.memlock(a_host(default_ring_errno=0, memlock=64 << 10)).status == "ok"


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


@pytest.mark.parametrize(
    ("manager", "command"),
    [
        ("apt-get", "apt install python3-bpfcc"),
        ("dnf", "dnf install python3-bcc"),
        ("pacman", "pacman -S python-bcc"),
        ("zypper", "zypper install python3-bcc"),
        ("apk", "apk add py3-bcc"),
        ("", "install your distribution's"),
    ],
)
def test_missing_bcc_comes_with_the_distribution_s_own_command(manager: str, command: str) -> None:
    found = software.bcc(a_host(bcc_versions={SYSTEM_PYTHON: ""}, package_manager=manager, cached=False))
    assert found.status == "missing"
    assert command in found.remedy
    assert "not pip" in found.remedy


def test_the_package_named_bcc_on_pypi_is_recognised() -> None:
    found = software.bcc(
        a_host(bcc_versions={SYSTEM_PYTHON: IMPOSTOR}, package_manager="apt-get", cached=False)
    )
    assert found.status == "missing"
    assert "pip uninstall bcc" in found.remedy


def test_bcc_is_not_needed_while_the_cache_serves_this_kernel() -> None:
    found = software.bcc(a_host(bcc_versions={SYSTEM_PYTHON: ""}, package_manager="apt-get", cached=True))
    assert found.status == "warning"
    assert "apt install python3-bpfcc" in found.remedy


def test_bcc_under_any_interpreter_will_do() -> None:
    found = software.bcc(a_host(bcc_versions={"/venv/bin/python": "", SYSTEM_PYTHON: "0.26.0"}))
    assert found == Check("bcc", "ok", "0.26.0 under /usr/bin/python3")


def test_a_cache_open_to_others_is_reported(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    (tmp_path / "sigtrace").mkdir()
    (tmp_path / "sigtrace").chmod(0o777)
    found = software.compiled_cache(a_host())
    assert found.status == "warning"
    assert "777" in found.detail
    assert str(tmp_path / "sigtrace") in found.detail
    assert "XDG_CACHE_HOME" in found.remedy


def test_a_check_that_breaks_is_reported_and_the_rest_go_on() -> None:
    def broken(host: Host) -> Check:
        raise ZeroDivisionError("oh")

    found = list(run_all([broken, privileges.lockdown], a_host(lockdown="")))
    assert [check.name for check in found] == ["broken", "lockdown"]
    assert found[0].status == "warning"
    assert "ZeroDivisionError: oh" in found[0].detail
    assert found[1].status == "ok"


def test_only_the_self_test_decides() -> None:
    assert tracing_works([Check("bcc", "missing", ""), Check("tracing", "ok", "")])
    assert not tracing_works([Check("bcc", "ok", ""), Check("tracing", "missing", "")])
    assert not tracing_works([Check("bcc", "ok", "")])
    assert CHECKS[-1].__name__ == "tracing"


def test_whatever_is_not_ok_comes_with_a_remedy() -> None:
    hopeless = a_host(
        array_map_errno=errno.ENOSYS,
        small_ring_errno=errno.EINVAL,
        default_ring_errno=errno.EINVAL,
        btf_tracepoint_errnos={"signal_generate": errno.ENOENT},
        raw_tracepoint_errnos={"signal_generate": errno.ENOENT},
        bcc_versions={},
        cached=False,
        cache_complaint="not ours",
        mountinfo="",
        seccomp=2,
        lockdown="[confidentiality]",
        pid_namespace=1,
        user_namespace=1,
    )
    found = [check for check in run_all(CHECKS[:-1], hopeless) if check.status != "ok"]
    assert len(found) >= 11
    assert [check.name for check in found if not check.remedy or "failed" in check.detail] == []
