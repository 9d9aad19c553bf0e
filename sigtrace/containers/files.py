"""Reading files that belong to others: nothing here blocks, and whatever is wrong with a file, it is only unknown.

A file is opened without waiting (a FIFO, a device), must be a regular file of bounded size, and is found inside the
host's root even by absolute symbolic links (`openat2(2)` with RESOLVE_IN_ROOT; before Linux 5.6, or where a seccomp
filter refuses the call, links of a root other than `/` are followed in our own).
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import stat
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from sigtrace.containers.place import Place, Root, User

LIMIT = 4 << 20
"""Bytes of a file that is read at all; a longer one is unknown."""

MAX_TEXT = 512
"""Characters that are kept of one text."""

MAX_ENTRIES = 1024
"""Entries of a directory that are looked at."""

_OPENAT2 = 437
"""__NR_openat2, the same on every architecture."""
_NO_XDEV, _NO_MAGICLINKS, _BENEATH, _IN_ROOT = 0x01, 0x02, 0x08, 0x10
_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
_BASE = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC
_LIBC = ctypes.CDLL(None, use_errno=True)


class Places(Protocol):
    """Where the host and the runtimes' directories are: `paths.Roots`."""

    @property
    def host(self) -> str: ...
    def places(self, directory: Root, user: User | None = None) -> tuple[Place, ...]: ...


class Files:
    """The files below the places of a layout. Every method answers None or nothing for what cannot be read."""

    def __init__(self, roots: Places) -> None:
        self.roots = roots

    def read(self, place: Place, *parts: str, limit: int = LIMIT) -> bytes | None:
        """The bytes of the regular file `parts`, if there are at most `limit`."""
        try:
            with self.opened(place, *parts) as fd:
                if os.fstat(fd).st_size > limit:
                    return None
                return _read(fd, limit)
        except OSError:
            return None

    def json(self, place: Place, *parts: str, limit: int = LIMIT) -> dict[str, Any]:
        """The JSON object in the file; empty for anything else."""
        raw = self.read(place, *parts, limit=limit)
        return mapping(parse_json(raw)) if raw else {}

    def names(self, place: Place, *parts: str) -> list[str]:
        """What the directory holds, sorted, at most MAX_ENTRIES of it."""
        try:
            fd = self._open(place, parts, _FLAGS | os.O_DIRECTORY)
        except OSError:
            return []
        try:
            with os.scandir(fd) as entries:
                return sorted(entry.name for entry, _ in zip(entries, range(MAX_ENTRIES), strict=False))
        except OSError:
            return []
        finally:
            os.close(fd)

    def exists(self, place: Place, *parts: str) -> bool:
        """Whether there is a regular file or a directory there."""
        try:
            fd = self._open(place, parts, os.O_PATH | os.O_CLOEXEC)
        except OSError:
            return False
        os.close(fd)
        return True

    @contextmanager
    def opened(self, place: Place, *parts: str) -> Iterator[int]:
        """A descriptor of the regular file `parts`, for reading pieces of it. Raises OSError."""
        fd = self._open(place, parts, _FLAGS)
        try:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                raise OSError(errno.EINVAL, "not a regular file")
            yield fd
        finally:
            os.close(fd)

    def _open(self, place: Place, parts: tuple[str, ...], flags: int) -> int:
        path = "/".join(part for part in (place.below, *parts) if part)
        if "\0" in path or ".." in path.split("/"):
            raise OSError(errno.EINVAL, "not a path to look at")
        if not place.confined:
            return self._open_in_host(f"{place.directory}/{path}".rstrip("/"), flags)
        base = self._open_in_host(place.directory, _BASE)
        try:
            return _openat2(base, path or ".", flags, _BENEATH | _NO_XDEV)
        finally:
            os.close(base)

    def _open_in_host(self, path: str, flags: int) -> int:
        if self.roots.host == "/":
            return os.open(path, flags)
        base = os.open(self.roots.host, _BASE)
        try:
            return _openat2(base, path.lstrip("/"), flags, _IN_ROOT)
        finally:
            os.close(base)


def parse_json(raw: bytes) -> Any:
    """What the JSON says; None if it is none, is cut short or nested too deep. Numbers of over 20 digits are 0."""
    try:
        return json.loads(raw.decode("utf-8", "backslashreplace"), parse_int=_number)
    except (ValueError, RecursionError, MemoryError):
        return None


def mapping(value: Any) -> dict[str, Any]:
    """The value if it is a JSON object, else an empty one."""
    return value if isinstance(value, dict) else {}


def text(value: Any) -> str:
    """The value if it is text, cut to MAX_TEXT characters and encodable as UTF-8; else empty. Still hostile."""
    if not isinstance(value, str):
        return ""
    return value[:MAX_TEXT].encode("utf-8", "backslashreplace").decode()[:MAX_TEXT]


def _number(digits: str) -> int:
    return int(digits) if len(digits) <= 20 else 0


def _read(fd: int, limit: int) -> bytes | None:
    """All that is in the file, also in one of /proc that says it has no size; None if it grows past `limit`."""
    chunks, left = [], limit + 1
    while left and (chunk := os.read(fd, min(left, 1 << 16))):
        chunks.append(chunk)
        left -= len(chunk)
    return b"".join(chunks) if left else None


def _openat2(base: int, path: str, flags: int, resolve: int) -> int:
    """openat2(2) below the directory `base`; plain openat(2) where there is none. Raises OSError."""
    how = struct.pack("QQQ", flags, 0, resolve | _NO_MAGICLINKS)
    for _ in range(4):  # EAGAIN: something was renamed meanwhile
        fd = int(_LIBC.syscall(_OPENAT2, base, os.fsencode(path), how, len(how)))
        if fd >= 0:
            return fd
        code = ctypes.get_errno()
        if code in (errno.ENOSYS, errno.EPERM):
            return os.open(path, flags | (os.O_NOFOLLOW if resolve & _BENEATH else 0), dir_fd=base)
        if code != errno.EAGAIN:
            break
    raise OSError(code, os.strerror(code), path)
