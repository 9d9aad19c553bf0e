"""Which processors numpy and pyarrow cannot run on."""

from __future__ import annotations

import platform
import subprocess
import sys
from pathlib import Path

import pytest

from sigtrace import cpu
from sigtrace.errors import CannotTrace

QEMU64 = "cpu:type:x86,ven0002fam000Fmod006B:feature:,0000,0002,0003,0068,0080,008D,00C0\n"
NEHALEM = "cpu:type:x86,ven0000fam0006mod001A:feature:,0000,0080,0089,008D,0093,0094,0097,00C0\n"


def test_the_instructions_that_wheels_need_are_looked_for_by_number() -> None:
    assert cpu.lacks(QEMU64) == ["SSSE3", "SSE4.1", "SSE4.2", "POPCNT"]
    assert cpu.lacks(NEHALEM) == []


@pytest.mark.parametrize("text", ["", "cpu:type:aarch64:feature:", "cpu:type:x86"])
def test_where_nothing_is_told_nothing_is_refused(text: str) -> None:
    assert cpu.lacks(text) == []


def test_the_tests_run_on_a_processor_that_numpy_runs_on() -> None:
    assert cpu.problem() == ""


def test_on_another_machine_or_without_sysfs_nothing_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(cpu, "MODALIAS", tmp_path / "nothing")
    assert cpu.problem() == ""
    (tmp_path / "modalias").write_text(QEMU64)
    monkeypatch.setattr(cpu, "MODALIAS", tmp_path / "modalias")
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    cpu.require()
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    with pytest.raises(
        CannotTrace, match=r"no SSSE3, SSE4\.1, SSE4\.2, POPCNT, which numpy and pyarrow need: use"
    ):
        cpu.require()


@pytest.mark.parametrize(
    ("use", "said"),
    [
        (
            "from sigtrace.cli import main; sys.argv[1:] = ['watch']; main()",
            "sigtrace: this CPU has no SSSE3",
        ),
        (
            "from sigtrace.cli import main; sys.argv[1:] = ['summary', '/']; main()",
            "sigtrace: this CPU has no SSSE3",
        ),
        ("import sigtrace; sigtrace.Collector", "sigtrace.errors.CannotTrace: this CPU has no SSSE3"),
        ("import sigtrace; sigtrace.scan; print('scan', file=sys.stderr)", "scan"),
    ],
)
def test_it_is_said_before_numpy_is_imported(tmp_path: Path, use: str, said: str) -> None:
    (tmp_path / "modalias").write_text(QEMU64)
    program = (
        f"import sys, pathlib, platform; platform.machine = lambda: 'x86_64'; from sigtrace import cpu; "
        f"cpu.MODALIAS = pathlib.Path({str(tmp_path / 'modalias')!r}); sys.modules['numpy'] = None; {use}"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.stderr.splitlines()[-1].startswith(said)
