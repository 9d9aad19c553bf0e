"""Processes that say they are what they are not: a user's monitor of a rootless container, an init by its words."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.processes import children

UID = 1234
ID, POD = "ab" * 32, "cd" * 32
STORAGE = "home/alice/.local/share/containers/storage"
_CONMON = f"""
import ctypes, os, signal
libc = ctypes.CDLL(None, use_errno=True)
assert libc.unshare(0x20000000) == 0  # CLONE_NEWPID
os.setgroups([])
os.setresgid({UID}, {UID}, {UID})
os.setresuid({UID}, {UID}, {UID})
assert libc.prctl(4, 1) == 0  # PR_SET_DUMPABLE: so that /proc/PID belongs to the user
child = os.fork()
if child == 0:
    libc.prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
    print("ready", flush=True)
    signal.pause()
print(child, flush=True)
os.wait()
"""


def home(root: Path, database: bytes) -> None:
    """Make the files of the host at `root`: the user, and the storage of a container in a pod of this database."""
    (root / "etc").mkdir(parents=True)
    (root / "etc/passwd").write_text(f"alice:x:{UID}:{UID}::/home/alice:/bin/sh\n")
    bundle = root / STORAGE / "overlay-containers" / ID / "userdata"
    bundle.mkdir(parents=True)
    notes = {"io.container.manager": "libpod", "io.kubernetes.cri-o.SandboxID": POD}
    (bundle / "config.json").write_text(json.dumps({"annotations": notes}))
    index = [{"id": ID, "names": ["mallory"], "metadata": "{}"}]
    (bundle.parents[1] / "containers.json").write_text(json.dumps(index, separators=(",", ":")))
    (root / STORAGE / "libpod").mkdir()
    (root / STORAGE / "libpod/bolt_state.db").write_bytes(database)


@contextlib.contextmanager
def monitored_init(directory: Path) -> Iterator[int]:
    """Have an init of a PID namespace whose parent is the user's, and says that it is a conmon; yields its PID."""
    script = directory / "conmon.py"
    script.write_text(_CONMON)
    process = subprocess.Popen(
        ["conmon", str(script), "-c", ID, "-n", "mallory"],
        executable=os.path.realpath(sys.executable),
        env={"PYTHONHOME": sys.base_prefix},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        said = {process.stdout.readline().strip(), process.stdout.readline().strip()}
        (number,) = said - {"ready"}
        yield int(number)
    finally:
        process.kill()
        process.communicate()


_SAYING = """
import ctypes, os, signal, sys
said = sys.stdin.buffer.read()
fields = open("/proc/self/stat", "rb").read().rpartition(b")")[2].split()
start, end = int(fields[45]), int(fields[46])  # arg_start and arg_end
with open("/proc/self/mem", "r+b", 0) as memory:
    memory.seek(start)
    memory.write(said.ljust(end - start, b"\\0"))
ctypes.CDLL(None).prctl(15, said.split(b"\\0")[0][:15])  # PR_SET_NAME
print("ready", flush=True)
signal.pause()
"""


@contextlib.contextmanager
def init_that_says(*words: str) -> Iterator[int]:
    """Have an init of a PID namespace that has overwritten its command line with these words; yields its PID."""
    said = "\0".join(words).encode() + b"\0"
    room = ["x" * 100_000] * (len(said) // 100_000 + 1)
    unshare = ("unshare", "--pid", "--fork", "--kill-child")
    process = subprocess.Popen(
        [*unshare, sys.executable, "-c", _SAYING, *room], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(said)
        process.stdin.close()
        assert process.stdout.readline() == b"ready\n"
        (pid,) = children(process.pid)
        yield pid
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
