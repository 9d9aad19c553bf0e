"""Runs in a guest: by each method that this kernel has, what a user does, and a part of the kernel tests."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.guests.inside.step import LONG, Wrong, check, rows, run, step, tell

METHODS = {"btf": "BTF tracepoints", "raw": "raw tracepoints"}
"""Method -> what `sigtrace doctor` calls it."""

GRACE = 1.0
"""Seconds between SIGTERM and SIGKILL: a stop that takes its grace period."""

_SIGNALS = {"quick": "TERM|KILL", "usual": "TERM|KILL|CHLD|STOP", "full": ""}
"""Sample -> the signals of the truth matrix."""
_SENDERS = {"quick": "", "usual": "every_kind_of_siginfo or the_code_is or cgroup_kill", "full": "test"}
"""Sample -> which of the tests of senders."""


def main(sample: str) -> None:
    """Run everything by each method. The one that is chosen where nothing is asked for is not asked for."""
    tell(release=os.uname().release)
    default = ""
    for method in METHODS:
        if not loads(method):
            continue
        default = default or method
        env = {} if method == default else {"SIGTRACE_METHOD": method}
        step("doctor", lambda: doctor(method, env), method=method)  # noqa: B023 (called at once)
        step("demo", lambda: demo(env), method=method)  # noqa: B023
        stop(method, env)
        kernel_tests("truth", "tests/kernel/test_matrix.py", _matrix(sample), method, env)
        if _SENDERS[sample] and method == default:  # these compare both methods themselves
            kernel_tests("senders", "tests/kernel/test_senders.py", _SENDERS[sample], method, env)


def loads(method: str) -> bool:
    """Tell whether the method's programs load and attach; one that the kernel does not have is no failure."""
    done = run(sys.executable, "-c", _ATTACH, method)
    if done.returncode == 2 and "bpf_get_current_task_btf" in done.stdout:
        tell(lacks=done.stdout.strip(), method=method)
        return False

    def attached() -> str:
        check(done.returncode == 0, done.stdout + done.stderr)
        return done.stdout.strip()

    return step("attach", attached, method=method)


_ATTACH = """
import sys, time
from sigtrace.errors import LoadRefused
from sigtrace.live.kernel.load import Attachment
began = time.monotonic()
try:
    attachment = Attachment(1 << 20, sys.argv[1])
    attachment.attach()
except LoadRefused as err:
    print(err)
    sys.exit(2)
print(f"{attachment.source}, in {time.monotonic() - began:.1f} s")
"""


def doctor(method: str, env: Mapping[str, str]) -> str:
    """Nothing is missing, and it traces by this method."""
    done = run("sigtrace", "doctor", "--format", "json", env=env)
    check(done.returncode == 0, done.stdout + done.stderr)
    missing = [row for row in rows(done.stdout) if row["status"] == "missing"]
    check(not missing, missing)
    said: str = rows(done.stdout)[-1]["detail"]
    check(said.startswith(f"attached to {METHODS[method]}"), said)
    return said


def demo(env: Mapping[str, str]) -> None:
    """SIGTERM is dropped and SIGKILL ends the init; with a handler SIGTERM does. It is no replay."""
    done = run("sigtrace", "demo", "--format", "json", env=env)
    check((done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr)
    without, with_handler = rows(done.stdout)
    seen = [
        (step["signal_name"], step["verdicts"]) for one in (without, with_handler) for step in one["signals"]
    ]
    check(without["replayed_because"] == "", without["replayed_because"])
    check(
        seen
        == [
            ("SIGTERM", ["dropped_at_generate"]),
            ("SIGKILL", ["queued", "default_action"]),
            ("SIGTERM", ["queued", "handled"]),
        ],
        seen,
    )
    ends = without["exit_signal"], with_handler["exit_signal"], with_handler["exit_code"]
    check(ends == (signal.SIGKILL, 0, 0), ends)


# A stop ----------------------------------------------------------------------------------------------


def stop(method: str, env: Mapping[str, str]) -> None:
    """The stop of an init without handlers: forecast by scan, seen by watch, recorded, and explained afterwards."""
    recording = f"/tmp/recording-{method}"
    with an_init() as (outer, pid, nsid):
        step("scan", lambda: scan(nsid), method=method)
        began = time.monotonic()
        watch = Command("watch", "--ns", str(nsid), "--format", "json", env=env)
        record = Command("record", recording, env=env)
        for command in (watch, record):
            command.ready()
        os.kill(pid, signal.SIGTERM)
        time.sleep(GRACE)
        alive = outer.poll() is None
        os.kill(pid, signal.SIGKILL)
        truth = (alive, outer.communicate(timeout=LONG)[0].strip())
        record.end()
    # the time that both ran, the grace period included, counts as a step's
    tell(step="stop", passed=0, failed=0, seconds=round(time.monotonic() - began, 1), said="", method=method)
    step("watch", lambda: watched(watch, nsid, truth), method=method)
    step("record", lambda: recorded(record), method=method)
    step("postmortem", lambda: postmortem(recording, nsid), method=method)


@contextmanager
def an_init() -> Iterator[tuple[subprocess.Popen[str], int, int]]:
    """A namespace whose init has no handlers: the process that waits for it, its PID, and its namespace."""
    outer = subprocess.Popen([sys.executable, "-c", _UNSHARE], stdout=subprocess.PIPE, text=True)
    try:
        below = Path(f"/proc/{outer.pid}/task/{outer.pid}/children")
        while not (pids := below.read_text().split()) or _comm(pids[0]) != "sleep":
            check(outer.poll() is None, "no namespace could be made")
            time.sleep(0.01)
        yield outer, int(pids[0]), os.stat(f"/proc/{pids[0]}/ns/pid").st_ino
    finally:
        outer.kill()
        outer.wait()


_UNSHARE = """
import ctypes, os
assert ctypes.CDLL(None).unshare(0x20000000) == 0  # CLONE_NEWPID
pid = os.fork()
if pid == 0:
    os.execvp("sleep", ["sleep", "3000"])
print(os.waitpid(pid, 0)[1])
"""
"""Makes an init without handlers, and says its wait status."""


def _comm(pid: str) -> str:
    return Path(f"/proc/{pid}/comm").read_text().strip()


class Command:
    """A command that runs until it is told to end."""

    def __init__(self, *words: str, env: Mapping[str, str]) -> None:
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(
            ["sigtrace", *words], stdout=pipe, stderr=pipe, text=True, env={**os.environ, **env}
        )
        self.out = self.err = ""

    def ready(self) -> None:
        """Read what it says until it misses nothing any more."""
        assert self.process.stderr is not None
        while line := self.process.stderr.readline():
            self.err += line
            if line.startswith("sigtrace: ready"):
                return

    def end(self) -> None:
        """Have it end, and read what it said."""
        self.process.terminate()
        self.out, more = self.process.communicate(timeout=LONG)
        self.err += more


def scan(nsid: int) -> str:
    """It forecasts the drop."""
    done = run("sigtrace", "scan", "--format", "json")
    check(done.returncode == 0, done.stderr)
    (row,) = [row for row in rows(done.stdout) if row["nsid"] == nsid]
    check(row["signals"]["SIGTERM"] == "drop", row)
    return str(row["why"])


def watched(watch: Command, nsid: int, truth: tuple[bool, str]) -> None:
    """It shows the drop and nothing else, and that is what became of the init."""
    watch.out, more = watch.process.communicate(
        timeout=LONG
    )  # the only namespace it watches is gone: it ends
    check(watch.process.returncode == 0, watch.err + more)
    check(truth == (True, str(int(signal.SIGKILL))), f"alive after SIGTERM, and then its status: {truth}")
    seen = [(row["nsid"], row["signal_name"], row["verdict"]) for row in rows(watch.out)]
    check(seen == [(nsid, "SIGTERM", "dropped_at_generate")], seen)
    check("0 records lost" in more, more)


def recorded(record: Command) -> str:
    """Nothing was lost on the way to the disk."""
    check(record.process.returncode == 0, record.err)  # it is 1 if a single event was lost
    return record.err.splitlines()[-1]


def postmortem(recording: str, nsid: int) -> str:
    """It explains the stop by the drop."""
    done = run("sigtrace", "postmortem", recording, "--ns", str(nsid), "--format", "json")
    check(done.returncode == 3, done.stdout + done.stderr)
    first: dict[str, Any] = rows(done.stdout)[0]
    check(first["cause"] == "dropped-at-generate", first)
    check(first["stop"]["killed"] and first["complete"], first)
    return str(first["summary"])


# The kernel tests ------------------------------------------------------------------------------------


def kernel_tests(name: str, path: str, which: str, method: str, env: Mapping[str, str]) -> None:
    """Run a part of the tests; their number is that of claims. A test that this kernel has nothing for is skipped."""
    began = time.monotonic()
    words = ["-p", "no:cacheprovider", "--timeout=1200", "-q", "--tb=short", path, "-k", which]
    done = run(sys.executable, "-m", "pytest", *words, env={**env, "SIGTRACE_REQUIRE": "kernel"})
    counted = {
        word: int(number) for number, word in re.findall(r"(\d+) (passed|failed|error|skipped)", done.stdout)
    }
    failed = counted.get("failed", 0) + counted.get("error", 0)
    if done.returncode not in (0, 1) or not counted.get("passed", 0) + failed:
        failed = max(failed, 1)
    names = re.findall(r"^(?:FAILED|ERROR) \S+::(\S+)", done.stdout, re.M)
    if failed:
        print(done.stdout, done.stderr, flush=True)
    tell(
        step=name,
        passed=counted.get("passed", 0),
        failed=failed,
        skipped=counted.get("skipped", 0),
        seconds=round(time.monotonic() - began, 1),
        said=" ".join(names),
        method=method,
    )


def _matrix(sample: str) -> str:
    return " or ".join(f"[SIG{name}]" for name in _SIGNALS[sample].split("|")) if _SIGNALS[sample] else "test"


if __name__ == "__main__":
    try:
        main(sys.argv[1])
    except Wrong as err:
        tell(step="job", passed=0, failed=1, seconds=0, said=str(err))
    tell(done=True)
