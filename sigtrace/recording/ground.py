"""A local directory of a recording: whoever could write into it may have put anything there, under any of our names.

Everything in it is opened relative to a descriptor of the directory, and nothing but regular files is ever opened: a
symbolic link is not followed, a FIFO is not waited for, and what is created did not exist before.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import stat
from pathlib import Path
from types import TracebackType

from sigtrace.errors import BadInput
from sigtrace.text import printable

FILE_MODE, DIRECTORY_MODE = 0o640, 0o750
"""Not readable by everyone: command lines may contain secrets."""
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_SAFELY = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
_KINDS = {
    stat.S_IFLNK: "a symbolic link",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFDIR: "a directory",
    stat.S_IFSOCK: "a socket",
}


class Unfit(OSError):
    """What has the name of a file of ours is none that may be read or written: `strerror` says why, of `filename`."""

    def __init__(self, why: str, name: str) -> None:
        super().__init__(errno.EINVAL, why, name)


class Ground:
    """An open directory. Every method raises OSError, and `Unfit` for what is no regular file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fd = os.open(path, _DIRECTORY)

    @classmethod
    def to_write_into(cls, path: Path) -> Ground:
        """Open a directory that only its owner, which is this process's user or root, can write into.

        Raises BadInput if others can: they could replace what is recorded, or have us write over what is theirs.
        """
        link = os.lstat(path)
        if stat.S_ISLNK(link.st_mode) and not _ours(link):
            raise BadInput(
                f"{_shown(path)} is a symbolic link of user {link.st_uid}, who can turn it elsewhere: "
                "give the directory itself"
            )
        ground = cls(path)
        try:
            ground._check()
        except BaseException:
            ground.close()
            raise
        return ground

    def _check(self) -> None:
        found = os.fstat(self._fd)
        where = _shown(self.path)
        if not _ours(found):
            raise BadInput(
                f"{where} belongs to user {found.st_uid}, who could replace what is recorded: "
                f"record into a new directory, or change its owner with chown"
            )
        # A sticky bit keeps others from removing our files, not from making their own under our names.
        if found.st_mode & stat.S_IWOTH or (found.st_mode & stat.S_IWGRP and found.st_gid != 0):
            raise BadInput(
                f"others can write into {where}, and could replace what is recorded: record into a new directory"
                + ("" if found.st_mode & stat.S_ISVTX else f", or forbid it with `chmod go-w {where}`")
            )

    def __enter__(self) -> Ground:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, err: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close it. Safe to repeat."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def names(self) -> list[str]:
        """Return the names of everything in it."""
        return os.listdir(self._fd)

    def look(self, name: str) -> os.stat_result:
        """Return what lstat(2) says of a name."""
        return os.stat(name, dir_fd=self._fd, follow_symlinks=False)

    def open(self, name: str, flags: int = os.O_RDONLY) -> int:
        """Open a regular file that exists."""
        _regular(
            self.look(name), name
        )  # before it is opened, because opening a device may already do something
        fd = os.open(name, flags | _SAFELY, dir_fd=self._fd)
        try:
            _regular(os.fstat(fd), name)
        except BaseException:
            os.close(fd)
            raise
        return fd

    def open_own(self, name: str, flags: int) -> int:
        """Open a regular file to write to it: one of this process's user or of root, that has no other name."""
        fd = self.open(name, flags)
        found = os.fstat(fd)
        if not _ours(found) or found.st_nlink > 1:
            os.close(fd)
            raise Unfit(
                "it belongs to somebody else" if not _ours(found) else "it has another name too", name
            )
        return fd

    def create(self, name: str) -> int:
        """Create a file to write to. Raises FileExistsError, whatever has that name."""
        return os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _SAFELY, FILE_MODE, dir_fd=self._fd)

    def create_anew(self, name: str) -> int:
        """Create a file to write to, in place of one that a dead recorder left under this name."""
        with contextlib.suppress(FileNotFoundError):
            _regular(self.look(name), name)
            self.unlink(name)
        return self.create(name)

    def replace(self, name: str, by: str) -> None:
        """Rename `by` to `name`, which it replaces, and write the directory to the disk."""
        os.replace(by, name, src_dir_fd=self._fd, dst_dir_fd=self._fd)
        os.fsync(self._fd)

    def unlink(self, name: str) -> None:
        """Remove a file, if it is there."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name, dir_fd=self._fd)

    def room(self) -> int:
        """Return the bytes that are free on its disk."""
        found = os.statvfs(self._fd)
        return found.f_bavail * found.f_frsize


def make(path: Path) -> None:
    """Make a directory, unless something has that name. Raises OSError."""
    if not os.path.lexists(path):  # mkdir(2) would rather complain of a disk that is read-only
        with contextlib.suppress(FileExistsError):
            os.mkdir(path, DIRECTORY_MODE)


def opened(path: Path) -> io.FileIO:
    """Open a regular file of a directory, to read it. Raises OSError."""
    with Ground(path.parent) as ground:
        return io.FileIO(ground.open(path.name), "rb")


def read(file: io.FileIO, most: int) -> bytes:
    """Read a file from its start. What is cut off meanwhile is missing. Raises OSError; Unfit if it exceeds `most`."""
    size = os.fstat(file.fileno()).st_size
    if size > most:
        raise Unfit(f"it is larger than {most >> 20} MiB, and no recorder writes that", str(file.name))
    pieces, done = [], 0
    while done < size and (piece := os.pread(file.fileno(), size - done, done)):
        pieces.append(piece)
        done += len(piece)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _ours(found: os.stat_result) -> bool:
    return found.st_uid in (0, os.geteuid())


def _regular(found: os.stat_result, name: str) -> None:
    """Raise Unfit for what is no regular file."""
    kind = stat.S_IFMT(found.st_mode)
    if kind != stat.S_IFREG:
        raise Unfit(f"it is {_KINDS.get(kind, 'a device')}", name)


def _shown(path: Path) -> str:
    return printable(str(path))
