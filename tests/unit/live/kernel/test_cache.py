"""The cache of compiled programs: kept entries come back, and nothing stale, damaged or foreign is loaded."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sigtrace.live.kernel import cache
from sigtrace.live.kernel.compile import Compiled
from tests.conftest import require

ENTRY = Compiled({"on_generate": bytes(range(16))}, {5: "events"}, {"on_generate": 9865}, "0.26.0")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(cache, "installed_bcc_version", lambda: "0.26.0")
    return tmp_path / "sigtrace"


def test_what_was_written_is_read_back(home: Path) -> None:
    assert cache.read("k") is None
    cache.write("k", ENTRY)
    assert cache.read("k") == ENTRY
    assert home.stat().st_mode & 0o777 == 0o700
    assert os.listdir(home) == ["k.json"]


def test_an_entry_needs_no_bcc_once_it_is_there(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache.write("k", ENTRY)
    monkeypatch.setattr(cache, "installed_bcc_version", lambda: None)
    assert cache.read("k") == ENTRY


def test_an_entry_of_another_bcc_is_stale(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache.write("k", ENTRY)
    monkeypatch.setattr(cache, "installed_bcc_version", lambda: "0.31.0")
    assert cache.read("k") is None


@pytest.mark.parametrize("at", [0, 30, 60, -1])
def test_a_flipped_bit_anywhere_makes_it_no_entry(home: Path, at: int) -> None:
    cache.write("k", ENTRY)
    raw = bytearray((home / "k.json").read_bytes())
    raw[at] ^= 1
    (home / "k.json").write_bytes(raw)
    assert cache.read("k") is None


@pytest.mark.parametrize("keep", [0, 1, 41, 100])
def test_a_torn_file_is_no_entry(home: Path, keep: int) -> None:
    cache.write("k", ENTRY)
    raw = (home / "k.json").read_bytes()
    (home / "k.json").write_bytes(raw[:keep])
    assert cache.read("k") is None


def test_a_directory_open_to_others_is_not_used(home: Path) -> None:
    cache.write("k", ENTRY)
    home.chmod(0o755)
    with pytest.raises(cache.Untrusted, match="open to others"):
        cache.read("k")
    with pytest.raises(cache.Untrusted, match="open to others"):
        cache.write("k", ENTRY)


def test_an_entry_open_to_others_is_not_used(home: Path) -> None:
    cache.write("k", ENTRY)
    (home / "k.json").chmod(0o666)
    with pytest.raises(cache.Untrusted, match="open to others"):
        cache.read("k")


def test_somebody_elses_directory_is_not_used(home: Path) -> None:
    require(os.geteuid() == 0, "kernel", "only root can give a directory away")
    cache.write("k", ENTRY)
    os.chown(home, 65534, 65534)
    with pytest.raises(cache.Untrusted, match="belongs to uid 65534"):
        cache.read("k")


def test_a_symbolic_link_in_the_place_of_the_directory_or_entry_is_not_followed(
    home: Path, tmp_path: Path
) -> None:
    cache.write("k", ENTRY)
    (home / "k.json").rename(tmp_path / "elsewhere")
    (home / "k.json").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(cache.Untrusted):
        cache.read("k")
    home.rename(tmp_path / "moved")
    home.symlink_to(tmp_path / "moved")
    with pytest.raises(cache.Untrusted):
        cache.read("k")


def test_a_fifo_in_the_place_of_an_entry_does_not_hang(home: Path) -> None:
    cache.write("k", ENTRY)
    (home / "k.json").unlink()
    os.mkfifo(home / "k.json", 0o600)
    assert cache.read("k") is None


def test_the_key_changes_with_the_rules_for_offsets_and_the_version(monkeypatch: pytest.MonkeyPatch) -> None:
    before = cache.key(b"one", True)
    monkeypatch.setattr(cache, "OFFSETS", cache.OFFSETS[1:])
    changed = cache.key(b"one", True)
    monkeypatch.setattr(cache, "__version__", "99")
    assert len({before, changed, cache.key(b"one", True)}) == 3


def test_without_a_home_the_cache_is_off(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_home() -> Path:
        raise RuntimeError

    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(cache.os, "geteuid", lambda: 4321)
    monkeypatch.setattr(cache.Path, "home", no_home)
    with pytest.raises(cache.Untrusted, match="no home directory"):
        cache.read("k")


def test_what_a_killed_writer_left_does_not_stop_the_next(home: Path) -> None:
    cache.write("k", ENTRY)
    (home / f".k.{os.getpid()}").write_text("half")
    cache.write("k", ENTRY)
    assert os.listdir(home) == ["k.json"]


def test_the_key_changes_with_the_kernels_types_and_the_way_to_attach() -> None:
    keys = {cache.key(b"one", True), cache.key(b"two", True), cache.key(b"one", False)}
    assert len(keys) == 3
