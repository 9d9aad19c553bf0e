"""What became of the other processes of a namespace when its init ended.

The kernel tells whoever has a pidfd how a process ended, since Linux 6.15 (PIDFD_GET_INFO, include/uapi/linux/pidfd.h).
Before, only its parent gets to know.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import struct
from collections.abc import Iterable

from sigtrace import signals
from sigtrace.procfs import process

_SIZE = 64
"""Bytes of struct pidfd_info in its first version."""
_PIDFD_GET_INFO = 3 << 30 | _SIZE << 16 | 0xFF << 8 | 11
_INFO_EXIT = 1 << 3
_EXIT_CODE = 60
"""Offset of the wait status."""
_MOST = 256


class Members:
    """Processes that are followed to their end. A context manager."""

    def __init__(self, pids: Iterable[int]) -> None:
        self._held: list[tuple[str, int]] = []
        for pid in list(pids)[:_MOST]:
            with contextlib.suppress(OSError, ValueError):
                fd = os.pidfd_open(pid)
                self._held.append((f"{process.read_stat(pid).comm}[{pid}]", fd))

    def __enter__(self) -> Members:
        return self

    def __exit__(self, *error: object) -> None:
        for _, fd in self._held:
            os.close(fd)
        self._held = []

    def killed(self) -> tuple[str, ...] | None:
        """Return which of them SIGKILL has ended; None if this kernel does not tell. All must have ended."""
        found = []
        for name, fd in self._held:
            status = _wait_status(fd)
            if status is None:
                return None
            if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signals.KILL:
                found.append(name)
        return tuple(found)


def _wait_status(pidfd: int) -> int | None:
    info = bytearray(_SIZE)
    struct.pack_into("=Q", info, 0, _INFO_EXIT)
    try:
        fcntl.ioctl(pidfd, _PIDFD_GET_INFO, info)
    except OSError:
        return None
    (known,) = struct.unpack_from("=Q", info)
    return int(struct.unpack_from("=i", info, _EXIT_CODE)[0]) if known & _INFO_EXIT else None
