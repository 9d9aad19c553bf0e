"""The directory of a recording: its names, its manifest, whose it is, and what may be deleted in it."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypedDict, cast

from sigtrace._version import __version__
from sigtrace.errors import BadInput
from sigtrace.recording.place import Remote, Where, listing
from sigtrace.text import printable

FORMAT = 1
"""Of files and manifest. A reader refuses greater ones."""

TABLES = ("events", "counts", "namespaces", "snapshots", "losses")
MANIFEST, LOCK = "manifest.json", "lock"
HEADER = b"sigtrace"
"""Where in its schema's metadata a file says what it is."""

_NAME = re.compile(rf"({'|'.join(TABLES)})-(\d{{6}})\.arrow(\.open)?")


class Lasted(TypedDict):
    """When a segment began and ended, ns UTC; 0: not yet."""

    began: int
    ended: int


class Manifest(TypedDict, total=False):
    """What manifest.json says of the last recorder; another version may say more, or less."""

    format: int
    host: str
    boot_id: str
    run: str
    """Names this recorder's life."""
    kernel: str
    version: str
    """Of sigtrace."""
    losses: dict[str, int]
    """What it lost so far, as of the losses table."""
    segments: dict[int, Lasted]
    """By number."""


@dataclass(frozen=True)
class Named(Generic[Where]):
    """A file that is called as a recorder calls its files."""

    path: Where
    table: str
    segment: int
    open: bool


def files(path: Where) -> list[Named[Where]]:
    """What a recording's directory has, by segment; while both are there, an open file hides the closed one.

    Raises OSError.
    """
    found: dict[str, Named[Where]] = {}
    for file in sorted(listing(path), key=lambda file: file.name):  # closed before open
        match = _NAME.fullmatch(file.name)
        if match:
            found[f"{match[1]}-{match[2]}"] = Named(file, match[1], int(match[2]), bool(match[3]))
    return sorted(found.values(), key=lambda named: (named.segment, named.table))


def file_name(table: str, segment: int) -> str:
    """`events-000001.arrow`."""
    return f"{table}-{segment:06d}.arrow"


def read_manifest(path: Path | Remote) -> Manifest:
    """The manifest of a recording. Raises OSError, or BadInput for one that is none, or of a newer version."""
    where = printable(str(path / MANIFEST))
    try:
        manifest = json.loads((path / MANIFEST).read_bytes())
        number = int(manifest["format"])
        segments = {int(name): dict(value) for name, value in manifest["segments"].items()}
    except (ValueError, KeyError, TypeError, AttributeError) as err:
        raise BadInput(f"{where} is not the manifest of a recording, or is damaged") from err
    if number > FORMAT:
        raise BadInput(newer(where, number))
    return cast("Manifest", {**manifest, "segments": segments})


def newer(where: str, number: int) -> str:
    """What to say of a file of a later format."""
    return (
        f"{where} was written by a newer sigtrace (format {number}; this one, {__version__}, reads {FORMAT}): "
        "upgrade sigtrace to read it"
    )


def is_live(path: Path | Remote) -> bool:
    """Whether a recorder is at work in the directory; of one elsewhere that is not known."""
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
    """A directory that this process records into, made if need be. Raises BadInput if it may not.

    `segments`: number -> when it `began` and `ended` (ns UTC; 0: not yet), of those written here, by whomever.
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
        """Take the lock, anew if somebody removed the directory meanwhile. Raises OSError, BadInput if it is taken."""
        self.release()
        fd = os.open(self.path / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o640)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as err:
            os.close(fd)
            raise BadInput(
                f"another recorder writes into {printable(str(self.path))}: give each a directory of its own, "
                "and read them together"
            ) from err
        self._lock = fd

    def release(self) -> None:
        """Let another recorder have it. Safe to repeat."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    @property
    def gone(self) -> bool:
        """Whether somebody removed it, or put another in its place."""
        try:
            here, ours = os.stat(self.path / LOCK), os.fstat(self._lock)
        except OSError:
            return True
        return (here.st_dev, here.st_ino) != (ours.st_dev, ours.st_ino)

    def new_segment(self, now: int) -> int:
        """The number of the next segment, which begins now."""
        self._last += 1
        self.segments[self._last] = {"began": now, "ended": 0}
        return self._last

    def write_manifest(self, facts: Mapping[str, object]) -> None:
        """Replace the manifest. Raises OSError."""
        text = json.dumps({"format": FORMAT, **facts, "segments": self.segments}, indent=1) + "\n"
        new = self.path / f"{MANIFEST}.new"
        with open(new, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(new, self.path / MANIFEST)

    def retain(self, max_bytes: int, oldest: int) -> None:
        """Delete whole segments, oldest first: until all that is left fits, and those that ended before `oldest`.

        The last one stays; so does what is not in `segments`. Raises OSError.
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
        return f"{where} is not yours to write: run sigtrace as root, or record into a directory of yours"
    if isinstance(err, (FileExistsError, NotADirectoryError)):
        return f"{where} is not a directory: give one to record into"
    if isinstance(err, FileNotFoundError):
        return f"{where} cannot be made, as {printable(str(path.parent))} does not exist: make that first"
    return f"cannot record into {where}: {err.strerror}"
