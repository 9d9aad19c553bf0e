"""Recordings elsewhere, through fsspec: read as local ones are, and refused in a sentence that says what to do."""

from __future__ import annotations

import builtins
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import sigtrace
from sigtrace.errors import BadInput
from sigtrace.recording.place import Remote, place
from tests.builders.recordings import Made, another, made, terms
from tests.builders.stories import SECOND, WEB, recorded, stop_of_ten_seconds


@pytest.fixture
def memory() -> Iterator[Any]:
    """fsspec's filesystem in memory, emptied afterwards."""
    import fsspec

    filesystem = fsspec.filesystem("memory")
    yield filesystem
    filesystem.store.clear()
    filesystem.pseudo_dirs[:] = [""]


def _upload(memory: Any, path: Path, to: str) -> None:
    for file in path.iterdir():
        memory.pipe_file(f"{to}/{file.name}", file.read_bytes())


def test_a_recording_elsewhere_is_read_as_a_local_one(tmp_path: Path, memory: Any) -> None:
    local = recorded(tmp_path / "r", stop_of_ten_seconds(), WEB)
    _upload(memory, local, "/bucket/host-a")
    here, there = sigtrace.open(local), sigtrace.open("memory://bucket/host-a/")
    for name in ("events", "namespaces", "counts", "snapshots", "stops"):
        pd.testing.assert_frame_equal(getattr(here, name)(), getattr(there, name)())
    assert there.events(signal="TERM", columns=["nsid"]).shape == (1, 1)
    assert (there.live, there.problems, there.hosts()) == (False, [], ["web-1"])


def test_hosts_here_and_elsewhere_are_read_as_one(tmp_path: Path, memory: Any) -> None:
    made(tmp_path / "a", *terms([SECOND]))
    _upload(memory, made(tmp_path / "b", *terms([2 * SECOND]), run=another(host="web-2")), "/bucket/b")
    recording = sigtrace.open([tmp_path / "a", "memory://bucket/b"])
    assert recording.events()["host"].tolist() == ["web-1", "web-2"]


def test_a_url_of_this_machine_is_a_path(tmp_path: Path) -> None:
    made(tmp_path, *terms([1]))
    assert place(f"file://{tmp_path}") == tmp_path
    assert len(sigtrace.open(f"file://{tmp_path}").events()) == 1


def test_a_file_fetched_through_a_cache_is_read(tmp_path: Path, memory: Any) -> None:
    _upload(memory, made(tmp_path, *terms([1, 2])), "/bucket/a")
    assert len(sigtrace.open("simplecache::memory://bucket/a").events()) == 2


def test_what_a_recorder_left_open_is_read_and_said_to_be_cut_short(tmp_path: Path, memory: Any) -> None:
    recording = Made(tmp_path)
    recording.add(*terms([1, 2, 3]))
    _upload(memory, tmp_path, "/bucket/a")
    recording.crash()
    read = sigtrace.open("memory://bucket/a")
    assert len(read.events()) == 3
    assert read.problems == [
        "the recorder of memory://bucket/a was cut short: what it had not written by then is missing"
    ]


def test_what_is_damaged_there_is_said_and_the_rest_is_read(tmp_path: Path, memory: Any) -> None:
    _upload(memory, made(tmp_path, *terms([1])), "/bucket/a")
    memory.pipe_file("/bucket/a/events-000009.arrow", b"hello")
    read = sigtrace.open("memory://bucket/a")
    assert len(read.events()) == 1
    assert read.problems == [
        "memory://bucket/a/events-000009.arrow is not a file of a recording, or is damaged: it is left out"
    ]


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("memory://nowhere", "memory://nowhere is not a directory: give that of a recording"),
        ("foo://bucket/a", "foo://bucket/a cannot be reached: Protocol not known: foo"),
        ("s3://bucket/a", "s3:// is read with the package s3fs: pip install s3fs"),
        ("simplecache::s3://bucket/a", "s3:// is read with the package s3fs: pip install s3fs"),
    ],
)
def test_what_cannot_be_reached_is_refused_in_a_sentence(
    url: str, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "s3fs", None)
    with pytest.raises(BadInput) as caught:
        sigtrace.open(url)
    assert str(caught.value) == says


def test_secrets_in_a_url_are_not_shown(memory: Any) -> None:
    shown = str(place("memory://key:secret@bucket/a"))
    assert shown == "memory://bucket/a"
    assert place("memory://bucket/a") / "events.arrow.open" == Remote(
        memory, "/bucket/a/events.arrow.open", "memory://bucket/a/events.arrow.open"
    )


def test_without_fsspec_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    load = builtins.__import__

    def without(name: str, *more: Any, **kept: Any) -> Any:
        if name.startswith("fsspec"):
            raise ImportError(name)
        return load(name, *more, **kept)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(
        BadInput, match=r"s3://bucket/a is read through fsspec: pip install 'sigtrace\[remote\]'"
    ):
        sigtrace.open("s3://bucket/a")


def test_a_filesystems_own_errors_become_sentences(
    tmp_path: Path, memory: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    _upload(memory, made(tmp_path, *terms([1])), "/bucket/a")
    read = sigtrace.open("memory://bucket/a")
    monkeypatch.setattr(
        type(memory), "ls", lambda *_, **__: (_ for _ in ()).throw(RuntimeError("no \x1bcredentials"))
    )
    assert len(read.events()) == 0
    assert read.problems == [r"memory://bucket/a cannot be read: no \x1bcredentials"]
    with pytest.raises(BadInput) as caught:
        sigtrace.open("memory://bucket/a")
    assert str(caught.value) == r"memory://bucket/a cannot be read: no \x1bcredentials"
