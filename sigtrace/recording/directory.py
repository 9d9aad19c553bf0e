"""The directory of a recording: its file names, its manifest, its lock, and its retention."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypedDict, cast

from sigtrace._version import __version__
from sigtrace.errors import BadInput
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

_NAME = re.compile(rf"({'|'.join(TABLES)})-(\d{{6}})\.arrow(\.open)?")


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
    """List the files of a recording's directory, by segment. Raises OSError.

    `file.rewrite` leaves both the open and the closed file for a moment, with the same rows: only the open one is
    listed then.
    """
    found: dict[str, RecordingFile[Where]] = {}
    for file in sorted(listing(path), key=lambda file: file.name):  # closed before open
        match = _NAME.fullmatch(file.name)
        if match:
            found[f"{match[1]}-{match[2]}"] = RecordingFile(file, match[1], int(match[2]), bool(match[3]))
    return sorted(found.values(), key=lambda named: (named.segment, named.table))


def file_name(table: str, segment: int) -> str:
    """Return a file name such as `events-000001.arrow`."""
    return f"{table}-{segment:06d}.arrow"


def read_manifest(path: Path | Remote) -> Manifest:
    """Read the manifest of a recording. Raises OSError, or BadInput if it is invalid or of a newer version."""
    where = printable(str(path / MANIFEST))
    try:
        manifest = json.loads((path / MANIFEST).read_bytes())
        number = int(manifest["format"])
        segments = {
            int(name): {**value, "began": int(value["began"]), "ended": int(value["ended"])}
            for name, value in manifest["segments"].items()
        }
        losses = {name: int(value) for name, value in dict(manifest.get("losses") or {}).items()}
    except (ValueError, KeyError, TypeError, AttributeError) as err:
        raise BadInput(f"{where} is not the manifest of a recording, or is damaged") from err
    if number > FORMAT:
        raise BadInput(newer(where, number))
    return cast("Manifest", {**manifest, "losses": losses, "segments": segments})


def newer(where: str, number: int) -> str:
    """Return the message about a file of a newer format."""
    return (
        f"{where} was written by a newer sigtrace (format {number}; this one, {__version__}, reads {FORMAT}): "
        "upgrade sigtrace to read it"
    )


def is_live(path: Path | Remote) -> bool:
    """Return whether a recorder is writing to the directory; False for a remote one, of which it is not known."""
    if isinstance(path, Remote):
        return False
    with contextlib.suppress(OSError), _opened(path / LOCK, os.O_RDONLY) as fd:
        try:
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


@contextlib.contextmanager
def _opened(path: Path, flags: int) -> Iterator[int]:
    fd = os.open(path, flags | os.O_CLOEXEC)
    try:
        yield fd
    finally:
        os.close(fd)


class Directory:
    """A directory that this process records into, created if necessary. Raises BadInput if that is not possible.

    `segments`: number -> `began` and `ended` (ns UTC; 0: not yet), including the segments of earlier recorders.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = -1
        self.segments: dict[int, Lasted] = {}
        try:
            path.mkdir(exist_ok=True)
            self.claim()
            with contextlib.suppress(FileNotFoundError):
                self.segments = read_manifest(path)["segments"]
            self._last = max([0, *self.segments, *(named.segment for named in files(path))])
        except OSError as err:
            self.release()
            raise BadInput(_why_not(path, err)) from err
        except BadInput:
            self.release()
            raise

    def claim(self) -> None:
        """Take the lock, also again if the directory was removed. Raises OSError, or BadInput if it is taken."""
        self.release()
        fd = os.open(self.path / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o640)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as err:
            os.close(fd)
            raise BadInput(
                f"another recorder writes into {printable(str(self.path))}: give each recorder its own directory; "
                "they can be read together"
            ) from err
        self._lock = fd

    def unlock(self) -> None:
        """Release the lock for other recorders, and for readers, without closing its file."""
        fcntl.flock(self._lock, fcntl.LOCK_UN)

    def release(self) -> None:
        """Release the lock. Safe to repeat."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    @property
    def gone(self) -> bool:
        """Whether the directory was removed or replaced."""
        try:
            here, ours = os.stat(self.path / LOCK), os.fstat(self._lock)
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
        new = self.path / f"{MANIFEST}.new"
        try:
            with open(new, "w") as file:
                file.write(self._manifest(facts))
                file.flush()
                os.fsync(file.fileno())
            os.replace(new, self.path / MANIFEST)
        except OSError:
            with contextlib.suppress(OSError):
                new.unlink()
            raise

    def overwrite_manifest(self, facts: Mapping[str, object]) -> None:
        """Write the manifest in place, for which a full disk has room: it takes no new block. Raises OSError.

        For the end alone: a crash in the middle of it leaves none that can be read.
        """
        with open(self.path / MANIFEST, "r+") as file:
            file.write(self._manifest(facts))
            file.truncate()
            file.flush()
            os.fsync(file.fileno())

    def _manifest(self, facts: Mapping[str, object]) -> str:
        return json.dumps({"format": FORMAT, **facts, "segments": self.segments}, indent=1) + "\n"

    def retain(self, max_bytes: int, oldest: int) -> None:
        """Delete whole segments, oldest first: those that ended before `oldest`, and until the rest fits.

        Keeps the last segment, and all files that are not in `segments`. Raises OSError.
        """
        sizes = dict.fromkeys(self.segments, 0)
        mine: dict[int, list[Path]] = {number: [] for number in self.segments}
        for named in files(self.path):
            if named.segment in mine:
                mine[named.segment].append(named.path)
                sizes[named.segment] += named.path.stat().st_size
        for number in sorted(self.segments)[:-1]:
            ended = self.segments[number]["ended"]
            if sum(sizes.values()) <= max_bytes and not 0 < ended < oldest:
                continue
            for path in mine[number]:
                path.unlink(missing_ok=True)
            del self.segments[number], sizes[number]


def _why_not(path: Path, err: OSError) -> str:
    where = printable(str(path))
    if isinstance(err, PermissionError):
        return f"permission denied for {where}: run sigtrace as root, or record into a directory that you own"
    if isinstance(err, (FileExistsError, NotADirectoryError)):
        return f"{where} is not a directory: give one to record into"
    if isinstance(err, FileNotFoundError):
        return (
            f"{where} cannot be created, as {printable(str(path.parent))} does not exist: create that first"
        )
    return f"cannot record into {where}: {err.strerror}"
