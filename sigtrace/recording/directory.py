"""The directory of a recording: its file names, its manifest, its lock, and its retention."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Generic

from sigtrace.errors import BadInput
from sigtrace.recording.contents import NEW
from sigtrace.recording.ground import Ground, Unfit, make, opened
from sigtrace.recording.manifest import FORMAT, MANIFEST, MOST_NUMBER, Lasted, manifest_of
from sigtrace.recording.place import Remote, Where, listing
from sigtrace.text import printable

if TYPE_CHECKING:
    pass

TABLES = ("events", "counts", "namespaces", "snapshots", "losses")
LOCK = "lock"
HEADER = b"sigtrace"
"""The key in a file's schema metadata under which its facts are."""

MOST_SEGMENTS = 1 << 15
"""Segments that are kept, whatever the limits of size and age: eight months of the default."""
_NUMBER = r"[0-9]{6}|[1-9][0-9]{6,14}"
"""The number of a segment: six digits, more only where they do not suffice."""
_NAME = re.compile(rf"({'|'.join(TABLES)})-({_NUMBER})\.arrow(\.open|\.new)?")


@dataclass(frozen=True)
class RecordingFile(Generic[Where]):
    """The name of a file in a recording, parsed."""

    path: Where
    table: str
    segment: int
    open: bool


def files(path: Where) -> list[RecordingFile[Where]]:
    """List the files of a recording's directory, by segment, whatever they are. Raises OSError.

    `file.rewrite` leaves both the open and the closed file for a moment, with the same rows: only the open one is
    listed then.
    """
    return _named(listing(path))


def _named(paths: Iterable[Where]) -> list[RecordingFile[Where]]:
    found: dict[str, RecordingFile[Where]] = {}
    for file in sorted(paths, key=lambda file: file.name):  # closed before open
        match = _NAME.fullmatch(file.name)
        if match and match[3] != NEW:
            found[f"{match[1]}-{match[2]}"] = RecordingFile(file, match[1], int(match[2]), bool(match[3]))
    return sorted(found.values(), key=lambda named: (named.segment, named.table))


def file_name(table: str, segment: int) -> str:
    """Return a file name such as `events-000001.arrow`."""
    return f"{table}-{segment:06d}.arrow"


def strange_lock(path: Path | Remote) -> str:
    """Return what is wrong with the lock of a directory; empty if it can be one. Raises OSError."""
    if isinstance(path, Path):
        try:
            with contextlib.suppress(FileNotFoundError, PermissionError):
                opened(path / LOCK).close()
        except Unfit as err:
            return f"{printable(str(path / LOCK))} cannot be read, as {err.strerror}"
    return ""


def is_live(path: Path | Remote) -> bool:
    """Return whether a recorder is writing to the directory; False for a remote one, of which it is not known."""
    if isinstance(path, Remote):
        return False
    with contextlib.suppress(OSError), opened(path / LOCK) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


class Directory:
    """A directory that this process records into, created if necessary. Raises BadInput if that is not possible.

    `segments`: number -> `began` and `ended` (ns UTC; 0: not yet), including the segments of earlier recorders.
    """

    ground: Ground

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = -1
        self.segments: dict[int, Lasted] = {}
        try:
            make(path)
            self.claim()
            with contextlib.suppress(FileNotFoundError):
                self.segments = manifest_of(self.ground)["segments"]
            self._last = max([0, *self.segments, *(named.segment for named in self.files())])
            if self._last >= MOST_NUMBER:
                raise BadInput(f"{printable(str(path))} has no number for another segment: record elsewhere")
        except OSError as err:
            self.release()
            raise BadInput(why_not(path, err)) from err
        except BadInput:
            self.release()
            raise

    def claim(self) -> None:
        """Take the lock, also again if the directory was removed. Raises OSError, or BadInput if it is taken."""
        self.release()
        ground = Ground.to_write_into(self.path)
        try:
            self._lock = _locked(ground)
        except BaseException:
            ground.close()
            raise
        self.ground = ground

    def unlock(self) -> None:
        """Release the lock for other recorders, and for readers, without closing its file."""
        fcntl.flock(self._lock, fcntl.LOCK_UN)

    def release(self) -> None:
        """Release the lock. Safe to repeat."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1
            self.ground.close()

    @property
    def gone(self) -> bool:
        """Whether the directory was removed or replaced."""
        try:
            here, ours = os.lstat(self.path / LOCK), os.fstat(self._lock)
        except OSError:
            return True
        return (here.st_dev, here.st_ino) != (ours.st_dev, ours.st_ino)

    def files(self) -> list[RecordingFile[Path]]:
        """List its files, as `files` does."""
        return _named(self.path / name for name in self.ground.names())

    def new_segment(self, now: int) -> int:
        """Begin a segment now (ns UTC); returns its number."""
        self._last += 1
        self.segments[self._last] = {"began": now, "ended": 0}
        return self._last

    def write_manifest(self, facts: Mapping[str, object]) -> None:
        """Replace the manifest atomically. Raises OSError."""
        new = MANIFEST + NEW
        fd = self.ground.create_anew(new)
        try:
            _write(fd, self._manifest(facts))
            self.ground.replace(MANIFEST, by=new)
        except OSError:
            with contextlib.suppress(OSError):
                self.ground.unlink(new)
            raise

    def overwrite_manifest(self, facts: Mapping[str, object]) -> None:
        """Write the manifest in place, for which a full disk has room: it takes no new block. Raises OSError.

        For the end alone: a crash in the middle of it leaves none that can be read.
        """
        _write(self.ground.open_own(MANIFEST, os.O_RDWR), self._manifest(facts))

    def _manifest(self, facts: Mapping[str, object]) -> str:
        return json.dumps({"format": FORMAT, **facts, "segments": self.segments}, indent=1) + "\n"

    def retain(self, max_bytes: int, oldest: int) -> None:
        """Delete whole segments, oldest first: those that ended before `oldest`, and until the rest fits.

        There are never more than MOST_SEGMENTS. Keeps the last segment, and all files that are not in `segments`.
        Raises OSError.
        """
        sizes = dict.fromkeys(self.segments, 0)
        mine: dict[int, list[str]] = {number: [] for number in self.segments}
        for name, segment in self._own():
            mine[segment].append(name)
            sizes[segment] += self.ground.look(name).st_size
        total = sum(sizes.values())
        for number in sorted(self.segments)[:-1]:
            ended = self.segments[number]["ended"]
            fits = total <= max_bytes and len(self.segments) <= MOST_SEGMENTS
            if fits and not 0 < ended < oldest:
                continue
            for name in mine[number]:
                self.ground.unlink(name)
            del self.segments[number]
            total -= sizes[number]

    def tidy(self) -> None:
        """Remove what a dead recorder left unfinished: files of our segments that have no name yet. Raises OSError."""
        for name, _ in self._own():
            if name.endswith(NEW):
                self.ground.unlink(name)

    def _own(self) -> Iterator[tuple[str, int]]:
        """Yield the name and segment of each file of our segments."""
        for name in self.ground.names():
            match = _NAME.fullmatch(name)
            if match and int(match[2]) in self.segments and stat.S_ISREG(self.ground.look(name).st_mode):
                yield name, int(match[2])


def _locked(ground: Ground) -> int:
    """Return the descriptor of the lock, taken. Raises OSError, or BadInput if another recorder has it."""
    try:
        fd = ground.create(LOCK)
    except FileExistsError:
        fd = ground.open_own(LOCK, os.O_RDWR)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as err:
        os.close(fd)
        raise BadInput(
            f"another recorder writes into {printable(str(ground.path))}: give each recorder its own directory; "
            "they can be read together"
        ) from err
    return fd


def _write(fd: int, text: str) -> None:
    """Write a text to a file, from its start and up to its end, and to the disk; closes it. Raises OSError."""
    with open(fd, "w") as file:
        file.write(text)
        file.flush()
        os.ftruncate(fd, file.tell())
        os.fsync(fd)


def why_not(path: Path, err: OSError) -> str:
    """Return why a directory cannot be recorded into, and what to do."""
    where = printable(str(path))
    if isinstance(err, Unfit):
        return (
            f"cannot record into {where}: {printable(str(err.filename))} there is not ours, as {err.strerror}"
        )
    if isinstance(err, PermissionError):
        return f"permission denied for {where}: run sigtrace as root, or record into a directory that you own"
    if isinstance(err, (FileExistsError, NotADirectoryError)):
        return f"{where} is not a directory: give one to record into"
    if isinstance(err, FileNotFoundError):
        return (
            f"{where} cannot be created, as {printable(str(path.parent))} does not exist: create that first"
        )
    return f"cannot record into {where}: {err.strerror}"
