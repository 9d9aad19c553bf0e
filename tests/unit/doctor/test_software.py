"""What must be installed, and the commands that install it."""

from __future__ import annotations

from pathlib import Path

import pytest

from sigtrace.doctor import Check, software
from sigtrace.doctor.probes import IMPOSTOR
from tests.builders.hosts import a_host

SYSTEM_PYTHON = "/usr/bin/python3"


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
