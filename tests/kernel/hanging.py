"""Ways to make a process hang where no signal reaches it, each undone for certain when the stage closes."""

from __future__ import annotations

import fcntl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sigtrace.lab.actor import Actor

_CORE_PATTERN = Path("/proc/sys/kernel/core_pattern")

_FUSE = """
import struct
fuse = os.open('/dev/fuse', os.O_RDWR | os.O_CLOEXEC)
options = f'fd={fuse},rootmode=40000,user_id=0,group_id=0'.encode()
if ctypes.CDLL(None, use_errno=True).mount(b'sigtrace-test', b'/mnt', b'fuse', 0, options):
    raise OSError(ctypes.get_errno(), 'mount')
unique = struct.unpack_from('=IIQ', os.read(fuse, 1 << 17))[2]
answer = struct.pack('=IIIIHHI', 7, 31, 0, 0, 1, 1, 4096) + bytes(40)
os.write(fuse, struct.pack('=IiQ', 16 + len(answer), 0, unique) + answer)
"""


def dead_mount(server: Actor) -> None:
    """Mount a FUSE filesystem on /mnt, for all who share the server's mount namespace, and answer nobody.

    To be called when the server has no children left to fork: its /dev/fuse must die with it, for that is what
    lets everybody go who waits.
    """
    server(_FUSE)


def hang_on(server: Actor, victim: Actor) -> None:
    """Have the victim ask the dead mount something: once the server has read the request, not even KILL helps."""
    victim.channel.request("os.listdir('/mnt')")
    server("len(os.read(fuse, 1 << 17))")


@contextmanager
def slow_core_dumps() -> Iterator[None]:
    """Core dumps of the whole host hang for 3 s: restored at the end, by another process should this one die.

    For one test run at a time: what a second one found and restored would be the first one's.
    """
    with open(_CORE_PATTERN, "rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)  # until whoever restores it is gone
        before = held.read()
        restore = f"import sys; sys.stdin.read(); open({str(_CORE_PATTERN)!r}, 'wb').write({before!r})"
        with subprocess.Popen(
            [sys.executable, "-I", "-c", restore],
            stdin=subprocess.PIPE,
            pass_fds=[held.fileno()],
            start_new_session=True,
        ) as guard:
            _CORE_PATTERN.write_text("|/bin/sleep 3")
            try:
                yield
            finally:
                _CORE_PATTERN.write_bytes(before)
                guard.communicate()
        assert _CORE_PATTERN.read_bytes() == before
