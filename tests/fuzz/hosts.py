"""Captured hosts of container runtimes, one file of which is replaced by each input."""

from __future__ import annotations

import atexit
import functools
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable
from pathlib import Path

from sigtrace.containers import files
from sigtrace.events.container import Container
from tests.builders.bolt import database
from tests.builders.captured import Host
from tests.builders.fakeproc import FakeProc


@functools.cache
def directory(name: str) -> Path:
    """Return a directory of this process, below $TMPDIR, which goes when it ends."""
    made = Path(tempfile.mkdtemp(prefix=f"sigtrace-fuzz-{name}-"))
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    return made


@functools.cache
def host(runtime: str) -> Host:
    """Return the captured host of a runtime."""
    return Host(runtime, directory(runtime))


@functools.cache
def proc() -> Path:
    """Return a /proc with an init of a namespace, 7, whose files are to be replaced."""
    root = directory("proc")
    fake = FakeProc(root)
    fake.process(7, nsid=4026532000, nspid="7\t1")
    return root


def replaced(runtime: str, name: str, pid: int) -> Callable[[bytes], object]:
    """Return a function that looks the process up after a file of the host has been replaced, whose path ends so."""

    def run(raw: bytes) -> object:
        path = _file(runtime, name)
        path.write_bytes(raw)
        found = host(runtime).of(pid)
        assert_sound(found)
        return found

    return run


@functools.cache
def _file(runtime: str, name: str) -> Path:
    path = host(runtime).proc / name
    return path if path.exists() else host(runtime).file(name)


def contents(runtime: str, name: str) -> Callable[[], list[bytes]]:
    """Return a function for `Target.seeds`: the file as it was captured."""
    return lambda: [_pristine(runtime, name)]


@functools.cache
def _pristine(runtime: str, name: str) -> bytes:
    return _file(runtime, name).read_bytes()


def assert_sound(found: Container | None) -> None:
    """Assert what holds of any container: its texts are bounded, and can be encoded."""
    if found is not None:
        assert found.id or found.claims
        for text in (*found.columns, found.stop_signal, found.label):
            assert len(text.encode()) <= 16 * files.MAX_TEXT


def in_memory(raw: bytes) -> int:
    """Return a descriptor of a file with these bytes; the caller closes it."""
    fd = os.memfd_create("fuzz")
    os.write(fd, raw)
    return fd


def bolts() -> list[bytes]:
    """Return small databases of bbolt, sound ones and others."""
    return [database(child) for child in (3, 1 << 62)] + [_pristine("podman", "bolt_state.db")]


def sqlites() -> list[bytes]:
    """Return a database as podman keeps it."""
    path = directory("sqlite") / "db.sql"
    path.unlink(missing_ok=True)
    made = sqlite3.connect(path)
    with made:
        made.execute("PRAGMA page_size=512")
        made.execute(
            "CREATE TABLE PodConfig(ID TEXT PRIMARY KEY NOT NULL, Name TEXT UNIQUE NOT NULL, JSON TEXT)"
        )
        made.execute("INSERT INTO PodConfig VALUES ('abc', 'shop', '{}')")
    made.close()
    return [path.read_bytes()]
