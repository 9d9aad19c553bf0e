"""`sigtrace doctor` as people run it: as root, as nobody, and as root short of one capability or another."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import require
from tests.patience import patient

ROOT = Path(__file__).parents[2]
KEYS = ["name", "status", "detail", "remedy"]


def doctor(*arguments: str, under: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own, under whatever takes privileges away."""
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "PYTHONDONTWRITEBYTECODE": "1",
        "COLUMNS": "80",
    }
    command = [*under, sys.executable, "-m", "sigtrace", "doctor", *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, env=environment, timeout=patient(60), check=False
    )


def _without_bcc() -> tuple[str, ...]:
    """Runs a command where something empty lies over bcc's directory."""
    hide = ("sh", "-c", 'mount -t tmpfs none "$0" && exec "$@"')
    return ("unshare", "--mount", *hide, str(_bcc_directory()))


def by_name(answer: subprocess.CompletedProcess[str]) -> dict[str, dict[str, str]]:
    """The rows of `--format json`, by name."""
    return {row["name"]: row for row in map(json.loads, answer.stdout.splitlines())}


@pytest.mark.kernel
def test_a_host_that_can_trace_exits_0_and_says_so() -> None:
    answer = doctor()
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert answer.stdout.endswith("\nThis host can trace.\n")
    assert answer.stderr == ""
    assert max(map(len, answer.stdout.splitlines())) <= 80
    assert "\x1b" not in answer.stdout


@pytest.mark.kernel
def test_json_has_one_line_a_check_with_stable_keys() -> None:
    answer = doctor("--format", "json")
    rows = [json.loads(line) for line in answer.stdout.splitlines()]
    assert answer.returncode == 0
    assert all(list(row) == KEYS for row in rows)
    assert [row["name"] for row in rows] == [
        *("cap-bpf", "cap-perfmon", "cap-sys-admin", "cap-sys-ptrace", "cap-dac-read-search"),
        *("cap-sys-resource", "least-privilege", "pid-namespace"),
        *("user-namespace", "seccomp", "lockdown", "sysctls"),
        *("bpf-syscall", "ring-buffer", "memlock", "btf", "tracepoints", "tracefs", "cgroups"),
        *("cpu", "programs", "tracing"),
    ]
    assert rows[-1]["status"] == "ok"


@pytest.mark.kernel
def test_a_host_without_bcc_traces_with_the_built_programs_and_says_by_which_method() -> None:
    answer = doctor("--format", "json", under=_without_bcc())
    rows = by_name(answer)
    assert answer.returncode == 0, answer.stdout
    assert (rows["programs"]["status"], rows["programs"]["remedy"]) == ("ok", "")
    assert "attached to BTF tracepoints" in rows["tracing"]["detail"]


@pytest.mark.kernel
def test_without_btf_each_check_that_needs_it_says_so() -> None:
    hide = ("sh", "-c", 'mount -t tmpfs none "$0" && exec "$@"')
    answer = doctor("--format", "json", under=("unshare", "--mount", *hide, "/sys/kernel/btf"))
    rows = by_name(answer)
    assert answer.returncode == 1
    assert [name for name, row in rows.items() if "the check itself failed" in row["detail"]] == []
    for name in ("btf", "tracepoints", "programs", "tracing"):
        assert rows[name]["status"] == "missing"
        assert rows[name]["detail"].startswith("this kernel has no BTF")


@pytest.mark.kernel
@pytest.mark.parametrize("capability", ["bpf", "perfmon"])
def test_root_without_one_of_the_two_capabilities_is_told_which(capability: str) -> None:
    left = ",".join(
        ("-all", *(f"+{name}" for name in ("bpf", "perfmon", "sys_ptrace") if name != capability))
    )
    answer = doctor("--format", "json", under=("setpriv", f"--bounding-set={left}", f"--inh-caps={left}"))
    rows = by_name(answer)
    assert answer.returncode == 1
    lacking = [name for name, row in rows.items() if name.startswith("cap-") and row["status"] == "missing"]
    assert lacking == [f"cap-{capability}"]
    assert rows["tracing"]["status"] == "missing"
    assert answer.stderr == ""


@pytest.mark.kernel
def test_bpf_and_perfmon_are_enough_to_trace() -> None:
    left = "-all,+bpf,+perfmon,+dac_override"
    answer = doctor("--format", "json", under=("setpriv", f"--bounding-set={left}", f"--inh-caps={left}"))
    rows = by_name(answer)
    assert answer.returncode == 0, answer.stdout
    assert rows["cap-sys-admin"]["status"] == "ok"
    assert rows["cap-sys-ptrace"]["status"] == "warning"


@pytest.mark.kernel
def test_a_child_pid_namespace_can_trace_and_is_told_of_the_host_s() -> None:
    answer = doctor("--format", "json", under=("unshare", "--pid", "--fork", "--mount-proc"))
    rows = by_name(answer)
    assert answer.returncode == 0, answer.stdout
    assert "--pid=host" in rows["pid-namespace"]["remedy"]


@pytest.mark.kernel
def test_a_child_user_namespace_cannot_trace_and_is_told_why() -> None:
    answer = doctor("--format", "json", under=("unshare", "--user", "--map-root-user"))
    assert answer.returncode == 1
    assert by_name(answer)["user-namespace"]["status"] == "missing"
    assert "Traceback" not in answer.stderr


def test_nobody_is_told_to_use_sudo_without_a_traceback() -> None:
    under = _as_nobody()
    answer = doctor(under=under)
    rows = by_name(doctor("--format", "json", under=under))
    assert answer.returncode == 1
    assert "This host cannot trace as things are." in answer.stdout
    assert "sudo sigtrace doctor" in answer.stdout
    assert max(map(len, answer.stdout.splitlines())) <= 80
    assert "Traceback" not in answer.stdout + answer.stderr
    assert (
        rows["cap-bpf"]["status"] == rows["cap-perfmon"]["status"] == rows["tracing"]["status"] == "missing"
    )
    assert [name for name, row in rows.items() if "the check itself failed" in row["detail"]] == []


def _as_nobody() -> tuple[str, ...]:
    """What turns root into nobody, who may still read where the interpreter lives; nothing for others."""
    if os.geteuid() != 0:
        return ()
    nobody = pwd.getpwnam("nobody")
    ids = (f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups")
    return ("setpriv", *ids, "--inh-caps=-all,+dac_read_search", "--ambient-caps=-all,+dac_read_search")


def _bcc_directory() -> Path:
    """Where the system's Python has bcc."""
    python = shutil.which("python3", path="/usr/bin")
    require(python, "kernel", "no /usr/bin/python3")
    show = "import bcc, os; print(os.path.dirname(bcc.__file__))"
    found = subprocess.run([str(python), "-I", "-c", show], capture_output=True, text=True, check=False)
    require(found.returncode == 0, "kernel", "the system's Python has no bcc")
    return Path(found.stdout.strip())
