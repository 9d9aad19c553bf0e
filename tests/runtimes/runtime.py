"""What the tests ask of every container runtime: its driver is a subclass of `Runtime`, a file each.

A driver runs the runtime's own commands on a `Host` (`self.host.run(...)`), where /run and /var/lib are fresh: it uses
the runtime's default paths, as production does. sigtrace runs on the same host and needs no roots.
"""

from __future__ import annotations

import contextlib
import os
import re
import select
import shutil
import signal
import subprocess
import tarfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import TypeVar

from tests.patience import patient
from tests.runtimes.host import Host

Value = TypeVar("Value")

SLEEP = ("/bin/sleep", "1000")
"""An init without a handler."""
HANDLED = 7
"""Exit status of an init whose handler ran."""


def trapping(signal: str) -> tuple[str, ...]:
    """An init with a handler for `signal` (SIGTERM), which ends it with status HANDLED."""
    trap = f"trap 'exit {HANDLED}' {signal.removeprefix('SIG')}"
    return ("/bin/sh", "-c", f"{trap}; while :; do sleep 0.05; done")


@dataclass(frozen=True)
class Spec:
    """What to start."""

    name: str
    command: Sequence[str] = SLEEP
    handles: str = ""
    """A signal that the command installs a handler for: it has started when it has (SIGTERM)."""
    stop_signal: str = ""
    """The container's own, as `SIGQUIT`; empty: the runtime's default."""
    init: bool = False
    """With the runtime's own `--init`; see `Runtime.own_init`."""
    privileged: bool = False
    """May make namespaces inside."""


@dataclass(frozen=True)
class Running:
    """A container whose init has started."""

    name: str
    id: str
    init_pid: int
    """As this machine numbers it."""
    nsid: int
    """Inode of its PID namespace."""
    spec: Spec


@dataclass(frozen=True)
class Stopped:
    """What a stop came to."""

    seconds: float
    """From the request to the init's end (a zombie has ended), by the test's own clock."""
    exit_code: int | None
    """As the runtime tells it, 137 for SIGKILL; None if it does not."""


class Runtime:
    """One runtime on a host of its own; a context manager. Subclasses say how its commands go."""

    name = ""
    """What the tests call it: `podman-crun`."""
    called = ""
    """What sigtrace calls it: `podman` (`Container.runtime`)."""
    commands: Sequence[str] = ()
    """Programs it needs, looked for on the system's path."""
    senders: Sequence[str] = ()
    """`comm` of the processes that may send a stop's signals."""
    asker = ""
    """Who asks for a stop, as a postmortem tells it: the daemon, or the command that people run."""
    own_init = False
    """Has a `--init`."""
    told_by_cgroup = True
    """The name of the cgroup alone tells that it is a container's; otherwise its files or its monitor do."""
    image = ""
    """What sigtrace should call the image; empty if this runtime has none."""
    layouts: Sequence[str] = ("hybrid", "v2")
    """Of control groups: how its tests run; see `Host`."""
    default_stop = "SIGTERM"
    """What a stop sends unless told otherwise."""
    grace = 2
    """Seconds of grace in the tests."""

    def __init__(self, cgroups: str, files: Path) -> None:
        """`cgroups` as for `Host`; `files` is where `rootfs` has made the root file system."""
        self.host = Host(cgroups)
        self.rootfs = files / "rootfs"
        """A directory; all containers of a runtime without images may share it."""
        self.archive = files / "rootfs.tar"
        self._stack = contextlib.ExitStack()
        self._names: list[str] = []

    # --- what a driver writes -----------------------------------------------------------------------------

    def available(self) -> str:
        """Why this runtime cannot run here, in words; empty if it can. Asks the machine, starts nothing."""
        missing = [name for name in self.commands if not find(name)]
        return f"{self.name} needs {', '.join(missing)}" if missing else rootfs_missing()

    def set_up(self, stack: contextlib.ExitStack) -> None:
        """Start the daemon, if any, and import the root file system; what is to be undone goes on the stack."""

    def known_as(self, name: str) -> dict[str, str]:
        """What sigtrace's columns should say of the container that the tests call `name`."""
        return {"container_name": self.real(name), "pod": "", "pod_namespace": ""}

    def choice(self, name: str) -> tuple[str, str]:
        """How it is chosen on sigtrace's command line."""
        return ("--container", self.real(name))

    def create(self, spec: Spec) -> tuple[str, int]:
        """Start a container detached -> its full ID and its init's PID."""
        raise NotImplementedError

    def run(self, spec: Spec) -> None:
        """Run a container to its end, and keep what the runtime keeps of it."""
        raise NotImplementedError

    def ask_to_stop(self, running: Running, grace: int) -> None:
        """The runtime's `stop`: returns when it is done."""
        raise NotImplementedError

    def exit_code(self, running: Running) -> int | None:
        """Of a container that has ended, as its runtime tells it."""
        return None

    def exec(self, running: Running, command: Sequence[str]) -> subprocess.CompletedProcess[str]:
        """Run a command inside."""
        raise NotImplementedError

    def remove(self, name: str) -> None:
        """Kill and forget a container, whatever its state; one that is not there is fine."""
        raise NotImplementedError

    # --- what the tests call ------------------------------------------------------------------------------

    def __enter__(self) -> Runtime:
        try:
            self._stack.enter_context(self.host)
            self.set_up(self._stack)
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._stack:
            self.remove_all()

    def real(self, name: str) -> str:
        """The name that a container gets: two runs of the tests at a time on one machine do not take another's."""
        return f"{name}-{self.host.token[:4]}"

    def start(self, spec: Spec) -> Running:
        """Start a container; it is removed at the end, or by `remove_all`, whatever happens."""
        spec = replace(spec, name=self.real(spec.name))
        self._names.append(spec.name)
        identity, pid = self.create(spec)
        self.host.remember(pid)
        if spec.handles:
            until(lambda: _catches(pid, spec.handles), f"{spec.name} has a handler")
        return Running(spec.name, identity, pid, os.stat(f"/proc/{pid}/ns/pid").st_ino, spec)

    def run_to_end(self, spec: Spec) -> None:
        """Like `start`, for a container that ends by itself: returns when it has."""
        spec = replace(spec, name=self.real(spec.name))
        self._names.append(spec.name)
        self.run(spec)

    def stop(self, running: Running, grace: int | None = None) -> Stopped:
        """Stop it as a user would, and measure."""
        begin = time.monotonic()
        with Fate(running.init_pid) as fate:
            self.ask_to_stop(running, self.grace if grace is None else grace)
            ended = fate.wait(patient(10))
        return Stopped(ended - begin, self.exit_code(running))

    def remove_all(self) -> None:
        """Remove every container started so far."""
        while self._names:
            self.remove(self._names.pop())


def _catches(pid: int, name: str) -> bool:
    """Whether a process has a handler for a signal, as `/proc` says."""
    status = Path(f"/proc/{pid}/status").read_text()
    caught = int(status.partition("SigCgt:")[2].split()[0], 16)
    return bool(caught >> (signal.Signals[name] - 1) & 1)


class Fate:
    """When a process ended, by a pidfd opened while it lived: a zombie counts as ended."""

    def __init__(self, pid: int) -> None:
        self._pid = pid

    def __enter__(self) -> Fate:
        self._fd = os.pidfd_open(self._pid)
        self._ended: list[float] = []
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._thread.join(1)
        os.close(self._fd)

    def _watch(self) -> None:
        if select.select([self._fd], [], [], patient(60))[0]:
            self._ended.append(time.monotonic())

    def wait(self, timeout: float) -> float:
        """The moment it ended (`time.monotonic`); raises `AssertionError` if it still lives after `timeout` seconds."""
        self._thread.join(timeout)
        assert self._ended, f"process {self._pid} is still there"
        return self._ended[0]


def until(what: Callable[[], Value], why: str, timeout: float = 20) -> Value:
    """Poll for a true value of `what`; raises `AssertionError` naming `why` after `timeout` seconds."""
    deadline = time.monotonic() + patient(timeout)
    while not (value := what()):
        assert time.monotonic() < deadline, f"waited {timeout} s in vain: {why}"
        time.sleep(0.01)
    return value


def find(command: str) -> str | None:
    """A program of the system's, not one that the user's PATH puts before it."""
    return shutil.which(command, path="/usr/sbin:/usr/bin:/sbin:/bin")


# --- the root file system --------------------------------------------------------------------------------

_APPLETS = "sh sleep kill unshare cat true ps mount env echo ls usleep".split()
_PROGRAMS = {"busybox": ("busybox",), "tini": ("tini", "docker-init"), "catatonit": ("catatonit",)}


def rootfs_missing() -> str:
    """Why the root file system of the tests cannot be made; empty if it can."""
    missing = [name for name in ("busybox", "tini") if not any(map(find, _PROGRAMS[name]))]
    return f"the tests' containers need {' and '.join(missing)}" if missing else ""


def rootfs(where: Path) -> None:
    """Make a root file system: busybox with the applets above, tini and perhaps catatonit, and their libraries.

    `where/rootfs` is the directory, `where/rootfs.tar` the same as an archive.
    """
    root = where / "rootfs"
    for name in ("bin", "dev", "etc", "proc", "sys", "tmp", "root", "run", "usr/bin", "sbin", "var"):
        (root / name).mkdir(parents=True, exist_ok=True)
    for name, candidates in _PROGRAMS.items():
        source = next(filter(None, map(find, candidates)), None)
        if source is None:
            continue  # an old distribution's lack of catatonit
        shutil.copy(source, root / "bin" / name)
        for library in _libraries(source):
            (root / library[1:]).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(library, root / library[1:])
    for applet in _APPLETS:
        (root / "bin" / applet).symlink_to("busybox")
    (root / "etc" / "passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
    (root / "etc" / "os-release").write_text("ID=sigtrace-test\n")
    with tarfile.open(where / "rootfs.tar", "w") as archive:
        archive.add(root, arcname=".")


def _libraries(program: str) -> list[str]:
    """Shared libraries and the loader of a program; none if it is static."""
    said = subprocess.run(["ldd", program], capture_output=True, text=True, check=False).stdout
    return re.findall(r"(?:=> |^\s+)(/\S+) \(0x", said, re.M)
