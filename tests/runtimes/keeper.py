"""The keeper of a host for container runtimes: it makes the host, and cleans up after it.

    python -m tests.runtimes.keeper hybrid|v1|v2 TOKEN      (`Host` starts it)

It makes the namespaces, says its word on stdout and waits for the end of its stdin: a test run that is killed ends it
too. Then it kills what is left in its mount namespace, what was named to it, what carries the token in its environment
and the children of all these, and removes the control groups that they had. All mounts go with the mount namespace.
Should it be killed itself, the next keeper does as much for whatever has a token that no keeper there is has.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tests.patience import patient

TOKEN = "SIGTRACE_TEST_HOST"
"""The environment variable by which processes are known."""
READY = "ready\n"

_MODULE = "tests.runtimes.keeper"
_STATE = "docker containers containerd lxc machines cni crio".split()
_CLONE_NEWNS, _CLONE_NEWNET, _MS_REC, _MS_PRIVATE = 0x00020000, 0x40000000, 0x4000, 1 << 18

Group = tuple[str, str]
"""A control group: its hierarchy (`memory`, empty for a cgroup2, `*` for all) and its path."""


def _libc(name: str, *arguments: object) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if getattr(libc, name)(*arguments) != 0:
        raise OSError(ctypes.get_errno(), f"{name}{arguments}")


def _mount(source: str, target: Path, kind: str, options: str = "") -> None:
    _libc("mount", source.encode(), str(target).encode(), kind.encode(), 0, options.encode())


def _furnish(cgroups: str) -> None:
    """In namespaces of our own: what a runtime writes is in memory, and what another one here has written is hidden."""
    _libc("unshare", _CLONE_NEWNS | _CLONE_NEWNET)
    _libc("mount", b"none", b"/", None, _MS_REC | _MS_PRIVATE, None)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    _mount("tmpfs", Path("/run"), "tmpfs", "mode=755")
    _mount("tmpfs", Path("/dev/shm"), "tmpfs", "mode=1777")
    for name in ("home", "lock", "var/upper", "var/work"):
        Path("/run", name).mkdir(parents=True)
    _mount(
        "overlay",
        Path("/var/lib"),
        "overlay",
        "lowerdir=/var/lib,upperdir=/run/var/upper,workdir=/run/var/work",
    )
    for name in _STATE:
        Path("/var/lib", name).mkdir(exist_ok=True)
        _mount("tmpfs", Path("/var/lib", name), "tmpfs", "mode=711")
    if cgroups == "v1" and Path("/sys/fs/cgroup/unified").is_mount():
        subprocess.run(["umount", "/sys/fs/cgroup/unified"], check=True)
        _mount("tmpfs", Path("/sys/fs/cgroup/unified"), "tmpfs")  # crun would leave directories below it
    if cgroups == "v2":
        subprocess.run(["umount", "-R", "/sys/fs/cgroup"], check=True)
        _mount("cgroup2", Path("/sys/fs/cgroup"), "cgroup2")


# --- processes --------------------------------------------------------------------------------------------


def _family(belongs: Callable[[Path], bool]) -> set[int]:
    """The processes whose directory in /proc `belongs`, and their children."""
    found: set[int] = set()
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            with contextlib.suppress(OSError):
                stat = (entry / "stat").read_bytes()  # a comm may be of any bytes
                parents[int(entry.name)] = int(stat.rpartition(b")")[2].split()[1])
                if belongs(entry):
                    found.add(int(entry.name))
    while children := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= children
    return found


def _token(entry: Path) -> str:
    """The token in a process's environment, or nothing."""
    name = f"{TOKEN}=".encode()
    words = (entry / "environ").read_bytes().split(b"\0")
    return next((word[len(name) :].decode() for word in words if word.startswith(name)), "")


def _kept() -> set[str]:
    """The tokens of all keepers that live."""
    tokens = set()
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            words = file.read_text(errors="replace").split("\0")
            if words[1:3] == ["-m", _MODULE]:
                tokens.add(words[4])
    return tokens


def _sweep(find: Callable[[], set[int]], groups: set[Group]) -> None:
    """Kill what `find` finds until that is nothing; the control groups of all these join `groups`."""
    deadline = time.monotonic() + patient(20)
    while left := find():
        for pid in left:
            with contextlib.suppress(OSError):
                groups |= _groups(pid)
                os.kill(pid, signal.SIGKILL)
        if time.monotonic() > deadline:
            raise SystemExit(f"still there: {left}")
        time.sleep(0.02)


def _sweep_up_after_others() -> None:
    """Kill what keepers that were killed have left behind, and remove its control groups."""

    def belongs(entry: Path) -> bool:
        return _token(entry) in abandoned

    abandoned: set[str] = set()
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            abandoned.add(_token(entry))
    abandoned -= {"", *_kept()}  # asked last: a keeper is there before and after any process with its token
    if abandoned:
        groups: set[Group] = set()
        _sweep(lambda: _family(belongs), groups)
        theirs = {directory for group in groups for directory in _directories(*group)}
        _forget(groups, before=_all_groups() - theirs)


# --- control groups ---------------------------------------------------------------------------------------


def _groups(pid: int) -> set[Group]:
    """The control groups of a process: hierarchy and path, the roots left out."""
    lines = Path(f"/proc/{pid}/cgroup").read_text().splitlines()
    groups = (line.split(":", 2)[1:] for line in lines)
    return {(hierarchy.removeprefix("name="), path) for hierarchy, path in groups if path != "/"}


def _directories(hierarchy: str, path: str) -> set[Path]:
    """Where a control group may be mounted, and may have gone; in every hierarchy if that is `*`."""
    bases = os.listdir("/sys/fs/cgroup") if hierarchy == "*" else [hierarchy or "unified"]
    return {Path("/sys/fs/cgroup", base, path.strip("/")) for base in ("", *bases)}


def _all_groups() -> set[Path]:
    """The directories of all control groups there are."""
    return {Path(directory) for directory, _, _ in os.walk("/sys/fs/cgroup")}


def _forget(groups: set[Group], before: set[Path]) -> None:
    """Remove control groups with what is below; and those above them that were not there `before` and are empty now.

    The groups that this process is in are whoever's started it.
    """
    root = Path("/sys/fs/cgroup")
    directories = {directory for group in groups - _groups(os.getpid()) for directory in _directories(*group)}
    below = {Path(name) for directory in directories for name, _, _ in os.walk(directory)}
    above = {parent for directory in directories for parent in directory.parents if root in parent.parents}
    _remove(below, patience=2)  # the kernel may be at the last process still
    _remove(above - before, patience=0)


def _remove(directories: set[Path], patience: float) -> None:
    """Remove empty control groups, the deepest first, trying again for some seconds; others stay."""
    deadline = time.monotonic() + patience
    while True:
        for directory in sorted(directories, key=lambda path: len(path.parts), reverse=True):
            with contextlib.suppress(OSError):
                directory.rmdir()
        directories = {directory for directory in directories if directory.exists()}
        if not directories or time.monotonic() >= deadline:
            return
        time.sleep(0.05)


def main(cgroups: str, token: str) -> None:
    """Keep a host until stdin ends; meanwhile that names inits of containers and control groups, one a line."""
    _sweep_up_after_others()
    before = _all_groups()
    machine = os.open("/proc/self/ns/mnt", os.O_RDONLY)  # all hierarchies are to be seen there
    _furnish(cgroups)
    ours = os.stat("/proc/self/ns/mnt").st_ino
    sys.stdout.write(READY)
    sys.stdout.flush()
    inits: list[int] = []
    groups: set[Group] = set()
    for line in sys.stdin:
        word = line.strip()
        if word.startswith("/"):
            groups.add(("*", word))
            continue
        with contextlib.suppress(OSError):
            inits.append(os.pidfd_open(int(word)))
            groups |= _groups(int(word))
    for init in inits:
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(init, signal.SIGKILL)
    _sweep(
        lambda: _family(lambda entry: os.stat(entry / "ns" / "mnt").st_ino == ours or _token(entry) == token),
        groups,
    )
    for init in inits:  # a group cannot be removed before its last process has ended
        select.select([init], [], [], patient(10))
    _libc("setns", machine, _CLONE_NEWNS)
    _forget(groups, before)


if __name__ == "__main__":
    main(*sys.argv[1:])
