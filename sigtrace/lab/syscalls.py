"""System calls that Python's standard library lacks or restricts, for actors.

glibc reserves signals 32 and 33, and Python refuses what glibc refuses; here every signal goes directly to the
kernel. Standard library only: actors run under `python -I -S`. Every failure is an OSError with its errno.
"""

from __future__ import annotations

import ctypes
import errno
import os
import signal
import struct
from collections.abc import Iterable
from typing import Literal

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long

_X86_64 = {
    "rt_sigaction": 13,
    "rt_sigprocmask": 14,
    "ptrace": 101,
    "rt_sigqueueinfo": 129,
    "tkill": 200,
    "tgkill": 234,
    "unshare": 272,
    "rt_tgsigqueueinfo": 297,
    "setns": 308,
}
_GENERIC = {
    "unshare": 97,
    "ptrace": 117,
    "tkill": 130,
    "tgkill": 131,
    "rt_sigaction": 134,
    "rt_sigprocmask": 135,
    "rt_sigqueueinfo": 138,
    "rt_tgsigqueueinfo": 240,
    "setns": 268,
}
"""Numbers of `include/uapi/asm-generic/unistd.h`: arm64, riscv and every later machine."""
_NUMBERS = _X86_64 if os.uname().machine == "x86_64" else _GENERIC

_SIGSET_BYTES = 8
_SIGACTION_BYTES = 32
"""struct sigaction of x86 and asm-generic: handler, flags, restorer, mask, eight bytes each."""
_SIGINFO_BYTES = 128

CLONE_NEWNS, CLONE_NEWUSER, CLONE_NEWPID = 0x20000, 0x10000000, 0x20000000
MS_BIND, MS_REC, MS_PRIVATE, MNT_DETACH = 4096, 16384, 1 << 18, 2
PR_SET_PDEATHSIG, PR_SET_NAME, PR_SET_CHILD_SUBREAPER = 1, 15, 36
SA_RESETHAND = 0x80000000
PTRACE_CONT, PTRACE_DETACH, PTRACE_SEIZE = 7, 17, 0x4206
SI_QUEUE = -1

Handling = Literal["default", "ignore", "handler"]


def raw(name: str, *arguments: int) -> int:
    """Make a system call by name; returns its result. Raises OSError with the kernel's errno."""
    number = _NUMBERS[name]
    return _checked(_libc.syscall(ctypes.c_long(number), *(ctypes.c_long(value) for value in arguments)))


def handler_record() -> bytes:
    """Return a struct sigaction with Python's C-level handler, for `action`.

    The handler's address and the restorer are private to Python and the C library. So let Python install the handler
    for SIGUSR1, read it back from the kernel, and restore the old disposition.
    """
    before = signal.signal(signal.SIGUSR1, lambda number, frame: None)
    try:
        held = ctypes.create_string_buffer(_SIGACTION_BYTES)
        raw("rt_sigaction", signal.SIGUSR1, 0, ctypes.addressof(held), _SIGSET_BYTES)
        return held.raw
    finally:
        signal.signal(signal.SIGUSR1, before)


def action(number: int, how: Handling, record: bytes = b"") -> None:
    """Call rt_sigaction(2) for any signal from 1 to 64: SIG_DFL, SIG_IGN or the handler of `record`."""
    held = record if how == "handler" else struct.pack("=QQQQ", 1 if how == "ignore" else 0, 0, 0, 0)
    new = ctypes.create_string_buffer(held, _SIGACTION_BYTES)
    raw("rt_sigaction", number, ctypes.addressof(new), 0, _SIGSET_BYTES)


def handle_once(number: int) -> None:
    """Have the handler of a signal, if it has one, run once only: the kernel then restores the default action.

    Python's handler returns to where a fault happened, and the fault would happen again, for ever.
    """
    held = ctypes.create_string_buffer(_SIGACTION_BYTES)
    raw("rt_sigaction", number, 0, ctypes.addressof(held), _SIGSET_BYTES)
    handler, flags, *others = struct.unpack("=QQQQ", held.raw)
    if handler > 1:
        struct.pack_into("=QQQQ", held, 0, handler, flags | SA_RESETHAND, *others)
        raw("rt_sigaction", number, ctypes.addressof(held), 0, _SIGSET_BYTES)


def mask(how: int, numbers: Iterable[int] = ()) -> list[int]:
    """Call rt_sigprocmask(2) in this thread, for any signal; returns the signals that were blocked before."""
    new = ctypes.c_uint64(sum(1 << (number - 1) for number in numbers))
    old = ctypes.c_uint64()
    raw("rt_sigprocmask", how, ctypes.addressof(new), ctypes.addressof(old), _SIGSET_BYTES)
    return [number for number in range(1, 65) if old.value >> (number - 1) & 1]


def sigqueue(pid: int, number: int, value: int = 0) -> None:
    """Call rt_sigqueueinfo(2), as sigqueue(3) does. Real-time signals get EAGAIN if the queue is full."""
    raw("rt_sigqueueinfo", pid, number, ctypes.addressof(_siginfo(number, value)))


def tgsigqueue(pid: int, tid: int, number: int, value: int = 0) -> None:
    """Call rt_tgsigqueueinfo(2), as pthread_sigqueue(3) does."""
    raw("rt_tgsigqueueinfo", pid, tid, number, ctypes.addressof(_siginfo(number, value)))


def signalfd(numbers: Iterable[int]) -> int:
    """Call signalfd(2); returns a descriptor from which these (blocked) signals are read."""
    sigset = ctypes.create_string_buffer(_SIGINFO_BYTES)
    struct.pack_into("=Q", sigset, 0, sum(1 << (number - 1) for number in numbers))
    return _checked(_libc.signalfd(-1, ctypes.byref(sigset), os.O_CLOEXEC))


def unshare(flags: int) -> None:
    """Call unshare(2). With CLONE_NEWPID the children, not the caller, are in the new namespace."""
    raw("unshare", flags)


def setns(fd: int, kind: int = 0) -> None:
    """Call setns(2). For a PID namespace the children, not the caller, are born in it."""
    raw("setns", fd, kind)


def mount(source: str, target: str, kind: str = "", flags: int = 0) -> None:
    """Call mount(2)."""
    _checked(_libc.mount(source.encode(), target.encode(), kind.encode(), ctypes.c_ulong(flags), None))


def umount(target: str, flags: int = MNT_DETACH) -> None:
    """Call umount2(2)."""
    _checked(_libc.umount2(target.encode(), flags))


def prctl(option: int, value: int | bytes = 0) -> int:
    """Call prctl(2) with one argument: a number, or a name as bytes."""
    given = ctypes.c_char_p(value) if isinstance(value, bytes) else ctypes.c_ulong(value)
    return _checked(_libc.prctl(option, given, ctypes.c_ulong(0), ctypes.c_ulong(0), ctypes.c_ulong(0)))


def ptrace(request: int, pid: int, data: int = 0) -> int:
    """Call ptrace(2) without an address."""
    return raw("ptrace", request, pid, 0, data)


def _siginfo(number: int, value: int) -> ctypes.Array[ctypes.c_char]:
    info = ctypes.create_string_buffer(_SIGINFO_BYTES)
    struct.pack_into("=iii4xIIq", info, 0, number, 0, SI_QUEUE, os.getpid(), os.getuid(), value)
    return info


def _checked(result: int) -> int:
    if result == -1:
        code = ctypes.get_errno() or errno.EIO
        raise OSError(code, os.strerror(code))
    return result
