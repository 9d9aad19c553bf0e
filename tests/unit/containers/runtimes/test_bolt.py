"""Single keys out of databases that podman and containerd wrote."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from sigtrace.containers.runtimes import bolt
from tests.builders.bolt import database as hostile
from tests.builders.captured import Host

STOP = "io.containerd.image.config.stop-signal"


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return Host("containerd", tmp_path).file("meta.db")


@pytest.fixture
def fd(database: Path) -> Iterator[int]:
    opened = os.open(database, os.O_RDONLY)
    yield opened
    os.close(opened)


def test_keys_of_buckets_in_buckets_are_found(fd: int) -> None:
    assert bolt.get(fd, "v1", "default", "containers", "web-1", "image") == b"docker.io/library/bbq:1"
    assert bolt.get(fd, "v1", "default", "containers", "web-1", "labels", STOP) == b"SIGQUIT"


def test_every_key_of_a_tree_of_several_pages_is_found(fd: int) -> None:
    for number in range(1, 61):
        path = ("v1", "default", "containers", f"filler-{number}", "image")
        assert bolt.get(fd, *path) == b"docker.io/library/bbq:1", number


@pytest.mark.parametrize(
    "path",
    [
        ("v2", "default"),
        ("v1", "default", "containers", "nobody", "image"),
        ("v1", "default", "containers", "web-1"),  # a bucket, no value
        ("v1", "default", "containers", "web-1", "image", "more"),
        ("",),
        (),
    ],
)
def test_what_is_not_there_is_none(fd: int, path: tuple[str, ...]) -> None:
    assert bolt.get(fd, *path) is None


def test_the_newest_sound_meta_page_counts(database: Path) -> None:
    raw = bytearray(database.read_bytes())
    transactions = [int.from_bytes(raw[start + 64 : start + 72], "little") for start in (0, 4096)]
    newest = transactions.index(max(transactions)) * 4096
    raw[newest + 40] ^= 1  # its root page; the checksum no longer fits
    database.write_bytes(raw)
    fd = os.open(database, os.O_RDONLY)
    try:
        assert bolt.get(fd, "v1", "default", "containers", "filler-1", "image") == b"docker.io/library/bbq:1"
    finally:
        os.close(fd)


@pytest.mark.parametrize("length", [0, 1, 15, 80, 4096, 8192, 20_000])
def test_a_database_cut_short_is_none(database: Path, length: int) -> None:
    database.write_bytes(database.read_bytes()[:length])
    fd = os.open(database, os.O_RDONLY)
    try:
        assert bolt.get(fd, "v1", "default", "containers", "filler-33", "image") is None
    finally:
        os.close(fd)


@pytest.mark.parametrize(
    ("child", "overflow", "count"),
    [
        (1 << 62, 0, 1),  # times the size of a page, it is no offset of pread(2)
        ((1 << 64) - 1, 0, 1),
        ((1 << 51) - 1, 0, 1),
        (1 << 40, 0, 1),  # beyond the end
        (3, 0, 1),  # itself
        (3, 0, 65535),
        (0, 0, 1),  # the meta page
        (3, (1 << 32) - 1, 1),
        (3, 1000, 1),
    ],
)
def test_a_database_made_to_harm_is_none(
    tmp_path: Path, child: int, overflow: int, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "db").write_bytes(hostile(child, overflow, count))
    fd, read, sizes = os.open(tmp_path / "db", os.O_RDONLY), os.pread, []

    def counted(fd: int, size: int, offset: int) -> bytes:
        sizes.append(size)
        return read(fd, size, offset)

    monkeypatch.setattr(bolt.os, "pread", counted)
    try:
        assert bolt.get(fd, "allPods", "x") is None
    finally:
        os.close(fd)
    assert sum(sizes) <= 2 * bolt._MOST
