"""What a user does first, on a host where pip has just installed sigtrace: each command sees a signal that is dropped.

    PYTHON check.py        with the interpreter of the environment that sigtrace is installed in; needs nothing else

Prints a JSON object: what was done -> seconds. Raises AssertionError, with what the command said, if one of them is
wrong. The dropped signal is that of a namespace made here; that its init survives is seen without sigtrace.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

SIGTRACE = str(Path(sys.executable).with_name("sigtrace"))
_INIT = "import signal, time; signal.signal(15, signal.SIG_DFL); print('here', flush=True); time.sleep(600)"
"""Without a handler for SIGTERM; the unshare of older releases has it ignored in what it starts."""


def main() -> None:
    """Do all of it."""
    took: dict[str, object] = {
        "python": platform.python_version(),
        "libc": " ".join(platform.libc_ver()) or "not glibc",
    }

    def step(name: str) -> contextlib.ExitStack:
        began = time.monotonic()
        stack = contextlib.ExitStack()
        stack.callback(lambda: took.update({name: round(time.monotonic() - began, 1)}))
        return stack

    with step("doctor"):
        said = sigtrace("doctor")
        assert said.endswith("This host can trace.\n"), said
        assert "no compiler is needed" in sigtrace("doctor", "--format", "json")
    with step("demo"):
        said = sigtrace("demo")
        assert "DROPPED by the kernel: an init, and no handler for it" in said, said
    with init() as pid:
        inode = os.stat(f"/proc/{pid}/ns/pid").st_ino
        with step("scan"):
            rows = [json.loads(line) for line in sigtrace("scan", "--format", "json").splitlines()]
            assert [row["init_pid"] for row in rows if row["init_pid"] == pid] == [pid], rows
        with step("watch"), started("watch", "--ns", str(pid), "--format", "json", "--count", "1") as watch:
            os.kill(pid, signal.SIGTERM)
            seen = [json.loads(line) for line in watch.communicate(timeout=60)[0].splitlines()]
            assert [(row["signal_name"], row["target_pid"]) for row in seen] == [("SIGTERM", pid)], seen
        with step("record"), tempfile.TemporaryDirectory() as directory:
            path = f"{directory}/recording"
            with started("record", path) as record:
                for _ in range(3):
                    os.kill(pid, signal.SIGTERM)
                record.terminate()
                said = record.communicate(timeout=60)[1]
                assert record.returncode == 0, said
            lines = [json.loads(line) for line in sigtrace("summary", path, "--format", "json").splitlines()]
            ours = [row for row in lines if row.get("nsid") == inode and row["signal"] == signal.SIGTERM]
            assert [(row["verdict"], row["count"]) for row in ours] == [("dropped_at_generate", 3)], lines
        os.kill(pid, 0)  # it has survived all of them
    print(json.dumps(took))


def sigtrace(*words: str) -> str:
    """The output of a command that has to succeed."""
    done = subprocess.run([SIGTRACE, *words], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, f"{words}: exit code {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout


@contextlib.contextmanager
def started(*words: str) -> Iterator[subprocess.Popen[str]]:
    """A command that has said it is ready; killed at the end if it has not ended by itself."""
    with subprocess.Popen(
        [SIGTRACE, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stderr is not None
            said = ""
            while "ready" not in said:
                line = process.stderr.readline()
                assert line, said
                said += line
            yield process
        finally:
            process.kill()


@contextlib.contextmanager
def init() -> Iterator[int]:
    """The PID of the init of a new PID namespace, without handlers."""
    command = ["unshare", "--pid", "--fork", "--kill-child", sys.executable, "-c", _INIT]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "here\n"
            (child,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
            yield int(child)
        finally:
            process.kill()


if __name__ == "__main__":
    main()
