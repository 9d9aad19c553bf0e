"""The location of a recording: a local directory, or one that fsspec reads, such as `s3://bucket/host-a`."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, TypeVar

from sigtrace.errors import BadInput
from sigtrace.recording.ground import Ground
from sigtrace.text import printable

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*(::|://)")
_FILE = re.compile(r"(file|local)://", re.IGNORECASE)
_SECRET = re.compile(r"(?<=//)[^/@]*@")

Result = TypeVar("Result")


@dataclass(frozen=True)
class Remote:
    """A remote directory or file, with the part of pathlib's interface that reading needs. Methods raise OSError."""

    filesystem: AbstractFileSystem
    path: str
    """The path in that file system."""
    url: str
    """The URL for messages, without credentials."""

    def __str__(self) -> str:
        return self.url

    def __truediv__(self, name: str) -> Remote:
        return Remote(self.filesystem, f"{self.path}/{name}", f"{self.url}/{name}")

    @property
    def name(self) -> str:
        """The last component of its path."""
        return PurePosixPath(self.path).name

    @property
    def parent(self) -> Remote:
        """The directory that contains it."""
        return Remote(self.filesystem, self.path.rpartition("/")[0], self.url.rpartition("/")[0])

    def with_suffix(self, suffix: str) -> Remote:
        """Return the path with the last `.suffix` of its name replaced."""
        name = PurePosixPath(self.name).with_suffix(suffix).name
        return self.parent / name

    def read_bytes(self, most: int) -> bytes:
        """Read the whole file. Raises OSError also if it has more bytes than `most`."""
        data = bytes(_call(lambda: self.filesystem.cat_file(self.path, end=most + 1)))
        if len(data) > most:
            raise OSError(errno.EFBIG, f"it is larger than {most >> 20} MiB, and no recorder writes that")
        return data

    def listing(self) -> list[Remote]:
        """Return the current files in the directory, not those of fsspec's cache."""
        self.filesystem.invalidate_cache(self.path)
        entries = _call(lambda: self.filesystem.ls(self.path, detail=True))
        return [self / PurePosixPath(each["name"]).name for each in entries if each["type"] == "file"]


Where = TypeVar("Where", bound=Path | Remote)


def place(where: str | os.PathLike[str]) -> Path | Remote:
    """Convert a user's path or URL to a location. Raises BadInput for a URL that cannot be read here."""
    text = os.fspath(where)
    if not _URL.match(text):
        return Path(text)
    return Path(_FILE.sub("", text)) if _FILE.match(text) else _remote(text)


def listing(where: Where) -> list[Where]:
    """Return what is in a directory, of a remote one the files. Raises OSError."""
    found: list[Any] = where.listing() if isinstance(where, Remote) else _local(where)
    return found


def _local(path: Path) -> list[Path]:
    with Ground(path) as ground:
        return [path / name for name in ground.names()]


def _remote(url: str) -> Remote:
    shown = _SECRET.sub("", url).rstrip("/")
    try:
        from fsspec.core import url_to_fs
    except ImportError as err:
        raise BadInput(f"{printable(shown)} is read through fsspec: pip install 'sigtrace[remote]'") from err
    try:
        filesystem, path = url_to_fs(url)
    except ImportError as err:
        raise BadInput(_not_installed(shown, err)) from err
    except Exception as err:  # each file system raises its own exceptions
        raise BadInput(f"{printable(shown)} cannot be reached: {printable(str(err))}") from err
    return Remote(filesystem, str(path).rstrip("/"), shown)


def _not_installed(url: str, err: ImportError) -> str:
    """Return the message that names the package which the URL's protocol needs."""
    from fsspec.registry import known_implementations

    protocol = re.split("::|://", url)[-2]
    module = str(known_implementations.get(protocol, {}).get("class", "")).partition(".")[0]
    if module and module != "fsspec":
        return f"{protocol}:// is read with the package {module}: pip install {module}"
    return f"{printable(url)} cannot be reached: {printable(str(err))}"


def _call(operation: Callable[[], Result]) -> Result:
    """Run an operation of the file system; any exception becomes an OSError."""
    try:
        return operation()
    except OSError:
        raise
    except Exception as err:  # each file system raises its own exceptions
        raise OSError(errno.EIO, printable(str(err)) or type(err).__name__) from err
