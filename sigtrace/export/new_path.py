"""Write files and directories that get their name only when they are complete."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from sigtrace.errors import BadInput
from sigtrace.text import printable

_SUFFIX = ".partial"
_MODE = 0o640
"""Not readable by everyone, like a recording: command lines may contain secrets."""


@contextlib.contextmanager
def new_file(path: Path, force: bool) -> Iterator[BinaryIO]:
    """Open a new file, which gets its name if the block ends without an exception, and is removed otherwise.

    Raises BadInput if `path` exists and must not be replaced, or cannot be created; OSError if writing fails.
    """
    path = _checked(path, force)
    if path.is_dir():
        raise BadInput(f"{_shown(path)} is a directory: give the name of a file")
    if path.exists() and not path.is_file():
        raise BadInput(f"{_shown(path)} is not a regular file: write to it with -o - and a redirection")
    being_written = _unused(
        path
    )  # named before it exists, so that no signal comes between its creation and the try
    try:
        with _sentences(path):
            fd = os.open(being_written, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(fd, "wb") as file:
            os.fchmod(fd, _MODE & ~_umask())
            yield file
            file.flush()
            os.fsync(fd)
        _name_file(being_written, path, force)
    finally:
        with contextlib.suppress(
            FileNotFoundError, NotADirectoryError
        ):  # it has its name, or was never created
            being_written.unlink()


@contextlib.contextmanager
def new_directory(path: Path, force: bool, files: frozenset[str]) -> Iterator[Path]:
    """Create a directory, which gets its name if the block ends without an exception, and is removed otherwise.

    `force` replaces a directory that contains nothing but `files`. Raises as `new_file` does.
    """
    path = _checked(path, force)
    if path.exists() and not path.is_dir():
        raise BadInput(
            f"{_shown(path)} is not a directory, but parquet is written to one: remove it, or give another name"
        )
    with _sentences(path):
        if path.is_dir() and (others := sorted(set(os.listdir(path)) - files)):
            raise BadInput(
                f"{_shown(path)} contains {printable(others[0])}, which is not part of an export: give another one"
            )
    being_written = _unused(path)
    try:
        with _sentences(path):
            being_written.mkdir(0o700)
        yield being_written
        being_written.chmod(_MODE & ~_umask() | 0o110 & ~_umask())
        if force and path.is_dir():
            for name in files:
                (path / name).unlink(missing_ok=True)
        os.rename(being_written, path)  # replaces an empty directory, and no other
    except BaseException:
        shutil.rmtree(being_written, ignore_errors=True)
        raise


def _unused(path: Path) -> Path:
    """Return a name beside `path` that nothing has."""
    return path.with_name(f".{path.name[:100]}.{secrets.token_hex(8)}{_SUFFIX}")


def _checked(path: Path, force: bool) -> Path:
    """Resolve symbolic links. Raises BadInput if the path exists and `force` is not set."""
    path = Path(os.path.realpath(path))
    if not force and os.path.lexists(path):
        raise BadInput(_exists(path))
    return path


def _name_file(being_written: Path, path: Path, force: bool) -> None:
    """Give a file its name; without `force`, do not replace a file that was created meanwhile."""
    if force:
        os.replace(being_written, path)
        return
    try:
        os.link(being_written, path)
    except FileExistsError as err:
        raise BadInput(_exists(path)) from err
    except OSError:  # a file system without hard links
        if path.exists():
            raise BadInput(_exists(path)) from None
        os.rename(being_written, path)


@contextlib.contextmanager
def _sentences(path: Path) -> Iterator[None]:
    """Convert errors of creating a file or directory to BadInput."""
    try:
        yield
    except FileNotFoundError as err:
        raise BadInput(
            f"{_shown(path)} cannot be created, as {_shown(path.parent)} does not exist: create that first"
        ) from err
    except NotADirectoryError as err:
        raise BadInput(
            f"{_shown(path)} cannot be created, as {_shown(path.parent)} is not a directory: give another path"
        ) from err
    except PermissionError as err:
        raise BadInput(f"permission denied for {_shown(path.parent)}: give another directory") from err


def _exists(path: Path) -> str:
    return f"{_shown(path)} exists: --force replaces it"


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def _shown(path: Path) -> str:
    return printable(str(path))
