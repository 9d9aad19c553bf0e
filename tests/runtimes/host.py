"""A host of one's own for a container runtime: fresh /run and /var/lib, a network without neighbours, a chosen cgroup
layout. The PID namespace is the machine's, so that sigtrace and `/proc` see it as in production.

A process of its own keeps the host and cleans up after it, whatever becomes of us: see `keeper.py`.
"""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from tests.patience import patient
from tests.runtimes import keeper

ROOT = Path(__file__).parents[2]
TOKEN = keeper.TOKEN
"""Every container gets this variable with `Host.token` in its environment: so its processes are found at the end."""


class Host:
    """The keeper and the commands that run on its side; a context manager."""

    def __init__(self, cgroups: str) -> None:
        """`cgroups`: `hybrid` (v1, with a cgroup2 beside it if the machine has one), `v1` (without), `v2` (only).

        See `why_not` for what a machine can do.
        """
        self.cgroups = cgroups
        self.token = secrets.token_hex(8)
        self._keeper: subprocess.Popen[str] | None = None

    def __enter__(self) -> Host:
        self._keeper = subprocess.Popen(
            [sys.executable, "-m", keeper.__name__, self.cgroups, self.token],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,  # a Ctrl-C is for pytest, which then closes its stdin
        )
        assert self._keeper.stdout is not None
        if self._keeper.stdout.readline() != keeper.READY:
            raise RuntimeError(f"no host for the runtime: {self._keeper.communicate()[1]}")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._keeper is not None
        left = self._keeper.communicate(timeout=patient(60))[1]
        assert self._keeper.returncode == 0, left

    @property
    def pid(self) -> int:
        """Of the keeper: `/proc/PID/root` is the root directory of this host."""
        assert self._keeper is not None
        return self._keeper.pid

    @property
    def root(self) -> Path:
        """This host's files, from outside."""
        return Path(f"/proc/{self.pid}/root")

    def command(self, words: Sequence[str | Path]) -> list[str]:
        """What runs `words` on this host, from outside."""
        into = ("nsenter", f"--mount=/proc/{self.pid}/ns/mnt", f"--net=/proc/{self.pid}/ns/net", "--")
        return [*into, *map(str, words)]

    def environment(self, **more: str) -> dict[str, str]:
        """Of commands here: the system's tools first, no setting of the user's, the token."""
        kept = {name: os.environ[name] for name in ("LANG", "TERM", "SIGTRACE_REQUIRE") if name in os.environ}
        path = "/usr/sbin:/usr/bin:/sbin:/bin"
        return {**kept, "PATH": path, "HOME": "/run/home", "PYTHONPATH": str(ROOT), TOKEN: self.token, **more}

    def remember(self, what: int | str) -> None:
        """See that a container's init is gone at the end, or a control group (`/lxc.pivot`) in whatever hierarchy.

        The control groups of the init go too, and those that were made for them.
        """
        assert self._keeper is not None
        assert self._keeper.stdin is not None
        self._keeper.stdin.write(f"{what}\n")
        self._keeper.stdin.flush()

    def run(
        self, *words: str | Path, check: bool = True, timeout: float = 60, **more: Any
    ) -> subprocess.CompletedProcess[str]:
        """Run a command here to its end; raises `RuntimeError` with what it said when it fails and `check` is set."""
        more.setdefault("env", self.environment())
        more.setdefault("stdin", subprocess.DEVNULL)
        # to files: a container's monitor may keep a pipe open long after the command has ended
        with open(os.memfd_create("out"), "w+b") as out, open(os.memfd_create("err"), "w+b") as err:
            done = subprocess.run(
                self.command(words), stdout=out, stderr=err, timeout=patient(timeout), check=False, **more
            )
            said, complaint = (_content(file) for file in (out, err))
        if check and done.returncode != 0:
            raise RuntimeError(f"{' '.join(map(str, words))}: exit {done.returncode}: {said}{complaint}")
        return subprocess.CompletedProcess(list(map(str, words)), done.returncode, said, complaint)

    def spawn(self, *words: str | Path, **more: Any) -> subprocess.Popen[str]:
        """Start a command here in a session of its own, with text pipes if `stdout=PIPE` and the like are given."""
        more.setdefault("env", self.environment())
        more.setdefault("stdin", subprocess.DEVNULL)
        return subprocess.Popen(self.command(words), text=True, start_new_session=True, **more)


def why_not(cgroups: str) -> str:
    """Why this machine cannot have such a layout; empty if it can."""
    if cgroups == "v2":
        return "" if "cgroup2" in Path("/proc/filesystems").read_text() else "this kernel has no cgroup2"
    v1 = any(line.split()[2] == "cgroup" for line in Path("/proc/mounts").read_text().splitlines())
    return "" if v1 else "this machine has no cgroup v1"


def _content(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode(errors="replace")
