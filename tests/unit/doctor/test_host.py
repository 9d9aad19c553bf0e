"""What a host says of itself."""

from __future__ import annotations

import pytest

from sigtrace.doctor import Host
from sigtrace.doctor.host import parse_status
from sigtrace.live.privileges import NUMBERS


def test_a_fact_that_does_not_exist_is_refused() -> None:
    with pytest.raises(TypeError, match="colour"):
        Host(colour="blue")


def test_capabilities_are_read_as_the_kernel_writes_them() -> None:
    host = Host(status=parse_status("Name:\tx: y\nCapEff:\t000000c000080000\nSeccomp:\t2\n"))
    assert [name for name in NUMBERS if host.has(name)] == ["SYS_PTRACE", "PERFMON", "BPF"]
    assert host.status["Name"] == "x: y"
    assert host.seccomp == 2
