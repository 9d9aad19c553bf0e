"""What must be installed, and the commands that install it."""

from __future__ import annotations

import pytest

from sigtrace.doctor import software
from sigtrace.doctor.probes import IMPOSTOR
from tests.builders.hosts import a_host

SYSTEM_PYTHON = "/usr/bin/python3"
UNFIT = "S_UPID is 24 on this kernel, and 16 in the programs that were built"


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
    found = software.programs(a_host(bcc_versions={SYSTEM_PYTHON: ""}, package_manager=manager, unfit=UNFIT))
    assert found.status == "missing"
    assert command in found.remedy
    assert "not pip" in found.remedy


def test_the_package_named_bcc_on_pypi_is_recognised() -> None:
    found = software.programs(
        a_host(bcc_versions={SYSTEM_PYTHON: IMPOSTOR}, package_manager="apt-get", unfit=UNFIT)
    )
    assert found.status == "missing"
    assert "pip uninstall bcc" in found.remedy


def test_bcc_is_not_needed_where_the_built_programs_fit() -> None:
    found = software.programs(a_host(bcc_versions={SYSTEM_PYTHON: ""}, unfit=""))
    assert found.status == "ok"
    assert "no compiler is needed" in found.detail


def test_bcc_under_any_interpreter_will_do() -> None:
    found = software.programs(
        a_host(bcc_versions={"/venv/bin/python": "", SYSTEM_PYTHON: "0.26.0"}, unfit=UNFIT)
    )
    assert found.status == "warning"
    assert found.detail == f"{UNFIT}; bcc 0.26.0 under /usr/bin/python3 compiles them at each start"
