"""The directory of a recording: its file names, its manifest, its lock, and its retention."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypedDict, cast

from sigtrace._version import __version__
from sigtrace.errors import BadInput
from sigtrace.recording.file import NEW
from sigtrace.recording.ground import Ground, Unfit, make, opened, read
from sigtrace.recording.place import Remote, Where, listing
from sigtrace.text import printable

if TYPE_CHECKING:
    from typing_extensions import NotRequired

FORMAT = 1
"""The format version of files and manifest. A reader refuses greater ones."""

TABLES = ("events", "counts", "namespaces", "snapshots", "losses")
MANIFEST, LOCK = "manifest.json", "lock"
HEADER = b"sigtrace"
"""The key in a file's schema metadata under which its facts are."""

_MOST_MANIFEST = 4 << 20
"""Bytes of a manifest; a segment takes 70, and there are some tens of thousands at the very most."""
_NUMBER = r"[0-9]{6}|[1-9][0-9]{6,14}"
"""The number of a segment: six digits, more only where they do not suffice."""
_MOST_NUMBER = 10**12
"""The greatest number of a segment that the next recorder goes on from."""
_NAME = re.compile(rf"({'|'.join(TABLES)})-({_NUMBER})\.arrow(\.open|\.new)?")
_MOST_TIME = 1 << 63


class Lasted(TypedDict):
    """When a segment began and ended, ns UTC; 0: not yet."""

    began: int
    ended: int
    cut: NotRequired[bool]
    """Its recorder did not close it: what had not been written by its end is missing."""


class Manifest(TypedDict, total=False):
    """The contents of manifest.json, about the last recorder; other versions may have more or fewer members."""

    format: int
    host: str
    boot_id: str
    run: str
    """Identifies this recorder's life."""
    kernel: str
    version: str
    """Of sigtrace."""
    losses: dict[str, int]
    """The records lost so far, with the columns of the losses table."""
    segments: dict[int, Lasted]
    """By number."""


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
    found: dict[str, RecordingFile[Where]] = {}
    for file in sorted(listing(path), key=lambda file: file.name):  # closed before open
        match = _NAME.fullmatch(file.name)
        if match and match[3] != NEW:
            found[f"{match[1]}-{match[2]}"] = RecordingFile(file, match[1], int(match[2]), bool(match[3]))
    return sorted(found.values(), key=lambda named: (named.segment, named.table))


def file_name(table: str, segment: int) -> str:
    """Return a file name such as `events-000001.arrow`."""
    return f"{table}-{segment:06d}.arrow"


def read_manifest(path: Path | Remote) -> Manifest:
    """Read the manifest of a recording. Raises OSError, or BadInput if it is invalid or of a newer version."""
    where = printable(str(path / MANIFEST))
    try:
        manifest = json.loads(_bytes_of(path / MANIFEST))
        number, losses = manifest["format"], manifest.get("losses") or {}
        segments = {_segment(name): _lasted(value) for name, value in manifest["segments"].items()}
        texts = [manifest.get(name, "") for name in ("host", "boot_id", "run", "kernel", "version")]
        if not (_whole(number) and all(map(_whole, losses.values())) and all(map(_is_text, texts))):
            raise TypeError
    except Unfit as err:
        raise BadInput(f"{where} cannot be read, as {err.strerror}") from err
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as err:
        raise BadInput(f"{where} is not the manifest of a recording, or is damaged") from err
    if number > FORMAT:
        raise BadInput(newer(where, number))
    return cast("Manifest", {**manifest, "losses": losses, "segments": segments})


def _bytes_of(path: Path | Remote) -> bytes:
    if isinstance(path, Remote):
        return path.read_bytes(_MOST_MANIFEST)
    with opened(path) as file:
        return read(file, _MOST_MANIFEST)


def _segment(name: str) -> int:
    """Return the number of a segment. Raises ValueError if there is no such."""
    number = int(name) if name.isascii() and name.isdigit() and len(name) < 16 else -1
    if not 0 <= number <= _MOST_NUMBER:
        raise ValueError(name)
    return number


def _lasted(value: Any) -> Lasted:
    """Return when a segment began and ended. Raises KeyError, TypeError."""
    if not (_whole(value["began"]) and _whole(value["ended"])):
        raise TypeError
    return cast("Lasted", {**value, "cut": True}) if value.get("cut") else cast("Lasted", value)


def _whole(value: object) -> bool:
    """Whether it is a number that counts or is a time: JSON also has 1e999, true and -1."""
    return type(value) is int and 0 <= value < _MOST_TIME


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def newer(where: str, number: int) -> str:
    """Return the message about a file of a newer format."""
    return (
        f"{where} was written by a newer sigtrace (format {number}; this one, {__version__}, reads {FORMAT}): "
        "upgrade sigtrace to read it"
    )


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
                self.segments = read_manifest(path)["segments"]
            self._last = max([0, *self.segments, *(named.segment for named in files(path))])
            if self._last >= _MOST_NUMBER:
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

        Keeps the last segment, and all files that are not in `segments`. Raises OSError.
        """
        sizes = dict.fromkeys(self.segments, 0)
        mine: dict[int, list[str]] = {number: [] for number in self.segments}
        for name, segment in self._own():
            mine[segment].append(name)
            sizes[segment] += self.ground.look(name).st_size
        for number in sorted(self.segments)[:-1]:
            ended = self.segments[number]["ended"]
            if sum(sizes.values()) <= max_bytes and not 0 < ended < oldest:
                continue
            for name in mine[number]:
                self.ground.unlink(name)
            del self.segments[number], sizes[number]

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
