"""The manifest of a recording: facts for people and for retention, which a reader can do without."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, cast

from sigtrace._version import __version__
from sigtrace.errors import BadInput
from sigtrace.recording.ground import Ground, Unfit, read
from sigtrace.recording.place import Remote
from sigtrace.text import printable

if TYPE_CHECKING:
    from typing_extensions import NotRequired

FORMAT = 1
"""The format version of files and manifest. A reader refuses greater ones."""

MANIFEST = "manifest.json"
MOST_BYTES = 4 << 20
"""Bytes of a manifest; a segment takes less than 100."""
MOST_NUMBER = 10**12
"""The greatest number of a segment that the next recorder goes on from."""
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


def read_manifest(path: Path | Remote) -> Manifest:
    """Read the manifest of a recording. Raises OSError, or BadInput if it is invalid or of a newer version."""
    if isinstance(path, Remote):
        return _manifest(path, lambda: (path / MANIFEST).read_bytes(MOST_BYTES))
    with Ground(path) as ground:
        return manifest_of(ground)


def manifest_of(ground: Ground) -> Manifest:
    """The same of an open directory."""
    return _manifest(ground.path, lambda: _bytes_of(ground))


def _bytes_of(ground: Ground) -> bytes:
    with io.FileIO(ground.open(MANIFEST)) as file:
        return read(file, MOST_BYTES)


def _manifest(path: Path | Remote, load: Callable[[], bytes]) -> Manifest:
    where = printable(str(path / MANIFEST))
    try:
        manifest = json.loads(load())
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


def _segment(name: str) -> int:
    """Return the number of a segment. Raises ValueError if there is no such."""
    number = int(name) if name.isascii() and name.isdigit() and len(name) < 16 else -1
    if not 0 <= number <= MOST_NUMBER:
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
