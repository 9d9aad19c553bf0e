"""Read single processes from /proc: the facts that `sigtrace.predict.kernel_rules` needs.

Processes come and go while they are read. A process that is gone or not readable raises BadInput; a single fact
that only root may read is None in the `Target`.

No read here may block. The kernel reads command line and memory under the process's mmap_lock, which a thread in
uninterruptible sleep may hold for ever, so neither is read while the process has such a thread. (Sleep in the v1
freezer has the same state, but holds no lock.)
"""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from sigtrace.errors import BadInput
from sigtrace.procfs import freezer
from sigtrace.procfs.signal_target import Frozen, Target, Thread
from sigtrace.signals import KERNEL_ONLY
from sigtrace.text import decode

INITIAL_PID_NS = 4026531836
"""Inode of the initial PID namespace (PROC_PID_INIT_INO, `include/linux/proc_ns.h`)."""

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
"""Clock ticks per second in start times; 100 on all common machines."""

SHELLS = frozenset(("sh", "bash", "dash", "ash", "zsh", "ksh", "mksh"))

PF_EXITING, PF_KTHREAD = 0x4, 0x00200000
_SIGTIMEDWAIT = {"x86_64": 128, "aarch64": 137}
"""Number of rt_sigtimedwait(2) by machine; in a 32-bit program it is one of _SIGTIMEDWAIT_32."""
_SIGTIMEDWAIT_32 = (177, 421)
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


def read_target(
    pid: int, root: str = "/proc", mounted: tuple[freezer.Hierarchy, ...] | None = None
) -> Target:
    """Read everything that `predict` needs about the process `pid`, which may also be a TID.

    `root` is where /proc is mounted; `mounted` avoids reading the cgroup mounts again for many targets.
    Raises BadInput if there is no such process, or if /proc hides it.
    """
    with translated(pid):
        pid_of_group = int(read_status(pid, root)["Tgid"])
        status, stat = read_status(pid_of_group, root), read_stat(pid_of_group, root)
        numbers = [int(number) for number in status["NSpid"].split()]
        nsid = namespace_of(pid_of_group, root)
        mounted = freezing_mounts(root) if mounted is None else mounted
        frozen = freezer.frozen(read(f"{root}/{pid_of_group}/cgroup"), mounted)
        used, _, limit = status.get("SigQ", "").partition("/")
        kthread, init = bool(stat.flags & PF_KTHREAD), numbers[-1] == 1
        target = Target(
            pid=pid_of_group,
            comm=stat.comm,
            threads=tuple(_read_threads(pid_of_group, root, stat, frozen)),
            state=stat.state,
            ignored=_mask(status, "SigIgn"),
            caught=_mask(status, "SigCgt"),
            shared_pending=_mask(status, "ShdPnd"),
            signalfd=0 if kthread or stat.state in "ZX" else read_signalfd_mask(pid_of_group, root),
            unkillable=init,
            global_init=init and nsid == INITIAL_PID_NS,
            kthread=kthread,
            core_dumping=status.get("CoreDumping") == "1",
            frozen=frozen,
            orphaned_group=None if init or kthread else is_orphaned_group(stat, root),
            queue_used=int(used or 0),
            queue_limit=int(limit) if limit else None,
            looked_up=0 if pid == pid_of_group else pid,
            ns_pid=numbers[-1],
            nsid=nsid,
            level=len(numbers) - 1,
            start_ticks=stat.start_ticks,
        )
        return replace(target, busy_shell=bool(target.caught) and _is_busy_shell(target, root))


def read_status(pid: int, root: str = "/proc") -> dict[str, str]:
    """Read the fields of /proc/PID/status as text. Raises OSError."""
    lines = read(f"{root}/{pid}/status").decode(errors="backslashreplace").splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def read_stat(pid: int, root: str = "/proc") -> Stat:
    """Read the fields of /proc/PID/stat. Raises OSError."""
    return parse_stat(read(f"{root}/{pid}/stat"))


def parse_stat(raw: bytes) -> Stat:
    """Parse /proc/PID/stat. The comm is between the first `(` and the last `)`, as it may contain both."""
    start, end = raw.index(b"(") + 1, raw.rindex(b")")
    fields = raw[end + 2 :].split()
    ppid, pgrp, session = (int(field) for field in fields[1:4])
    comm = decode(raw[start:end])
    return Stat(
        comm, fields[0].decode(), ppid, pgrp, session, int(fields[6]), int(fields[17]), int(fields[19])
    )


def read_cmdline(target: Target, root: str = "/proc") -> tuple[str, ...]:
    """Read the command line; empty for a kernel thread or a zombie, and if it is not readable or might block."""
    if target.frozen != "v1" and any(thread.state == "D" for thread in target.threads):
        return ()
    try:
        raw = read(f"{root}/{target.pid}/cmdline")
    except OSError:
        return ()
    return tuple(decode(word) for word in raw.rstrip(b"\0").split(b"\0")) if raw else ()


def is_shell(comm: str, cmdline: Sequence[str]) -> bool:
    """Return whether this is a shell, by its comm or its program; the comm of a script is the script's name."""
    names = [word.rpartition("/")[2].removeprefix("-") for word in cmdline[:2]]
    name = names[1] if names[1:] and names[0] == "busybox" else "".join(names[:1])
    return comm in SHELLS or name in SHELLS


def read_signalfd_mask(pid: int, root: str = "/proc") -> int | None:
    """Read the union of the masks of the process's signalfds (`signalfd_show_fdinfo()`); None = not readable."""
    mask = 0
    try:
        for fd in os.listdir(f"{root}/{pid}/fd"):
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


def is_orphaned_group(stat: Stat, root: str = "/proc") -> bool:
    """Return whether the process group is orphaned (`will_become_orphaned_pgrp()`, kernel/exit.c).

    That is so if no member has a parent in another group of the session; job control is off then. Reads the stat of
    every process unless the process's own parent decides it. PIDs outside the namespace of /proc are 0 there.
    """
    if _holds_group(stat, root):
        return False
    for pid in pids(root):
        try:
            member = read_stat(pid, root)
        except OSError:
            continue
        if member.pgrp == stat.pgrp and member.state not in "ZX" and _holds_group(member, root):
            return False
    return True


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


def _read_threads(pid: int, root: str, leader: Stat, frozen: Frozen) -> Iterator[Thread]:
    base, threads = f"{root}/{pid}/task", []
    for tid in sorted(int(name) for name in os.listdir(base)):
        try:
            threads.append((tid, read_status(tid, base)))
        except (FileNotFoundError, ProcessLookupError):
            if tid == pid:
                raise
    hangs = frozen != "v1" and any(status["State"][0] == "D" for _, status in threads)
    for tid, status in threads:
        state = status["State"][0]
        asleep = state in "SD" and not leader.flags & PF_KTHREAD
        yield Thread(
            tid=tid,
            state=state,
            blocked=_mask(status, "SigBlk"),
            pending=_mask(status, "SigPnd"),
            awaited=awaited(f"{base}/{tid}", hangs) if asleep else 0,
            tracer_pid=int(status["TracerPid"]),
            exiting=state in "ZX" or (tid == pid and bool(leader.flags & PF_EXITING)),
        )


def awaited(task: str, hangs: bool = False) -> int | None:
    """Read the set that a sleeping thread waits for in sigtimedwait(2): its first argument, from its memory.

    `task` is its directory, /proc/PID/task/TID. 0 = it does not wait; None = not readable, or the read might block.
    """
    try:
        call = read(f"{task}/syscall").split()
        if not call or not _is_sigtimedwait(call[0], read(f"{task}/wchan")):
            return 0
        if hangs:
            return None
        fd = os.open(f"{task}/mem", os.O_RDONLY | os.O_CLOEXEC)
        try:
            raw = os.pread(fd, 8, int(call[1], 16))
        finally:
            os.close(fd)
        return int.from_bytes(raw, "little") & ~KERNEL_ONLY if len(raw) == 8 else None
    except OSError:
        return None


def _is_sigtimedwait(number: bytes, wchan: bytes) -> bool:
    """Check the syscall's number, and the function the thread sleeps in unless the kernel hides it (`0`).

    The number alone is ambiguous: a 32-bit program has other numbers.
    """
    if number in (b"running", b"-1"):
        return False
    if int(number) == _SIGTIMEDWAIT.get(platform.machine()):
        # a thread that the v1 freezer stopped in there sleeps in __refrigerator() before Linux 6.1
        return wchan in (b"", b"0") or b"sigtimedwait" in wchan or b"refrigerator" in wchan
    return int(number) in _SIGTIMEDWAIT_32 and b"sigtimedwait" in wchan


def _is_busy_shell(target: Target, root: str) -> bool:
    """Return whether it is a shell with a child; True if the kernel does not show it (CONFIG_PROC_CHILDREN)."""
    if not is_shell(target.comm, read_cmdline(target, root)):
        return False
    try:
        return bool(read(f"{root}/{target.pid}/task/{target.pid}/children"))
    except OSError:
        return True


def _holds_group(member: Stat, root: str) -> bool:
    """Return whether the member's parent is in its session, in another group, and is not the global init."""
    try:
        parent = read_stat(member.ppid, root)
        global_init = member.ppid == 1 and namespace_of(1, root) == INITIAL_PID_NS
    except OSError:
        return False
    return not global_init and parent.pgrp != member.pgrp and parent.session == member.session


def _mask(status: Mapping[str, str], field: str) -> int:
    return int(status.get(field, "0"), 16)
