"""Single processes as /proc shows them: the facts `sigtrace.predict.kernel_rules` needs, and the only reader of them.

Everything here is read while processes come and go. A process that is gone, or that nobody may look at, is a
BadInput in one sentence; a single fact that only root may read is None in the `Target`.

Nothing here waits for the process: command line and memory are read behind its mmap_lock, which a thread in
uninterruptible sleep may hold for ever, so neither is read while it has such a thread. (The v1 freezer's
sleep looks the same, but holds no lock.)
"""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from sigtrace.errors import BadInput
from sigtrace.procfs import freezer
from sigtrace.procfs.target import Frozen, Target, Thread
from sigtrace.signals import KERNEL_ONLY
from sigtrace.text import decode

INITIAL_PID_NS = 4026531836
"""Inode of the initial PID namespace (PROC_PID_INIT_INO, `include/linux/proc_ns.h`)."""

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
"""Of start times: 100 on every Linux that matters, but it is libc's to say."""

SHELLS = frozenset(("sh", "bash", "dash", "ash", "zsh", "ksh", "mksh"))

PF_EXITING, PF_KTHREAD = 0x4, 0x00200000
_SIGTIMEDWAIT = {"x86_64": 128, "aarch64": 137}
"""Number of rt_sigtimedwait(2) by machine; under a 32-bit program it is one of _SIGTIMEDWAIT_32."""
_SIGTIMEDWAIT_32 = (177, 421)
_MAX_BYTES = 1 << 20


@dataclass(frozen=True)
class Stat:
    """The fields of /proc/PID/stat that matter here (`do_task_stat()`, fs/proc/array.c)."""

    comm: str
    state: str
    ppid: int
    pgrp: int
    session: int
    flags: int
    threads: int
    start_ticks: int
    """Clock ticks (os.sysconf("SC_CLK_TCK"), 1/100 s) from boot to its start."""


def read_target(
    pid: int, root: str = "/proc", mounted: tuple[freezer.Hierarchy, ...] | None = None
) -> Target:
    """Everything `predict` asks about the process `pid`, which may also be the number of one of its threads.

    `root` is where /proc is mounted; `mounted` saves reading the cgroup mounts again for many targets.
    Raises BadInput when there is no such process, or /proc hides it.
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
    """The fields of /proc/PID/status as text. Raises OSError."""
    lines = read(f"{root}/{pid}/status").decode(errors="backslashreplace").splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def read_stat(pid: int, root: str = "/proc") -> Stat:
    """The fields of /proc/PID/stat. Raises OSError."""
    return parse_stat(read(f"{root}/{pid}/stat"))


def parse_stat(raw: bytes) -> Stat:
    """One line of /proc/PID/stat; the command's name stands between the first `(` and the last `)`."""
    start, end = raw.index(b"(") + 1, raw.rindex(b")")
    fields = raw[end + 2 :].split()
    ppid, pgrp, session = (int(field) for field in fields[1:4])
    comm = decode(raw[start:end])
    return Stat(
        comm, fields[0].decode(), ppid, pgrp, session, int(fields[6]), int(fields[17]), int(fields[19])
    )


def read_cmdline(target: Target, root: str = "/proc") -> tuple[str, ...]:
    """The command line; empty for a kernel thread or a zombie, when it is not readable, or might hang."""
    if target.frozen != "v1" and any(thread.state == "D" for thread in target.threads):
        return ()
    try:
        raw = read(f"{root}/{target.pid}/cmdline")
    except OSError:
        return ()
    return tuple(decode(word) for word in raw.rstrip(b"\0").split(b"\0")) if raw else ()


def is_shell(comm: str, cmdline: Sequence[str]) -> bool:
    """Whether this is a shell: by its name, or, for a script, by its interpreter's."""
    called = [word.rpartition("/")[2].removeprefix("-") for word in cmdline[:2]]
    name = called[1] if called[1:] and called[0] == "busybox" else "".join(called[:1])
    return comm in SHELLS or name in SHELLS


def read_signalfd_mask(pid: int, root: str = "/proc") -> int | None:
    """Union of the masks of the process's signalfds (`signalfd_show_fdinfo()`); None = not readable."""
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
    """Whether no member of the process group has a parent elsewhere in the session: job control is off then.

    `will_become_orphaned_pgrp()`, kernel/exit.c. Reads the stat of every process unless the process's own
    parent settles it. Numbers of processes outside the namespace of /proc are 0 there.
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
    """Inode of the PID namespace the process lives in; None = not readable. Raises OSError."""
    nsid = namespace_link(pid, root)
    if nsid is None and len(read_status_field(pid, "NSpid", root).split()) == 1:
        return namespace_of_proc(root)  # it lives where /proc belongs, and we may look at ourselves
    return nsid


def namespace_link(pid: int | str, root: str = "/proc") -> int | None:
    """The inode as /proc/PID/ns/pid shows it; None = not readable. Raises OSError."""
    try:
        return int(os.readlink(f"{root}/{pid}/ns/pid").partition("[")[2].rstrip("]"))
    except PermissionError:
        return None


def namespace_of_proc(root: str = "/proc") -> int | None:
    """Inode of the PID namespace that /proc belongs to, if it is our own: the other case cannot be told."""
    try:
        alone = len(read_status_field("self", "NSpid", root).split()) == 1
        return namespace_link("self", root) if alone else None
    except OSError:
        return None


def read_status_field(pid: int | str, name: str, root: str = "/proc") -> str:
    """One field of /proc/PID/status, empty when the kernel does not have it. Raises OSError."""
    marker = f"\n{name}:".encode()
    _, found, rest = read(f"{root}/{pid}/status").partition(marker)
    return rest.split(b"\n", 1)[0].strip().decode() if found else ""


def freezing_mounts(root: str = "/proc") -> tuple[freezer.Hierarchy, ...]:
    """The cgroup mounts that can freeze, as this process sees them."""
    return freezer.hierarchies(read(f"{root}/self/mountinfo"))


def pids(root: str = "/proc") -> list[int]:
    """Every process /proc lists, ascending."""
    try:
        return sorted(int(name) for name in os.listdir(root) if name.isdigit())
    except OSError as err:
        raise BadInput(f"cannot list the processes in {root}: {err.strerror}") from err


def seconds_since_boot(root: str = "/proc") -> float:
    """The clock that start times count on (/proc/uptime)."""
    return float(read(f"{root}/uptime").split()[0])


def read(path: str) -> bytes:
    """The file's bytes, one MiB at most. Raises OSError."""
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
    """The one place where errors of reading a process become a sentence."""
    if pid < 1:
        raise BadInput(f"{pid} is no PID: a PID is 1 or more")
    try:
        yield
    except (FileNotFoundError, ProcessLookupError) as err:
        raise BadInput(f"there is no process {pid} here: it has ended, or was never born") from err
    except PermissionError as err:
        raise BadInput(f"process {pid} is not yours to look at: run sigtrace as root") from err
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
    """The set a sleeping thread waits for in sigtimedwait(2): its first argument, read from its memory.

    `task` is its directory, /proc/PID/task/TID. 0 = it does not wait; None = it may not be read, or might hang.
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
    """By the syscall's number, confirmed by where the thread sleeps unless the kernel does not say (`0`)."""
    if number in (b"running", b"-1"):
        return False
    if int(number) == _SIGTIMEDWAIT.get(platform.machine()):
        # a thread that the v1 freezer stopped in there sleeps in __refrigerator() before Linux 6.1
        return wchan in (b"", b"0") or b"sigtimedwait" in wchan or b"refrigerator" in wchan
    return int(number) in _SIGTIMEDWAIT_32 and b"sigtimedwait" in wchan


def _is_busy_shell(target: Target, root: str) -> bool:
    """Whether it is a shell that has a child; a kernel that does not tell (CONFIG_PROC_CHILDREN) means yes."""
    if not is_shell(target.comm, read_cmdline(target, root)):
        return False
    try:
        return bool(read(f"{root}/{target.pid}/task/{target.pid}/children"))
    except OSError:
        return True


def _holds_group(member: Stat, root: str) -> bool:
    """The member's parent is in its session but not in its group, and is not the global init."""
    try:
        parent = read_stat(member.ppid, root)
        global_init = member.ppid == 1 and namespace_of(1, root) == INITIAL_PID_NS
    except OSError:
        return False
    return not global_init and parent.pgrp != member.pgrp and parent.session == member.session


def _mask(status: Mapping[str, str], field: str) -> int:
    return int(status.get(field, "0"), 16)
