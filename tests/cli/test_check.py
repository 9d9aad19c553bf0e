"""`sigtrace check`: complete output, and that nothing is left of what it ran."""

from __future__ import annotations

import contextlib
import json
import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.commands import COMMAND, NOBODY, sigtrace
from tests.conftest import require
from tests.patience import patient
from tests.processes import children

ORDERLY = """import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
print("ready", flush=True)
while True: time.sleep(1000)"""
PYTHON = (sys.executable, "-c")


def check(*words: str, under: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*under, *COMMAND, "check", *words], capture_output=True, text=True, check=False)


def of(*words: str) -> tuple[int, Mapping[str, object]]:
    """The exit code, and the only line of JSON."""
    done = check("--format", "json", *words)
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def slugs(row: Mapping[str, object]) -> list[str]:
    problems = row["problems"]
    assert isinstance(problems, list)
    return [problem["check"] for problem in problems]


def plain(text: str) -> str:
    """Without what differs from run to run."""
    text = re.sub(r"\[\d+\]", "[7]", text)
    text = re.sub(r"\d\d:\d\d:\d\d\.\d+", "07:53:45.000", text)
    return re.sub(r"\d+(\.\d+)? (us|ms|s) (after|on)", r"0.2 s \3", text)


def test_a_command_that_hangs_and_why_as_anybody_sees_it() -> None:
    require(
        subprocess.run([*NOBODY, "unshare", "--user", "true"], check=False).returncode == 0,
        "kernel",
        "no userns",
    )
    done = check("--quick", "--grace", "1s", "--", "sh", "-c", "sleep 4321; true", under=NOBODY)
    assert done.returncode == 3
    *text, said = plain(done.stdout).partition("  seen by")
    assert (
        text[0]
        == """\
sh -c 'sleep 4321; true'
  FAILS     hangs: it did not end within 1 s of SIGTERM, and SIGKILL ended it
  because   no handler for SIGTERM, so the kernel drops it
  to fix    PID 1 is a shell: use the exec form, ENTRYPOINT ["program"], or end
              its script with exec
            run a small init as PID 1 (docker run --init, or tini or catatonit
              in the image): the stop is quick then, but sleep[7] is killed
              unasked
"""
    )
    assert said.startswith("   /proc: 07:53:45.000 snapshot sh[7]: state S")
    assert "predicted waits for KILL: no handler for SIGTERM, so the kernel drops it\n" in said


@pytest.mark.kernel
def test_where_it_can_trace_the_kernel_itself_says_why() -> None:
    code, row = of("--quick", "--grace", "1s", "--", "sleep", "4321")
    assert code == 3
    assert (row["result"], row["evidence_from"], row["as_predicted"]) == ("fails", "kernel", True)
    (problem,) = row["problems"]  # type: ignore[misc]
    assert (problem["check"], problem["cause"]) == ("does-not-stop", "dropped-at-generate")
    assert "the init has no handler for it: discarded as it was sent" in problem["evidence"][0]


@pytest.mark.kernel
def test_root_without_the_right_to_make_namespaces_makes_a_user_namespace() -> None:
    under = ("setpriv", "--bounding-set=-sys_admin", "--inh-caps=-sys_admin")
    done = check("--quick", "--", "sh", "-c", "trap 'exit 0' TERM; sleep 4321 & wait", under=under)
    assert (done.returncode, done.stdout.splitlines()[1].split()[0]) == (0, "PASSES"), (
        done.stdout + done.stderr
    )


def test_a_command_that_stops_passes() -> None:
    done = check(
        "--quick", "--ready", "ready", "--", "sh", "-c", "trap 'exit 0' TERM; echo ready; sleep 4321 & wait"
    )
    assert done.returncode == 0, done.stdout
    assert plain(done.stdout).splitlines()[:2] == [
        "sh -c 'trap '\"'\"'exit 0'\"'\"' TERM; echo ready; sleep 4321 & wait'",
        "  PASSES    stops in 0.2 s on SIGTERM, exit 0",
    ]


def test_all_runs_of_a_program_that_does_everything_right() -> None:
    code, row = of("--strict", "--ready", "ready", "--", *PYTHON, ORDERLY)
    assert (code, row["result"], row["exit_code"], row["output"]) == (0, "passes", 0, ["ready"])
    assert set(slugs(row)) <= {"lost-at-start", "orphans"}
    assert "orphans" in slugs(row)


def test_a_second_signal_that_cuts_the_shutdown_short() -> None:
    impatient = """import os, signal, time
def stop(*_):
    signal.signal(signal.SIGTERM, lambda *_: os._exit(9))
    time.sleep(0.5)
    os._exit(0)
signal.signal(signal.SIGTERM, stop)
print("ready", flush=True)
while True: time.sleep(1000)"""
    code, row = of("--ready", "ready", "--", *PYTHON, impatient)
    assert (code, row["exit_code"]) == (0, 0)
    assert "second-signal" in slugs(row)


def test_zombies_and_an_exit_code_that_reads_as_a_failure() -> None:
    program = ORDERLY.replace("sys.exit(0)", "sys.exit(5)").replace("import ", "import os, ")
    program = program.replace("print(", "os.fork() or os._exit(0)\nprint(")
    code, row = of("--quick", "--", *PYTHON, program)
    assert (code, row["exit_code"]) == (0, 5)
    assert slugs(row) == ["exit-code", "zombies"]
    assert of("--quick", "--strict", "--", *PYTHON, program)[0] == 3


def test_what_takes_longer_than_it_may_fails() -> None:
    slow = ORDERLY.replace("lambda *_: sys.exit(0)", "lambda *_: (time.sleep(0.5), sys.exit(0))")
    code, row = of("--quick", "--max", "100ms", "--ready", "ready", "--", *PYTHON, slow)
    assert (code, slugs(row)) == (3, ["too-slow"])


def test_a_port_that_listens() -> None:
    server = "import socket, time; s = socket.create_server(('127.0.0.1', {})); time.sleep(1000)"
    probe = subprocess.run(
        [*PYTHON, "import socket; s = socket.create_server(('127.0.0.1', 0)); print(s.getsockname()[1])"],
        capture_output=True,
        text=True,
        check=True,
    )
    port = probe.stdout.strip()
    code, row = of("--quick", "--grace", "200ms", "--ready", port, "--", *PYTHON, server.format(port))
    assert (code, row["ready"]) == (3, f"listens on port {port}")
    assert "not-ready" not in slugs(row)


def test_what_is_never_ready_is_stopped_all_the_same() -> None:
    code, row = of(
        "--quick", "--grace", "1s", "--ready", "never", "--ready-within", "200ms", "--", "sleep", "4321"
    )
    assert code == 3
    assert slugs(row) == ["does-not-stop", "not-ready"]


def test_a_command_that_ends_by_itself_cannot_be_checked() -> None:
    code, row = of("--", "sh", "-c", "echo no configuration; exit 7")
    assert (code, row["result"], row["exit_code"]) == (1, "not checked", 7)
    assert row["output"] == ["no configuration"]


def test_what_it_says_cannot_reach_the_terminal_raw() -> None:
    done = check(
        "--quick", "--grace", "200ms", "--", "sh", "-c", "printf '\\033]0;owned\\007\\n'; exec sleep 4321"
    )
    assert "\x1b" not in done.stdout
    assert "  it said   | \\x1b]0;owned\\x07\n" in done.stdout


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ((), "name the command to check: sigtrace check -- COMMAND..."),
        (("--", "no-such-program"), "no-such-program cannot be run: No such file or directory."),
        (("--ready", "(", "--", "true"), "'(' is neither a duration (2s), nor a port"),
    ],
)
def test_bad_input(words: tuple[str, ...], complaint: str) -> None:
    done = sigtrace("check", *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"sigtrace: {complaint}")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_outlives_it_however_it_ends(number: int) -> None:
    script = "sleep 4321 & wait"
    process = subprocess.Popen([*COMMAND, "check", "--", "sh", "-c", script], stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + patient(30)
        while "sleep" not in _below(process.pid).values():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        pidfds = [os.pidfd_open(pid) for pid in _below(process.pid)]
        process.send_signal(number)
        process.wait(patient(30))
        for pidfd in pidfds:
            assert _ends(pidfd), "a process outlives sigtrace"
            os.close(pidfd)
    finally:
        process.kill()
        process.wait()


def _below(pid: int) -> dict[int, str]:
    found = children(pid)
    for child in list(found):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            found.update(_below(child))
    return found


def _ends(pidfd: int) -> bool:
    return bool(select.select([pidfd], [], [], patient(30))[0])


def test_the_same_for_github_and_as_junit_xml(tmp_path: Path) -> None:
    report = tmp_path / "check.xml"
    done = check(
        *("--quick", "--grace", "200ms", "--format", "github", "--junit", str(report)), "--", "sleep", "4321"
    )
    assert done.returncode == 3
    plain, annotation, *_ = done.stdout.splitlines()
    assert plain == "sleep 4321: fails: hangs: it did not end within 200 ms of SIGTERM, and SIGKILL ended it"
    assert annotation.startswith(
        "::error title=sigtrace check%3A sleep 4321%3A does-not-stop::it did not end"
    )
    (failure,) = ElementTree.parse(report).iterfind("testsuite/testcase/failure")
    assert failure.get("type") == "does-not-stop"


def test_a_junit_file_that_cannot_be_written_is_said_before_anything_is_run(tmp_path: Path) -> None:
    done = check("--junit", str(tmp_path / "no" / "check.xml"), "--", "touch", str(tmp_path / "ran"))
    assert (done.returncode, done.stdout) == (1, "")
    assert "No such file or directory" in done.stderr
    assert not (tmp_path / "ran").exists()
