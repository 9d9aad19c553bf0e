"""Read a process from /proc: the facts that `sigtrace.predict.kernel_rules` needs.

Processes come and go while they are read. A process that is gone or not readable raises BadInput; a single fact
that only root may read is None in the `Target`.

No read here may block. The kernel reads command line and memory under the process's mmap_lock, which a thread in
uninterruptible sleep may hold for ever, so neither is read while the process has such a thread. (Sleep in the v1
freezer has the same state, but holds no lock.)
"""

from __future__ import annotations

from dataclasses import replace

from sigtrace.procfs import family, freezer
from sigtrace.procfs.process import (
    INITIAL_PID_NS,
    PF_KTHREAD,
    Stat,
    freezing_mounts,
    mask,
    namespace_of,
    pids,
    read,
    read_signalfd_mask,
    read_stat,
    read_status,
    shell_name,
    translated,
)
from sigtrace.procfs.signal_target import Target
from sigtrace.procfs.threads import read_threads
from sigtrace.text import decode


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
        signalfd = 0 if kthread or stat.state in "ZX" else read_signalfd_mask(pid_of_group, root)
        target = Target(
            pid=pid_of_group,
            comm=stat.comm,
            threads=read_threads(pid_of_group, root, stat, frozen, signalfd),
            state=stat.state,
            ignored=mask(status, "SigIgn"),
            caught=mask(status, "SigCgt"),
            shared_pending=mask(status, "ShdPnd"),
            signalfd=signalfd,
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
            pgrp=stat.pgrp,
            session=stat.session,
        )
        shell = shell_name(target.comm, read_cmdline(target, root)) if target.caught else ""
        if not shell:
            return target
        return replace(
            target,
            shell=shell,
            wchan=_wchan(pid_of_group, root),
            children=family.children(pid_of_group, root),
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


def _holds_group(member: Stat, root: str) -> bool:
    """Return whether the member's parent is in its session, in another group, and is not the global init."""
    try:
        parent = read_stat(member.ppid, root)
        global_init = member.ppid == 1 and namespace_of(1, root) == INITIAL_PID_NS
    except OSError:
        return False
    return not global_init and parent.pgrp != member.pgrp and parent.session == member.session


def _wchan(pid: int, root: str) -> str:
    """Read the kernel function that the process sleeps in; `0` or empty if that is hidden, or if it runs."""
    try:
        return decode(read(f"{root}/{pid}/wchan"))
    except OSError:
        return ""
