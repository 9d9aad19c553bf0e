"""Read a namespace from /proc, in the helper. Standard library only, no state.

The order matters, as the helper may be killed at any time. First status, stat, wchan and stack of every task, which
need no lock of another task; then the cgroup; then, one process at a time, what the kernel reads under the process's
mmap_lock: the set that it waits for in sigtimedwait(2), and its command line.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from sigtrace import clock, signals
from sigtrace.procfs import freezer, process, threads
from sigtrace.procfs.namespaces import ancestors
from sigtrace.snapshot import cgroups
from sigtrace.snapshot.columns import SnapshotRow, row
from sigtrace.text import decode

MAX_TASKS = 1000
"""Rows of one snapshot, so that a fork bomb does not take longer than the deadline."""
MAX_THREADS = 200
"""Rows of one process: its leader and the first threads."""
_MAX_TEXT = 1000
"""Characters kept of a stack and of a command line."""
_NO_MASK = f"{0:016x}"


@dataclass(frozen=True)
class SnapshotRequest:
    """The namespace to read, and the values to repeat in each row; see `snapshot.take`."""

    nsid: int
    trigger: str
    again: bool = False
    ns_start: int = 0
    root: str = "/proc"


@dataclass
class _SnapshotPass:
    """The state of one snapshot."""

    request: SnapshotRequest
    time: int
    mounted: tuple[freezer.Hierarchy, ...]
    members: dict[int, int]
    """PID -> the inode of the namespace that it lives in."""
    ns_start: int = 0
    rows: int = 0
    tasks: int = 0
    stuck: set[int] = field(default_factory=set)
    """Processes with a thread in uninterruptible sleep, which may hold the process's mmap_lock."""
    comms: dict[int, str] = field(default_factory=dict)


def read(request: SnapshotRequest) -> Iterator[SnapshotRow]:
    """Yield rows as they are read: those of tasks, that of the namespace, then later values of tasks' rows.

    A row of later values contains only `pid`, `tid` and these values.
    """
    root = request.root
    state = _SnapshotPass(
        request, time.time_ns(), process.freezing_mounts(root), _members(request.nsid, root)
    )
    init = _init(state)
    if request.ns_start and state.ns_start and state.ns_start != request.ns_start:
        state.members, init = {}, 0  # the inode belongs to another namespace by now
    order = sorted(state.members, key=lambda pid: (pid != init, pid))
    read_pids = []
    for pid in order:
        with contextlib.suppress(OSError, KeyError, ValueError, IndexError):  # it ended meanwhile
            yield from _process(state, pid)
            read_pids.append(pid)
    yield _namespace(state, init or (order[0] if order else 0))
    for pid in read_pids:
        with contextlib.suppress(OSError, ValueError):
            yield from _under_mmap_lock(state, pid)


def _members(nsid: int, root: str) -> dict[int, int]:
    """Return PID -> inode for every process in the namespace or below it; for the initial one, only in it."""
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


def _init(state: _SnapshotPass) -> int:
    """Return the PID of the namespace's init, 0 if there is none."""
    root = state.request.root
    for pid, inode in state.members.items():
        if inode == state.request.nsid:
            with contextlib.suppress(OSError, IndexError, ValueError):
                if process.read_status_field(pid, "NSpid", root).split()[-1] == "1":
                    state.ns_start = clock.kernel_ticks(process.read_stat(pid, root).start_ticks)
                    return pid
    return 0


def _process(state: _SnapshotPass, pid: int) -> Iterator[SnapshotRow]:
    """Yield the rows of one process, the leader's first."""
    root = state.request.root
    base = f"{root}/{pid}/task"
    tids = sorted((int(name) for name in os.listdir(base)), key=lambda tid: (tid != pid, tid))
    state.tasks += len(tids)
    room = max(min(MAX_TASKS - state.rows, MAX_THREADS), 0)
    if not room:
        return
    frozen = freezer.frozen(membership := process.read(f"{root}/{pid}/cgroup"), state.mounted)
    leader = process.read_stat(pid, root)
    for tid in tids[:room]:
        try:
            status, stat = process.read_status(tid, base), process.read_stat(tid, base)
        except OSError:
            continue  # this thread ended
        facts = _facts(status, stat) | _parentage(state, status)
        if stat.state == "D" and frozen != "v1":
            state.stuck.add(pid)
        state.rows += 1
        yield row(
            **_about(state),
            **facts,
            pid=pid,
            tid=tid,
            task_nsid=state.members[pid],
            is_init=facts["ns_pid"] == 1,
            start_ticks=leader.start_ticks,
            threads=leader.threads,
            pgrp=leader.pgrp,
            session=leader.session,
            wchan=_text(f"{base}/{tid}/wchan").strip("\0\n"),
            stack=_stack(f"{base}/{tid}/stack"),
            signalfd=_hex(process.read_signalfd_mask(pid, root)) if tid == pid and _may_read(facts) else "",
            frozen=frozen,
            cgroup=cgroups.path_of(membership),
        )


def _facts(status: dict[str, str], stat: process.Stat) -> dict[str, int | str | bool]:
    """Return the columns of a thread from its status and stat."""
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


def _may_read(facts: dict[str, int | str | bool]) -> bool:
    """Whether a process may have a signalfd that matters: an init, or one that blocks a stop signal.

    A signal that is not blocked is delivered, and does not reach a signalfd. To look through all descriptors of all
    processes would take long.
    """
    return facts["ns_pid"] == 1 or bool(int(str(facts["blocked"]), 16) & signals.STOP_REQUESTS)


def _parentage(state: _SnapshotPass, status: dict[str, str]) -> dict[str, int | str | bool]:
    """Return the columns about the parent, which has to reap it, and the tracer."""
    ppid, tracer = int(status["PPid"]), int(status["TracerPid"])
    return {
        "ppid": ppid,
        "parent_comm": _comm(state, ppid),
        "parent_outside": ppid not in state.members,
        "tracer_pid": tracer,
        "tracer_comm": _comm(state, tracer),
    }


def _comm(state: _SnapshotPass, pid: int) -> str:
    if pid and pid not in state.comms:
        state.comms[pid] = decode(_bytes(f"{state.request.root}/{pid}/comm").rstrip(b"\n"))
    return state.comms.get(pid, "")


def _namespace(state: _SnapshotPass, pid: int) -> SnapshotRow:
    """Make the namespace's own row, with the limits of the cgroup that `pid` is in."""
    limits = cgroups.limits(pid, state.request.root) if pid else cgroups.UNKNOWN
    left_out = state.tasks - state.rows
    return row(**_about(state), **limits, tasks=state.tasks, left_out=left_out)


def _under_mmap_lock(state: _SnapshotPass, pid: int) -> Iterator[SnapshotRow]:
    """Yield what the kernel reads from the process's memory. Only these reads can block."""
    if pid in state.stuck:
        return
    base = f"{state.request.root}/{pid}"
    for name in os.listdir(f"{base}/task")[:MAX_THREADS]:
        yield {"pid": pid, "tid": int(name), "awaited": _hex(threads.awaited(f"{base}/task/{name}"))}
    words = process.read(f"{base}/cmdline").rstrip(b"\0").split(b"\0")
    yield {"pid": pid, "tid": 0, "cmdline": " ".join(decode(word) for word in words)[:_MAX_TEXT]}


def _about(state: _SnapshotPass) -> SnapshotRow:
    request = state.request
    return {
        "time": state.time,
        "nsid": request.nsid,
        "ns_start": state.ns_start or request.ns_start,
        "trigger": request.trigger,
        "again": request.again,
    }


def _stack(path: str) -> str:
    """Read the functions of a /proc/PID/stack, such as `do_wait kernel_wait4 zap_pid_ns_processes`."""
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
