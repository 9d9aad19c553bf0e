"""Find the owner of a rootless container, and the owner's files. Does not use NSS, which may query the network."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from sigtrace.containers.files import Files
from sigtrace.containers.place import Place, User
from sigtrace.procfs import process
from sigtrace.procfs.freezer import mount_path
from sigtrace.text import decode

_LOCAL = frozenset(
    "ext2 ext3 ext4 xfs btrfs zfs f2fs bcachefs jfs reiserfs tmpfs ramfs overlay rootfs squashfs virtiofs".split()
)
"""File systems that do not depend on another machine or program: reading from them cannot hang."""
_NOBODY = 65534


def known(uid: int, files: Files) -> User:
    """Return the user, with the home directory of the host's /etc/passwd if it is on a local file system."""
    raw = files.read(Place("/etc"), "passwd", limit=1 << 20) or b""
    for line in raw.splitlines():
        fields = line.split(b":")
        if len(fields) == 7 and fields[2] == b"%d" % uid:
            home = decode(fields[5])
            path = f"{files.roots.host.rstrip('/')}{home}"
            if home.startswith("/") and ".." not in home.split("/") and home != "/" and _is_local(path):
                return User(uid, home)
    return User(uid)


def owners(pid: int, root: str = "/proc") -> Iterator[int]:
    """Yield the users that may own a process's container: its parent's first, as its own may be a mapped one."""
    numbers = [pid]
    with contextlib.suppress(OSError, ValueError):
        numbers.insert(0, process.read_stat(pid, root).ppid)
    for number in numbers:
        with contextlib.suppress(OSError):
            uid = os.stat(f"{root}/{number}").st_uid
            if uid not in (0, _NOBODY):
                yield uid


def _is_local(path: str) -> bool:
    """Return whether the path is on a local file system (/proc/self/mountinfo). Does not touch the path itself."""
    best, kind = b"", b""
    try:
        lines = process.read("/proc/self/mountinfo").split(b"\n")
    except OSError:
        return False
    for line in lines:
        before, _, after = line.partition(b" - ")
        fields = before.split()
        if len(fields) > 4 and after:
            point = os.fsencode(mount_path(fields[4]))
            inside = os.fsencode(path) == point or os.fsencode(path).startswith(point.rstrip(b"/") + b"/")
            if inside and len(point) >= len(best):
                best, kind = point, after.split()[0]
    return decode(kind) in _LOCAL
