"""A user without privileges whose process looks like the monitor of a rootless container, with files made to harm."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

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
