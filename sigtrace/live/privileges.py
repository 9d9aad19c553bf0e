"""Give up the capabilities that tracing no longer needs once it has begun: capset(2) and no_new_privs.

Loading and attaching the programs needs CAP_BPF and CAP_PERFMON. Reading what they record needs only descriptors that
are open (and CAP_BPF on some kernels). What is left is reading /proc and the runtimes' files, of every user.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
import threading
from collections.abc import Iterable

from sigtrace.live.kernel import syscall

NUMBERS = {
    **{"DAC_OVERRIDE": 1, "DAC_READ_SEARCH": 2, "SYS_PTRACE": 19, "SYS_ADMIN": 21, "SYS_RESOURCE": 24},
    **{"PERFMON": 38, "BPF": 39},
}
"""The capabilities that matter here, by their number in include/uapi/linux/capability.h."""
READING = ("SYS_PTRACE", "DAC_READ_SEARCH")
"""What reading /proc/PID/ns, /proc/PID/syscall and the files of runtimes and of rootless users needs."""

_LIBC = ctypes.CDLL(None, use_errno=True)
_VERSION_3 = 0x20080522
_PR_SET_NO_NEW_PRIVS, _PR_CAP_AMBIENT, _AMBIENT_RAISE = 38, 47, 2


def kept() -> tuple[str, ...]:
    """Return the names of the capabilities that this process keeps once it has attached, of those that it has."""
    wanted = (*READING, "BPF") if _maps_need_bpf() else READING
    permitted = _get()[1]
    return tuple(name for name in wanted if permitted >> NUMBERS[name] & 1)


def give_up(names: Iterable[str]) -> None:
    """Keep these capabilities only, in this thread and in those that it starts, also across exec(2). Raises OSError.

    Without no_new_privs a program started as root would have them all again. Other threads keep what they have: call
    this before they are started.
    """
    mask = sum(1 << NUMBERS[name] for name in names)
    _checked(_LIBC.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
    try:
        _set(mask, mask, mask)
    except PermissionError:  # the bounding set lacks one: it cannot be inherited
        _set(mask, mask, _get()[2] & mask)
        return
    for name in names:
        _checked(_LIBC.prctl(_PR_CAP_AMBIENT, _AMBIENT_RAISE, NUMBERS[name], 0, 0))


def _maps_need_bpf() -> bool:
    """Return whether to read an open map needs CAP_BPF.

    It does before Linux v5.19 (commit c8644cd0efe7) where the sysctl kernel.unprivileged_bpf_disabled is not 0. Found
    out in a thread that has given up everything.
    """
    probe = syscall.map_create(syscall.MAP_ARRAY, 4, 8, 1, "probe")
    refused: list[OSError] = []

    def look() -> None:
        try:
            _set(0, 0, 0)
            syscall.map_lookup(probe, bytes(4), 8)
        except OSError as err:
            refused.append(err)

    thread = threading.Thread(target=look, name="probe")
    thread.start()
    thread.join()
    os.close(probe)
    return any(err.errno == errno.EPERM for err in refused)


def _get() -> tuple[int, int, int]:
    """Return the effective, permitted and inheritable capabilities of this thread, one bit each."""
    data = ctypes.create_string_buffer(24)
    _checked(_LIBC.capget(struct.pack("=Ii", _VERSION_3, 0), data))
    low, high = struct.unpack_from("=3I", data.raw), struct.unpack_from("=3I", data.raw, 12)
    effective, permitted, inheritable = (below | above << 32 for below, above in zip(low, high, strict=True))
    return effective, permitted, inheritable


def _set(effective: int, permitted: int, inheritable: int) -> None:
    sets = (effective, permitted, inheritable)
    data = struct.pack("=6I", *(each & 0xFFFFFFFF for each in sets), *(each >> 32 for each in sets))
    _checked(_LIBC.capset(struct.pack("=Ii", _VERSION_3, 0), data))


def _checked(result: int) -> None:
    if result:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
