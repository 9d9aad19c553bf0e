"""All checks together: one that breaks is alone, only the self-test decides, and a remedy comes with what is amiss."""

from __future__ import annotations

import errno

from sigtrace.doctor import CHECKS, Check, Host, privileges, run_all, tracing_works
from tests.builders.hosts import a_host


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
        maps_errno=errno.EINVAL,
        btf_tracepoint_errnos={"signal_generate": errno.ENOENT},
        raw_tracepoint_errnos={"signal_generate": errno.ENOENT},
        bcc_versions={},
        unfit="S_UPID is 24",
        mountinfo="",
        seccomp=2,
        lockdown="[confidentiality]",
        pid_namespace=1,
        user_namespace=1,
    )
    found = [check for check in run_all(CHECKS[:-1], hopeless) if check.status != "ok"]
    assert len(found) >= 11
    assert [check.name for check in found if not check.remedy or "failed" in check.detail] == []
