"""Find, open and read the files of a recording, batch by batch. A file that is not readable is reported and skipped."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from sigtrace.errors import BadInput
from sigtrace.recording.contents import Contents, Damaged
from sigtrace.recording.directory import HEADER, RecordingFile, files, is_live, strange_lock
from sigtrace.recording.filter import Filter
from sigtrace.recording.ground import Unfit
from sigtrace.recording.manifest import FORMAT, Manifest, newer, read_manifest
from sigtrace.recording.place import Remote
from sigtrace.recording.schema import complete, fits, possible, schema_of
from sigtrace.text import printable


@dataclass
class Segment:
    """A readable file of the recording, with the facts of its header."""

    named: RecordingFile[Path | Remote]
    contents: Contents
    facts: dict[str, Any]

    @property
    def boot(self) -> tuple[str, str]:
        """Its host and boot_id."""
        return str(self.facts["host"]), str(self.facts["boot_id"])


Part = tuple[Segment, pa.RecordBatch]
"""A file, and rows of it."""


class Segments:
    """The files in these directories. Appends sentences about what is not readable to `problems`, each once."""

    def __init__(self, places: tuple[Path | Remote, ...], problems: list[str]) -> None:
        self._places = places
        self._problems = problems

    def read(
        self, table: str, columns: tuple[str, ...] | None = None, where: Filter | None = None
    ) -> Iterator[Part]:
        """Yield the record batches of a table from all directories, with at least these columns and rows that pass."""
        where = where if where and where.columns else None
        if where and columns is not None:
            columns = tuple(dict.fromkeys([*columns, *where.columns]))
        for file in self.files(table):
            try:
                for part in file.contents.batches(columns, where and where.of_boot(file.boot)):
                    if possible(part):
                        yield file, complete(table, part, columns)
                    else:
                        self._problem(f"{_shown(file.named.path)} is damaged: what cannot be is left out")
            except Damaged as err:
                self._problem(f"{_shown(file.named.path)} is damaged and left out: {err}")
            except OSError as err:
                self._unread(file.named, err)
            if file.contents.torn or file.contents.why:
                self._torn(file)
            file.contents.close()

    def _torn(self, file: Segment) -> None:
        where, torn, why = _shown(file.named.path), file.contents.torn, file.contents.why
        if why:
            left_out = f"its last {torn:,} bytes are left out" if torn else "there may have been more"
            self._problem(f"{where} is damaged: {left_out}: {printable(why)}")
        elif not is_live(file.named.path.parent):
            self._problem(
                f"{where} breaks off in mid-write: its last {torn:,} bytes, at most a second's, are left out"
            )

    def _unread(self, named: RecordingFile[Path | Remote], err: OSError) -> None:
        if not isinstance(err, FileNotFoundError):  # deleted by retention meanwhile
            why = f", as {err.strerror}" if isinstance(err, Unfit) else f": {err.strerror or err}"
            self._problem(f"{_shown(named.path)} cannot be read{why}")

    def state(self, table: str) -> tuple[object, ...]:
        """Return a value that changes whenever a table does: its files, and the sizes of local ones."""
        found: list[object] = []
        for path in self._places:
            with contextlib.suppress(OSError):  # reported when it is read
                for named in (each for each in files(path) if each.table == table):
                    # How long a remote file is takes a request each; a closed one does not change.
                    remote = object() if named.open else 0
                    size = named.path.lstat().st_size if isinstance(named.path, Path) else remote
                    found.append((str(path), named.path.name, size))
        return tuple(found)

    def files(self, table: str) -> Iterator[Segment]:
        """Yield the files of a table that can be read."""
        for path in self._places:
            try:
                names = files(path)
            except OSError as err:
                self._problem(f"{_shown(path)} cannot be read: {err.strerror or err}")
                continue
            for named in names:
                file = self._opened(named) if named.table == table else None
                if file:
                    yield file

    def _opened(self, named: RecordingFile[Path | Remote]) -> Segment | None:
        where = _shown(named.path)
        try:
            contents = _contents(named)
        except Damaged:
            self._foreign(named)
            return None
        except OSError as err:
            self._unread(named, err)
            return None
        facts = _facts(contents)
        if (
            contents.empty
            or facts is None
            or facts["format"] > FORMAT
            or not fits(named.table, contents.schema)
        ):
            contents.close()
            if contents.empty:  # its recorder ended, or its disk was full, before anything was written
                return None
            if facts is None:
                self._foreign(named)
            elif facts["format"] > FORMAT:
                self._problem(newer(where, facts["format"]))
            else:
                self._problem(f"{where} is damaged and left out: a column has the type of another")
            return None
        return Segment(named, contents, facts)

    def _foreign(self, named: RecordingFile[Path | Remote]) -> None:
        if not (named.open and is_live(named.path.parent)):
            where = _shown(named.path)
            self._problem(f"{where} is not a file of a recording, or is damaged: it is left out")

    def _problem(self, sentence: str) -> None:
        if sentence not in self._problems:
            self._problems.append(sentence)


@dataclass(frozen=True)
class Cut:
    """A recorder that did not close its recording, and the time of which something may be missing, ns UTC."""

    boot: tuple[str, str] | None
    """Its host and boot_id; None: not known."""
    since: int
    """What it had written last."""
    until: int | None
    """When the next recorder began; None: there is none."""

    def overlaps(self, since: int | None, until: int | None) -> bool:
        """Whether the time of which something may be missing overlaps another; None: without limit."""
        return (until is None or self.since <= until) and (
            since is None or self.until is None or since <= self.until
        )


@dataclass
class Checked:
    """What a directory has besides its tables."""

    manifest: Manifest | None = None
    """None if there is none that can be read."""
    problems: list[str] = field(default_factory=list)
    """What is wrong, in sentences."""
    cuts: list[Cut] = field(default_factory=list)
    """The recorders that were cut short."""


def check(path: Path | Remote) -> Checked:
    """Look at a recording's directory.

    Raises BadInput if it is not a directory, contains no recording, or is of a newer sigtrace.
    """
    where, checked = _shown(path), Checked()
    problems = checked.problems
    try:
        found = files(path)
        try:
            checked.manifest = read_manifest(path)
        except FileNotFoundError:
            if not found:
                raise BadInput(
                    f"{where} contains no recording: `sigtrace record {where}` makes one"
                ) from None
            problems.append(f"{where} has no manifest.json: its files are read all the same")
        except BadInput as err:
            if not found or "newer" in str(err):
                raise
            problems.append(f"{err}: the other files are read all the same")
        if lock := strange_lock(path):
            problems.append(f"{lock}: the other files are read all the same")
        checked.cuts += _cuts(checked.manifest, found, is_live(path))
    except (FileNotFoundError, NotADirectoryError) as err:
        raise BadInput(f"{where} is not a directory: give that of a recording") from err
    except PermissionError as err:
        remedy = "use credentials with read access" if isinstance(path, Remote) else "run sigtrace as root"
        raise BadInput(f"permission denied for {where}: {remedy}") from err
    except OSError as err:
        raise BadInput(f"{where} cannot be read: {err.strerror or err}") from err
    if any(cut.until is None for cut in checked.cuts):
        problems.append(f"the recorder of {where} was cut short: what it had not written by then is missing")
    return checked


def _cuts(
    manifest: Manifest | None, found: Sequence[RecordingFile[Path | Remote]], live: bool
) -> Iterator[Cut]:
    """Yield the recorders that were cut short; while one is alive, it is not one of them."""
    if manifest is None:
        if any(named.open for named in found) and not live:
            yield Cut(None, 0, None)
        return
    boot = str(manifest.get("host", "")), str(manifest.get("boot_id", ""))
    numbers = sorted(manifest["segments"])
    for number, after in zip(numbers, [*numbers[1:], 0], strict=True):
        lasted = manifest["segments"][number]
        if lasted.get("cut") and after:
            yield Cut(None, lasted["ended"], manifest["segments"][after]["began"])
        elif not lasted["ended"] and not after and not live:
            yield Cut(boot, max([lasted["began"], *_written(found, number)]), None)


def _written(found: Iterable[RecordingFile[Path | Remote]], segment: int) -> Iterator[int]:
    """Yield when local files of a segment were last written to, ns UTC."""
    for named in found:
        if named.segment == segment and isinstance(named.path, Path):
            with contextlib.suppress(OSError):
                yield named.path.lstat().st_mtime_ns


def _contents(named: RecordingFile[Path | Remote]) -> Contents:
    """Open the file, which its recorder may have closed and renamed meanwhile."""
    try:
        return Contents(named.path, known=schema_of(named.table).names)
    except FileNotFoundError:
        if not named.open:
            raise
        return Contents(named.path.with_suffix(""), known=schema_of(named.table).names)


def _facts(contents: Contents) -> dict[str, Any] | None:
    """Return the facts of a file's header; None if it has none that a recorder writes."""
    try:
        facts = json.loads((contents.schema.metadata or {})[HEADER])
        texts = [facts[name] for name in ("host", "boot_id", "run")]
        valid = type(facts["format"]) is int and all(isinstance(text, str) for text in texts)
    except (KeyError, ValueError, TypeError, RecursionError):
        return None
    return facts if valid else None


def _shown(path: Path | Remote) -> str:
    return printable(str(path))
