"""What a process may do, and whom to ask for more."""

from __future__ import annotations

import pytest

from sigtrace.doctor import Check, privileges, run_all
from tests.builders.hosts import a_host, holding


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


def test_sys_ptrace_alone_is_told_what_mode_0400_takes() -> None:
    found = privileges.cap_dac_read_search(a_host(in_container=True, effective=holding("SYS_PTRACE")))
    assert found.status == "warning"
    assert "--cap-add DAC_READ_SEARCH" in found.remedy
    assert privileges.cap_dac_read_search(a_host(effective=holding("DAC_OVERRIDE"))).status == "ok"


def test_what_is_kept_once_it_traces_is_said() -> None:
    host = a_host(effective=holding("BPF", "PERFMON"), kept=("SYS_PTRACE", "DAC_READ_SEARCH"))
    assert "keep CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH once" in privileges.least_privilege(host).detail


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
