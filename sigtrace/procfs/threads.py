"""Read the threads of a process, each as it was at one moment.

A thread's facts are in several files, and it may run between two reads. One that has just been woken from
sigtimedwait(2) still shows the mask of the wait, as if it would drop what it waits for; one that is about to wait again
shows the signals blocked. So a thread counts as seen only if it slept during the whole look, and a look is repeated
until all do.
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from sigtrace.procfs import process
from sigtrace.procfs.process import PF_EXITING, PF_KTHREAD, Stat, read, read_status
from sigtrace.procfs.signal_target import Frozen, Thread
from sigtrace.signals import KERNEL_ONLY, STOP_REQUESTS

_SIGTIMEDWAIT = {"x86_64": 128, "aarch64": 137}
"""Number of rt_sigtimedwait(2) by machine; in a 32-bit program it is one of _SIGTIMEDWAIT_32."""
_SIGTIMEDWAIT_32 = (177, 421)

_PAUSES = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.03, 0.03)
"""Seconds before the second look, the third, ...: 0.1 s in all."""
_APART = 0.01
"""Seconds before a blocked signal is looked at again."""
_BUSY_NS = 2_000_000
"""Nanoseconds of CPU time between two looks, without a sleep, that show that a thread does not sleep at all."""


@dataclass(frozen=True)
class _Look:
    """One thread in one look."""

    thread: Thread
    asleep: bool
    """It did not run from the first read to the last: the facts belong together."""
    switches: str
    """How often it went to sleep by itself."""
    run_ns: int
    """CPU time that it has used; 0 = not known."""


def read_threads(
    pid: int, root: str, leader: Stat, frozen: Frozen, signalfd: int | None
) -> tuple[Thread, ...]:
    """Read all threads of a process, by TID. Raises OSError if it is gone.

    signalfd: the signals that it reads from a signalfd, for which it blocks them for good.

    A thread that was running at every look is `unsettled` and has `awaited` None, unless it has not slept at all
    meanwhile: then it is busy, and waits for nothing.
    """
    found = _settled(pid, root, leader, frozen)
    if _blocked_by_all(found) & ~(signalfd or 0):  # only around an event loop, perhaps
        time.sleep(_APART)
        again = {each.tid: each for each in _settled(pid, root, leader, frozen)}
        found = [_united(each, again.get(each.tid, each)) for each in found]
    return tuple(found)


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


def _settled(pid: int, root: str, leader: Stat, frozen: Frozen) -> list[Thread]:
    """Look until each thread was seen asleep, or was shown to be busy, or the looks are used up."""
    first = {look.thread.tid: look for look in _looks(pid, root, leader, frozen)}
    last = first
    for pause in _PAUSES:
        if all(look.asleep or _is_busy(first.get(tid), look) for tid, look in last.items()):
            break
        time.sleep(pause)
        latest = {look.thread.tid: look for look in _looks(pid, root, leader, frozen)}
        last = {tid: last[tid] if tid in last and last[tid].asleep else look for tid, look in latest.items()}
    return [
        look.thread
        if look.asleep or _is_busy(first.get(tid), look)
        else replace(look.thread, awaited=None, unsettled=True)
        for tid, look in sorted(last.items())
    ]


def _is_busy(first: _Look | None, now: _Look) -> bool:
    """Whether a running thread has used the processor from the first look to this one, without going to sleep."""
    if first is None or first.asleep or not first.run_ns:
        return False
    same = first.switches == now.switches and first.thread.blocked == now.thread.blocked
    return same and now.run_ns - first.run_ns >= _BUSY_NS


def _blocked_by_all(threads: list[Thread]) -> int:
    """Return the requests to stop that every living thread blocks."""
    living = [each.blocked for each in threads if not each.exiting]
    common = STOP_REQUESTS if living else 0
    for mask in living:
        common &= mask
    return common


def _united(one: Thread, other: Thread) -> Thread:
    """Return a thread as seen in two looks: it blocks what it blocked in both, and awaits what it awaited in either."""
    if one.awaited is None or other.awaited is None:
        return one if one.awaited is None else other
    return replace(one, blocked=one.blocked & other.blocked, awaited=one.awaited | other.awaited)


def _looks(pid: int, root: str, leader: Stat, frozen: Frozen) -> Iterator[_Look]:
    base, found = f"{root}/{pid}/task", []
    for tid in sorted(int(name) for name in os.listdir(base)):
        try:
            found.append((tid, read_status(tid, base)))
        except (FileNotFoundError, ProcessLookupError):
            if tid == pid:
                raise
    hangs = frozen != "v1" and any(status["State"][0] == "D" for _, status in found)
    for tid, status in found:
        state = status["State"][0]
        sleeps = state in "SD" and not leader.flags & PF_KTHREAD
        thread = Thread(
            tid=tid,
            state=state,
            blocked=process.mask(status, "SigBlk"),
            pending=process.mask(status, "SigPnd"),
            awaited=awaited(f"{base}/{tid}", hangs) if sleeps else 0,
            tracer_pid=int(status["TracerPid"]),
            exiting=state in "ZX" or (tid == pid and bool(leader.flags & PF_EXITING)),
        )
        asleep = state != "R" and _has_not_run(status, tid, base)
        switches = status.get("voluntary_ctxt_switches", "")
        yield _Look(thread, asleep, switches, 0 if asleep else _run_ns(f"{base}/{tid}"))


def _has_not_run(before: Mapping[str, str], tid: int, base: str) -> bool:
    """Whether the thread has not run since its status was read: going to sleep again would have been counted."""
    try:
        after = read_status(tid, base)
    except OSError:
        return True  # it has ended
    names = ("State", "SigBlk", "voluntary_ctxt_switches", "nonvoluntary_ctxt_switches")
    return all(before.get(name) == after.get(name) for name in names)


def _run_ns(task: str) -> int:
    """Read the CPU time of a thread, in ns; 0 if the kernel does not show it (CONFIG_SCHED_INFO)."""
    try:
        return int(read(f"{task}/schedstat").split()[0])
    except (OSError, ValueError, IndexError):
        return 0


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
