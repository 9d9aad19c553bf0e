"""Reading a namespace from /proc: what the helper does. Standard library only, no state.

In order: status, stat, wchan and stack of every task (no lock but of the task itself), then the cgroup, then what
lies behind the process's mmap_lock, one process at a time: the set it waits for in sigtimedwait(2) and its
command line. Whoever is killed on the way has told all but that.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from sigtrace.procfs import freezer, process
from sigtrace.procfs.namespaces import ancestors
from sigtrace.snapshot import cgroups
from sigtrace.snapshot.columns import Row, row
from sigtrace.text import decode

MAX_TASKS = 1000
MAX_THREADS = 200
"""Of one process: its leader and the first ones."""
_MAX_TEXT = 1000
"""Characters of a stack and of a command line."""
_NO_MASK = f"{0:016x}"


@dataclass(frozen=True)
class Request:
    """What to look at, and what to say about it in each row; see `snapshot.take`."""

    nsid: int
    trigger: str
    again: bool = False
    ns_start: int = 0
    root: str = "/proc"


@dataclass
class _Look:
    """One pass: where it reads, and what it has found."""

    request: Request
    time: int
    mounted: tuple[freezer.Hierarchy, ...]
    members: dict[int, int]
    """PID -> the namespace it lives in."""
    ns_start: int = 0
    rows: int = 0
    tasks: int = 0
    stuck: set[int] = field(default_factory=set)
    """Processes with a thread in uninterruptible sleep, whose mmap_lock that thread may hold."""
    comms: dict[int, str] = field(default_factory=dict)


def read(request: Request) -> Iterator[Row]:
    """The rows as they are read: a task's, then the namespace's, then amendments.

    An amendment has only `pid`, `tid` and the columns it fills in.
    """
    root = request.root
    look = _Look(request, time.time_ns(), process.freezing_mounts(root), _members(request.nsid, root))
    init = _init(look)
    if request.ns_start and look.ns_start and look.ns_start != request.ns_start:
        look.members, init = {}, 0  # another namespace by now
    order = sorted(look.members, key=lambda pid: (pid != init, pid))
    read_pids = []
    for pid in order:
        with contextlib.suppress(OSError, KeyError, ValueError, IndexError):  # it ended meanwhile
            yield from _process(look, pid)
            read_pids.append(pid)
    yield _namespace(look, init or (order[0] if order else 0))
    for pid in read_pids:
        with contextlib.suppress(OSError, ValueError):
            yield from _behind_the_lock(look, pid)


def _members(nsid: int, root: str) -> dict[int, int]:
    """PID -> namespace, for every process in the namespace or below it; for the initial one, only in it."""
    below: dict[int, bool] = {nsid: True}
    members = {}
    for pid in process.pids(root):
        with contextlib.suppress(OSError, ValueError):
            inode = process.namespace_link(pid, root)
            if inode is None:
                continue
            if inode not in below:
                path = f"{root}/{pid}/ns/pid"
                below[inode] = nsid != process.INITIAL_PID_NS and nsid in ancestors(path)
            if below[inode]:
                members[pid] = inode
    return members


def _init(look: _Look) -> int:
    """The PID of the namespace's init, 0 without one."""
    root = look.request.root
    for pid, inode in look.members.items():
        if inode == look.request.nsid:
            with contextlib.suppress(OSError, IndexError, ValueError):
                if process.read_status_field(pid, "NSpid", root).split()[-1] == "1":
                    look.ns_start = process.read_stat(pid, root).start_ticks
                    return pid
    return 0


def _process(look: _Look, pid: int) -> Iterator[Row]:
    """The rows of one process, leader first."""
    root = look.request.root
    base = f"{root}/{pid}/task"
    tids = sorted((int(name) for name in os.listdir(base)), key=lambda tid: (tid != pid, tid))
    look.tasks += len(tids)
    room = max(min(MAX_TASKS - look.rows, MAX_THREADS), 0)
    if not room:
        return
    frozen = freezer.frozen(membership := process.read(f"{root}/{pid}/cgroup"), look.mounted)
    leader = process.read_stat(pid, root)
    for tid in tids[:room]:
        try:
            status, stat = process.read_status(tid, base), process.read_stat(tid, base)
        except OSError:
            continue  # this thread ended
        facts = _facts(status, stat) | _parentage(look, status)
        if stat.state == "D" and frozen != "v1":
            look.stuck.add(pid)
        init = facts["ns_pid"] == 1
        look.rows += 1
        yield row(
            **_about(look),
            **facts,
            pid=pid,
            tid=tid,
            task_nsid=look.members[pid],
            is_init=init,
            start_ticks=leader.start_ticks,
            threads=leader.threads,
            wchan=_text(f"{base}/{tid}/wchan").strip("\0\n"),
            stack=_stack(f"{base}/{tid}/stack"),
            signalfd=_hex(process.read_signalfd_mask(pid, root)) if init and tid == pid else "",
            frozen=frozen,
            cgroup=cgroups.path_of(membership),
        )


def _facts(status: dict[str, str], stat: process.Stat) -> dict[str, int | str | bool]:
    """What status and stat say of a thread."""
    used, _, limit = status.get("SigQ", "").partition("/")
    return {
        "comm": stat.comm,
        "state": stat.state,
        "exiting": stat.state in "ZX" or bool(stat.flags & process.PF_EXITING),
        "ns_pid": int(status["NSpid"].split()[-1]) if status["Tgid"] == status["Pid"] else 0,
        "pending": status.get("SigPnd", _NO_MASK),
        "shared_pending": status.get("ShdPnd", _NO_MASK),
        "blocked": status.get("SigBlk", _NO_MASK),
        "ignored": status.get("SigIgn", _NO_MASK),
        "caught": status.get("SigCgt", _NO_MASK),
        "queue_used": int(used or 0),
        "queue_limit": min(int(limit or 0), (1 << 63) - 1),
        "core_dumping": status.get("CoreDumping") == "1",
        "rss_kib": int(status.get("VmRSS", "0").split()[0]),
    }


def _parentage(look: _Look, status: dict[str, str]) -> dict[str, int | str | bool]:
    """Who would reap it, and who traces it."""
    ppid, tracer = int(status["PPid"]), int(status["TracerPid"])
    return {
        "ppid": ppid,
        "parent_comm": _comm(look, ppid),
        "parent_outside": ppid not in look.members,
        "tracer_pid": tracer,
        "tracer_comm": _comm(look, tracer),
    }


def _comm(look: _Look, pid: int) -> str:
    if pid and pid not in look.comms:
        look.comms[pid] = decode(_bytes(f"{look.request.root}/{pid}/comm").rstrip(b"\n"))
    return look.comms.get(pid, "")


def _namespace(look: _Look, pid: int) -> Row:
    """The namespace's own row, with the limits of the cgroup that `pid` is in."""
    limits = cgroups.limits(pid, look.request.root) if pid else cgroups.UNKNOWN
    left_out = look.tasks - look.rows
    return row(**_about(look), **limits, tasks=look.tasks, left_out=left_out)


def _behind_the_lock(look: _Look, pid: int) -> Iterator[Row]:
    """What is read through the process's memory: this is what can hang."""
    if pid in look.stuck:
        return
    base = f"{look.request.root}/{pid}"
    for name in os.listdir(f"{base}/task")[:MAX_THREADS]:
        yield {"pid": pid, "tid": int(name), "awaited": _hex(process.awaited(f"{base}/task/{name}"))}
    words = process.read(f"{base}/cmdline").rstrip(b"\0").split(b"\0")
    yield {"pid": pid, "tid": 0, "cmdline": " ".join(decode(word) for word in words)[:_MAX_TEXT]}


def _about(look: _Look) -> Row:
    asked = look.request
    return {
        "time": look.time,
        "nsid": asked.nsid,
        "ns_start": look.ns_start or asked.ns_start,
        "trigger": asked.trigger,
        "again": asked.again,
    }


def _stack(path: str) -> str:
    """The functions of a /proc/PID/stack, such as `do_wait kernel_wait4 zap_pid_ns_processes`."""
    lines = _text(path).splitlines()
    return " ".join(line.rpartition("] ")[2].partition("+")[0] for line in lines)[:_MAX_TEXT]


def _text(path: str) -> str:
    return _bytes(path).decode(errors="backslashreplace")


def _bytes(path: str) -> bytes:
    try:
        return process.read(path)
    except OSError:
        return b""


def _hex(mask: int | None) -> str:
    return "" if mask is None else f"{mask:016x}"
