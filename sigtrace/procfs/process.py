"""Read files of single processes from /proc, and find processes and namespaces there. None of these reads can block."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from sigtrace.errors import BadInput
from sigtrace.procfs import freezer
from sigtrace.text import decode

INITIAL_PID_NS = 4026531836
"""Inode of the initial PID namespace (PROC_PID_INIT_INO, `include/linux/proc_ns.h`)."""

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
"""Clock ticks per second in start times; 100 on all common machines."""

SHELLS = frozenset(("sh", "bash", "dash", "ash", "zsh", "ksh", "mksh"))

PF_EXITING, PF_KTHREAD = 0x4, 0x00200000
_MAX_DESCRIPTORS = 1 << 16
"""Bounds the time that one process can make us spend on its descriptors: it may have over a million."""
_MAX_BYTES = 1 << 20
"""Bounds what one process can make us read: a command line may be of any length."""


@dataclass(frozen=True)
class Stat:
    """The fields of /proc/PID/stat that are used here (`do_task_stat()`, fs/proc/array.c)."""

    comm: str
    state: str
    ppid: int
    pgrp: int
    session: int
    flags: int
    threads: int
    start_ticks: int
    """Its start in clock ticks (1/100 s) since boot."""


def read_status(pid: int, root: str = "/proc") -> dict[str, str]:
    """Read the fields of /proc/PID/status as text. Raises OSError."""
    lines = (
        read(f"{root}/{pid}/status").decode(errors="backslashreplace").split("\n")
    )  # its Name may contain \r
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def read_stat(pid: int, root: str = "/proc") -> Stat:
    """Read the fields of /proc/PID/stat. Raises OSError."""
    return parse_stat(read(f"{root}/{pid}/stat"))


def parse_stat(raw: bytes) -> Stat:
    """Parse /proc/PID/stat. The comm is between the first `(` and the last `)`, as it may contain both.

    Raises ValueError if this is no such line.
    """
    start, end = raw.index(b"(") + 1, raw.rindex(b")")
    fields = raw[end + 2 :].split()
    if len(fields) < 20:
        raise ValueError("too few fields")
    ppid, pgrp, session = (int(field) for field in fields[1:4])
    comm = decode(raw[start:end])
    return Stat(
        comm, fields[0].decode(), ppid, pgrp, session, int(fields[6]), int(fields[17]), int(fields[19])
    )


def is_shell(comm: str, cmdline: Sequence[str]) -> bool:
    """Return whether this is a shell, by its comm or its program."""
    return shell_name(comm, cmdline) != ""


def shell_name(comm: str, cmdline: Sequence[str]) -> str:
    """Return which of SHELLS this is, empty if it is none; the comm of a script is the script's name."""
    names = [word.rpartition("/")[2].removeprefix("-") for word in cmdline[:2]]
    name = names[1] if names[1:] and names[0] == "busybox" else "".join(names[:1])
    return next((each for each in (comm, name) if each in SHELLS), "")


def read_signalfd_mask(pid: int, root: str = "/proc") -> int | None:
    """Read the union of the masks of the process's signalfds (`signalfd_show_fdinfo()`).

    None = not readable, or the process has more descriptors than are looked at. Raises OSError.
    """
    mask = 0
    try:
        with os.scandir(f"{root}/{pid}/fd") as entries:
            descriptors = [entry.name for entry in itertools.islice(entries, _MAX_DESCRIPTORS + 1)]
        if len(descriptors) > _MAX_DESCRIPTORS:
            return None
        for fd in descriptors:
            try:
                if os.readlink(f"{root}/{pid}/fd/{fd}") != "anon_inode:[signalfd]":
                    continue
                for line in read(f"{root}/{pid}/fdinfo/{fd}").splitlines():
                    if line.startswith(b"sigmask:"):
                        mask |= int(line.split()[1], 16)
            except FileNotFoundError:
                continue  # closed in the meantime
    except PermissionError:
        return None
    return mask


def namespace_of(pid: int | str, root: str = "/proc") -> int | None:
    """Return the inode of the process's PID namespace; None = not readable. Raises OSError."""
    nsid = namespace_link(pid, root)
    if nsid is None and len(read_status_field(pid, "NSpid", root).split()) == 1:
        return namespace_of_proc(root)  # it lives in the namespace of /proc, and our own link is readable
    return nsid


def namespace_link(pid: int | str, root: str = "/proc") -> int | None:
    """Read the inode from /proc/PID/ns/pid; None = not readable. Raises OSError."""
    try:
        return int(os.readlink(f"{root}/{pid}/ns/pid").partition("[")[2].rstrip("]"))
    except PermissionError:
        return None


def namespace_of_proc(root: str = "/proc") -> int | None:
    """Return the inode of the PID namespace that /proc belongs to if it is our own; else None: nothing shows it."""
    try:
        alone = len(read_status_field("self", "NSpid", root).split()) == 1
        return namespace_link("self", root) if alone else None
    except OSError:
        return None


def mask(status: Mapping[str, str], field: str) -> int:
    """Return a signal mask of `read_status`; 0 if the kernel does not have it."""
    return int(status.get(field, "0"), 16)


def read_status_field(pid: int | str, name: str, root: str = "/proc") -> str:
    """Read one field of /proc/PID/status; empty if the kernel does not have it. Raises OSError."""
    marker = f"\n{name}:".encode()
    _, found, rest = read(f"{root}/{pid}/status").partition(marker)
    return rest.split(b"\n", 1)[0].strip().decode() if found else ""


def freezing_mounts(root: str = "/proc") -> tuple[freezer.Hierarchy, ...]:
    """Return the mounts of cgroup hierarchies that can freeze, in this process's mount namespace."""
    return freezer.hierarchies(read(f"{root}/self/mountinfo"))


def pids(root: str = "/proc") -> list[int]:
    """Return the PIDs that /proc lists, ascending. Raises BadInput if there is no /proc."""
    try:
        return sorted(int(name) for name in os.listdir(root) if name.isdigit())
    except OSError as err:
        raise BadInput(f"cannot list the processes in {root}: {err.strerror}") from err


def seconds_since_boot(root: str = "/proc") -> float:
    """Return the current time of the clock that start times count on (/proc/uptime), in s."""
    return float(read(f"{root}/uptime").split()[0])


def read(path: str) -> bytes:
    """Read a file, at most one MiB of it. Raises OSError."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        chunks = [os.read(fd, 4096)]
        while chunks[-1] and len(chunks) * 4096 < _MAX_BYTES:
            chunks.append(os.read(fd, 4096))
        return b"".join(chunks)
    finally:
        os.close(fd)


@contextmanager
def translated(pid: int) -> Iterator[None]:
    """Convert errors of reading a process to BadInput."""
    if pid < 1:
        raise BadInput(f"{pid} is not a PID: a PID is 1 or more")
    try:
        yield
    except (FileNotFoundError, ProcessLookupError) as err:
        raise BadInput(f"there is no process {pid} here: it has ended, or never existed") from err
    except PermissionError as err:
        raise BadInput(
            f"permission denied for process {pid}: run sigtrace as root or grant CAP_SYS_PTRACE"
        ) from err
    except OSError as err:
        raise BadInput(f"process {pid} cannot be read: {err.strerror}") from err
