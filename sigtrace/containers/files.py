"""Read files that other users may have written. No method blocks; a file that cannot be read counts as unknown.

What one lookup reads is bounded in all, not only each file: a user may have any number of them. Files are opened with
O_NONBLOCK (a FIFO or a device would block) and must be regular files of bounded size. Absolute symbolic links are
resolved inside the host's root (`openat2(2)` with RESOLVE_IN_ROOT). Before Linux 5.6, or if a seccomp filter refuses
the call, links below a root other than `/` are resolved in our own root.
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

LIMIT = 1 << 20
"""Bytes; a longer file counts as unknown. Runtimes' files about one container have kilobytes."""

_MOST_BYTES, _MOST_JSON, _MOST_OPENED = 64 << 20, 2 << 20, 4096
"""Bytes read, bytes of JSON kept as objects, and files opened by one lookup; whatever comes after counts as unknown.

A byte of JSON becomes 25 bytes of objects at most.
"""

MAX_TEXT = 512
"""Characters kept of one text."""

MAX_ENTRIES = 1024
"""Entries read of a directory."""

_OPENAT2 = 437
"""__NR_openat2, the same on every architecture."""
_NO_XDEV, _NO_MAGICLINKS, _BENEATH, _IN_ROOT = 0x01, 0x02, 0x08, 0x10
_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
_BASE = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC
_LIBC = ctypes.CDLL(None, use_errno=True)


class Places(Protocol):
    """Locations of the host's root and of the runtimes' directories: `paths.Roots`."""

    @property
    def host(self) -> str: ...
    def places(self, directory: Root, user: User | None = None) -> tuple[Place, ...]: ...


class Files:
    """The files below the places of a layout. Every method returns None or an empty value for what is not readable."""

    def __init__(self, roots: Places) -> None:
        self.roots = roots
        self._bytes, self._opened = _MOST_BYTES, _MOST_OPENED
        self._json = _MOST_JSON
        self._parsed: dict[tuple[Place, tuple[str, ...]], dict[str, Any]] = {}

    def read(self, place: Place, *parts: str, limit: int = LIMIT) -> bytes | None:
        """Read the regular file `parts`; None if it has more than `limit` bytes."""
        try:
            with self.opened(place, *parts) as fd:
                if os.fstat(fd).st_size > limit:
                    return None
                raw = _read(fd, min(limit, self._bytes))
        except OSError:
            return None
        self._bytes -= len(raw or b"")
        return raw

    def json(self, place: Place, *parts: str) -> dict[str, Any]:
        """Read a file that contains a JSON object; empty for anything else. A second time it is not read again."""
        key = (place, parts)
        if key not in self._parsed:
            raw = self.read(place, *parts, limit=min(LIMIT, self._json)) or b""
            self._json -= len(raw)
            self._parsed[key] = mapping(parse_json(raw))
        return self._parsed[key]

    def names(self, place: Place, *parts: str) -> list[str]:
        """List the directory, sorted; at most MAX_ENTRIES entries."""
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
        """Return whether the file or directory exists."""
        try:
            fd = self._open(place, parts, os.O_PATH | os.O_CLOEXEC)
        except OSError:
            return False
        os.close(fd)
        return True

    @contextmanager
    def opened(self, place: Place, *parts: str) -> Iterator[int]:
        """Open the regular file `parts` for reading; yields a descriptor. Raises OSError."""
        fd = self._open(place, parts, _FLAGS)
        try:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                raise OSError(errno.EINVAL, "not a regular file")
            yield fd
        finally:
            os.close(fd)

    def _open(self, place: Place, parts: tuple[str, ...], flags: int) -> int:
        path = "/".join(part for part in (place.below, *parts) if part)
        if "\0" in path or ".." in f"{place.directory}/{path}".split("/"):
            raise OSError(errno.EINVAL, "not a safe path")
        self._opened -= 1
        if self._opened < 0:
            raise OSError(errno.EMFILE, "too many files for one lookup")
        if not place.confined:
            return self._open_in_host(f"{place.directory}/{path}".rstrip("/"), flags)
        # The user who owns this directory could otherwise have a link or a mount lead us to any file of the host.
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
    """Parse JSON; None if it is invalid, truncated, nested too deep or too long. Numbers of over 20 digits become 0.

    int() takes quadratic time for long numbers.
    """
    if len(raw) > LIMIT:
        return None
    try:
        return json.loads(raw.decode("utf-8", "backslashreplace"), parse_int=_number)
    except (ValueError, RecursionError, MemoryError):
        return None


def mapping(value: Any) -> dict[str, Any]:
    """Return the value if it is a JSON object, else an empty one."""
    return value if isinstance(value, dict) else {}


def text(value: Any) -> str:
    """Return the value if it is text, cut to MAX_TEXT characters and encodable as UTF-8; else empty.

    The result is not safe for a terminal.
    """
    if not isinstance(value, str):
        return ""
    return value[:MAX_TEXT].encode("utf-8", "backslashreplace").decode()[:MAX_TEXT]


def _number(digits: str) -> int:
    return int(digits) if len(digits) <= 20 else 0


def _read(fd: int, limit: int) -> bytes | None:
    """Read the whole file; None if it has more than `limit` bytes. The size that /proc gives is 0, so count them."""
    chunks, left = [], limit + 1
    while left and (chunk := os.read(fd, min(left, 1 << 16))):
        chunks.append(chunk)
        left -= len(chunk)
    return b"".join(chunks) if left else None


def _openat2(base: int, path: str, flags: int, resolve: int) -> int:
    """Call openat2(2) below the directory `base`, or openat(2) if there is none. Raises OSError."""
    how = struct.pack("QQQ", flags, 0, resolve | _NO_MAGICLINKS)
    for _ in range(4):  # EAGAIN: a rename or a mount made the lookup uncertain (openat2(2))
        fd = int(_LIBC.syscall(_OPENAT2, base, os.fsencode(path), how, len(how)))
        if fd >= 0:
            return fd
        code = ctypes.get_errno()
        if code in (errno.ENOSYS, errno.EPERM):
            return os.open(path, flags | (os.O_NOFOLLOW if resolve & _BENEATH else 0), dir_fd=base)
        if code != errno.EAGAIN:
            break
    raise OSError(code, os.strerror(code), path)
