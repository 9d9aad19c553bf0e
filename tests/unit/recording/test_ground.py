"""A directory that somebody else could write into: nothing foreign is followed, waited for, written or believed."""

from __future__ import annotations

import json
import os
import socket
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import sigtrace
from sigtrace.errors import BadInput
from tests.builders.recordings import Made, another, made, terms

NOBODY = 65534
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root makes devices, and files of others")


def _symlink(path: Path) -> None:
    target = path.parent.parent / "target"
    target.write_text("precious")
    path.symlink_to(target)


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))


STRANGE: dict[str, Callable[[Path], Any]] = {
    "a FIFO": os.mkfifo,
    "a symbolic link": _symlink,
    "a socket": _socket,
    "a directory": Path.mkdir,
    "a device": lambda path: os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 5)),  # /dev/zero
}
strange = pytest.mark.parametrize("kind", STRANGE)


def _kept(path: Path) -> Path:
    """A recording with one closed segment."""
    return made(path / "r", *terms([1]))


@as_root
@strange
def test_a_segment_that_is_no_file_is_named_and_the_rest_is_read(tmp_path: Path, kind: str) -> None:
    where = _kept(tmp_path)
    for name in ("events-000002.arrow", "events-000003.arrow.open", "losses-000002.arrow"):
        STRANGE[kind](where / name)
        (tmp_path / "target").unlink(missing_ok=True)
    recording = sigtrace.open(where)
    assert recording.batch().records["time"].tolist() == [1]
    assert recording.losses.total == 0
    assert recording.problems == [
        f"{where}/events-000002.arrow cannot be read, as it is {kind}",
        f"{where}/events-000003.arrow.open cannot be read, as it is {kind}",
        f"{where}/losses-000002.arrow cannot be read, as it is {kind}",
    ]


@as_root
@strange
def test_a_manifest_or_a_lock_that_is_no_file_is_named_and_nobody_writes(tmp_path: Path, kind: str) -> None:
    where = _kept(tmp_path)
    for name in ("manifest.json", "lock"):
        kept = (where / name).rename(tmp_path / "kept")
        STRANGE[kind](where / name)
        recording = sigtrace.open(where)
        assert len(recording.batch()) == 1
        said = f"{where}/{name} cannot be read, as it is {kind}"
        assert recording.problems == [f"{said}: the other files are read all the same"]
        with pytest.raises(BadInput, match=f"it is {kind}"):
            Made(where)
        (where / name).rmdir() if kind == "a directory" else (where / name).unlink()
        kept.rename(where / name)
        if kind == "a symbolic link":
            assert (tmp_path / "target").read_text() == "precious"


@as_root
@strange
def test_what_waits_under_the_name_of_a_new_file_is_left_alone(tmp_path: Path, kind: str) -> None:
    where = _kept(tmp_path)
    STRANGE[kind](where / "manifest.json.new")
    with pytest.raises(BadInput, match=f"manifest.json.new there is not ours, as it is {kind}"):
        Made(where)
    assert stat.S_IFMT((where / "manifest.json.new").lstat().st_mode) != stat.S_IFREG
    if kind == "a symbolic link":
        assert (tmp_path / "target").read_text() == "precious"


def test_what_a_dead_recorder_left_unfinished_is_removed_and_nothing_else(tmp_path: Path) -> None:
    where = _kept(tmp_path)
    foreign = ["mydata.arrow.new", "events-000007.arrow.new", "events-1.arrow.new", "notes.new"]
    for name in [*foreign, "events-000001.arrow.new", "manifest.json.new"]:
        (where / name).write_text("left")
    (where / "counts-000001.arrow.new").mkdir()
    made(where, *terms([2]), run=another(run="r2"))
    left = sorted(path.name for path in where.iterdir() if ".new" in path.name)
    assert left == sorted([*foreign, "counts-000001.arrow.new"])


@as_root
@pytest.mark.parametrize(("mode", "owner", "says"), [
    (0o1777, 0, "others can write into .*: record into a new directory$"),
    (0o757, 0, "others can write into .*, or forbid it with `chmod go-w /"),
    (0o770, 0, "others can write into"),
    (0o750, NOBODY, f"belongs to user {NOBODY}"),
])  # fmt: skip
def test_a_directory_that_others_can_write_is_refused(
    tmp_path: Path, mode: int, owner: int, says: str
) -> None:
    where = tmp_path / "r"
    where.mkdir()
    os.chown(where, owner, NOBODY)
    where.chmod(mode)
    with pytest.raises(BadInput, match=says):
        Made(where)
    assert list(where.iterdir()) == []


@as_root
def test_a_link_to_a_directory_is_followed_only_if_it_is_ours(tmp_path: Path) -> None:
    _kept(tmp_path)
    link = tmp_path / "link"
    link.symlink_to("r")
    made(link, *terms([2]), run=another(run="r2"))
    os.lchown(link, NOBODY, NOBODY)
    with pytest.raises(BadInput, match=f"is a symbolic link of user {NOBODY}"):
        Made(link)
    assert len(sigtrace.open(link).batch()) == 2


@as_root
def test_a_lock_of_somebody_else_or_with_another_name_is_not_written_to(tmp_path: Path) -> None:
    where = _kept(tmp_path)
    os.chown(where / "lock", NOBODY, NOBODY)
    with pytest.raises(BadInput, match="lock there is not ours, as it belongs to somebody else"):
        Made(where)
    os.chown(where / "lock", 0, 0)
    os.link(where / "lock", tmp_path / "shadow")
    with pytest.raises(BadInput, match="lock there is not ours, as it has another name too"):
        Made(where)


def test_nothing_that_is_recorded_can_be_read_by_everyone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        recording = Made(tmp_path / "r")
        recording.add(*terms([1]))
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in recording.path.iterdir()}
        recording.close()
    finally:
        os.umask(before)
    modes |= {path.name: stat.S_IMODE(path.stat().st_mode) for path in recording.path.iterdir()}
    assert set(modes) == {
        *("manifest.json", "lock", "events-000001.arrow.open", "events-000001.arrow"),
    }
    assert set(modes.values()) == {0o640}
    assert stat.S_IMODE(recording.path.stat().st_mode) == 0o750


def test_a_sparse_file_of_a_terabyte_is_not_read(tmp_path: Path) -> None:
    where = _kept(tmp_path)
    good = (where / "events-000001.arrow").read_bytes()
    (where / "events-000002.arrow").write_bytes(good)
    os.truncate(where / "events-000002.arrow", 1 << 40)
    os.truncate(where / "manifest.json", 1 << 40)
    recording = sigtrace.open(where)
    assert len(recording.batch()) == 1
    assert recording.problems == [
        f"{where}/manifest.json cannot be read, as it is larger than 4 MiB, and no recorder writes that: "
        "the other files are read all the same",
        f"{where}/events-000002.arrow cannot be read, as it is larger than 256 MiB, and no recorder writes that",
    ]


@pytest.mark.parametrize(
    "changed",
    [
        "[" * 200_000,
        '{"format": 1e999, "segments": {}}',
        '{"format": 1, "segments": {"1": {"began": 1e999, "ended": 0}}}',
        '{"format": 1, "segments": {"1": {"began": 1, "ended": "0"}}}',
        '{"format": 1, "segments": {"1": {"began": 1, "ended": 9223372036854775808}}}',
        '{"format": 1, "segments": {"-1": {"began": 1, "ended": 0}}}',
        '{"format": 1, "segments": {"1' + "0" * 5000 + '": {"began": 1, "ended": 0}}}',
        '{"format": 1, "segments": [1]}',
        '{"format": 1, "segments": {}, "losses": {"lost": true}}',
        '{"format": 1, "segments": {}, "losses": [3]}',
        '{"format": 1, "segments": {}, "host": {"a": 1}}',
        '{"format": true, "segments": {}}',
        '{"format": ' + "9" * 5000 + ', "segments": {}}',
        "\0" * 100,
        '"\\ud800"',
    ],
    ids=range(15),
)
def test_a_manifest_that_no_recorder_writes_is_one_sentence(tmp_path: Path, changed: str) -> None:
    where = _kept(tmp_path)
    (where / "manifest.json").write_text(changed)
    said = f"{where}/manifest.json is not the manifest of a recording, or is damaged"
    recording = sigtrace.open(where)
    assert len(recording.batch()) == 1
    assert recording.problems == [f"{said}: the other files are read all the same"]
    with pytest.raises(BadInput, match="is not the manifest of a recording"):
        Made(where)
    assert (where / "manifest.json").read_text() == changed


def test_what_follows_the_segment_of_a_million_is_read(tmp_path: Path) -> None:
    where = _kept(tmp_path)
    manifest = json.loads((where / "manifest.json").read_text())
    manifest["segments"]["9999999"] = {"began": 5, "ended": 6}
    (where / "manifest.json").write_text(json.dumps(manifest))
    made(where, *terms([2]), run=another(run="r2"))
    assert (where / "events-10000000.arrow").exists()
    assert sigtrace.open(where).batch().records["time"].tolist() == [1, 2]


def test_a_number_that_leaves_none_for_another_segment_is_refused(tmp_path: Path) -> None:
    where = _kept(tmp_path)
    (where / "events-999999999999999.arrow").write_text("")
    with pytest.raises(BadInput, match="has no number for another segment"):
        Made(where)
