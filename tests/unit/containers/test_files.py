"""Files that are missing, half-written, huge or made to harm: what they would say stays unknown, and nobody waits."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from sigtrace.containers import files, of_cgroup
from sigtrace.containers.files import Files
from sigtrace.containers.paths import Roots
from sigtrace.containers.place import Place
from sigtrace.containers.runtimes.registry import RUNTIMES
from sigtrace.events.container import Container
from tests.builders.captured import Host

D1 = "85c2cdf3a9382bc72fa5f90ccf97ccbb9cffcfcb005a153c0d45cc3633046d15"
CONFIG = f"{D1}/config.v2.json"
UNKNOWN = Container(D1, "", "docker")


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host("docker", tmp_path)


def _fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _loop(path: Path) -> None:
    path.unlink()
    path.symlink_to(path)


def _device(path: Path) -> None:
    path.unlink()
    path.symlink_to("/dev/zero")


def _sparse(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(1 << 40)


SPOILS: dict[str, Callable[[Path], object]] = {
    "missing": lambda path: path.unlink(),
    "empty": lambda path: path.write_bytes(b""),
    "half-written": lambda path: path.write_bytes(path.read_bytes()[:-40]),
    "fifo": _fifo,
    "directory": _directory,
    "link to itself": _loop,
    "device": _device,
    "huge": _sparse,
    "unreadable bytes": lambda path: path.write_bytes(b"\xff\xfe{" * 99),
    "list": lambda path: path.write_bytes(b"[1]"),
    "number": lambda path: path.write_bytes(b"9" * 1_000_000),
    "nested": lambda path: path.write_bytes(b'{"a":' * 200_000),
    "nested lists": lambda path: path.write_bytes(b"[" * 1_000_000),
    "another ID": lambda path: path.write_bytes(path.read_bytes().replace(D1.encode(), b"0" * 64)),
}


@pytest.mark.parametrize("spoil", SPOILS.values(), ids=SPOILS)
def test_a_bad_file_is_an_unknown_name_and_little_of_it_is_read(
    host: Host, spoil: Callable[[Path], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    read, sizes = os.read, []

    def counted(fd: int, size: int) -> bytes:
        chunk = read(fd, size)
        sizes.append(len(chunk))
        return chunk

    spoil(host.file(CONFIG))
    monkeypatch.setattr(files.os, "read", counted)
    assert host.of(2536) == UNKNOWN
    assert sum(sizes) < 3 * files.LIMIT


@pytest.mark.parametrize(
    "error", [OverflowError, MemoryError, RecursionError, AssertionError, KeyError, OSError]
)
@pytest.mark.parametrize("field", ["find", "from_cgroup", "from_init", "from_monitor", "inits"])
def test_whatever_one_runtimes_reader_raises_the_others_are_asked(
    host: Host, field: str, error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise error

    for runtime in RUNTIMES:
        if runtime.runtime != "docker" and getattr(runtime, field):
            monkeypatch.setitem(vars(runtime), field, broken)
    found = host.of(2536)
    assert found is not None
    assert (found.name, found.stop_signal) == ("d1", "SIGQUIT")


def test_what_one_lookup_reads_is_bounded_in_all(tmp_path: Path) -> None:
    reader, size = Files(Roots()), files.LIMIT
    for number in range(100):
        (tmp_path / str(number)).write_bytes(b'{"a":"%s"}' % (b"x" * (size - 8)))
    place = Place(str(tmp_path))
    parsed = [reader.json(place, str(number)) for number in range(100)]
    assert sum(map(bool, parsed)) == files._MOST_JSON // size
    read = [reader.read(place, str(number)) for number in range(100)]
    assert sum(len(raw or b"") for raw in read) <= files._MOST_BYTES
    for number in range(files._MOST_OPENED):
        reader.exists(place, str(number))
    assert not reader.exists(place, "0")


@pytest.mark.parametrize("wrong", [None, 7, True, [], {}, ["x"], {"a": 1}])
def test_members_of_another_shape_are_unknown(host: Host, wrong: object) -> None:
    host.file(CONFIG).write_text(json.dumps({"ID": D1, "Name": wrong, "Config": wrong}))
    found = host.of(2536)
    assert found is not None
    assert (found.id, found.name, found.image, found.pod) == (D1, "", "", "")
    members = {"Image": wrong, "Labels": wrong, "StopSignal": wrong}
    host.file(CONFIG).write_text(json.dumps({"ID": D1, "Name": "/web", "Config": members}))
    found = host.of(2536)
    assert found is not None
    assert (found.name, found.image, found.pod) == ("web", "", "")


def test_texts_are_cut_and_can_always_be_encoded(host: Host) -> None:
    hostile = '{"ID":"%s","Name":"/\\ud800\\u001b[31m\\u202e%s","Config":{"StopSignal":"%s"}}'
    host.file(CONFIG).write_text(hostile % (D1, "x" * 100_000, "SIG" * 50_000))
    found = host.of(2536)
    assert found is not None
    assert len(found.name) <= files.MAX_TEXT
    assert "\x1b[31m\u202e" in found.name  # kept; printing makes it safe
    found.name.encode()
    assert found.stop_signal == "SIGTERM"


@pytest.mark.parametrize(
    ("written", "signal"),
    [
        ("15", "SIGTERM"),
        ("QUIT", "SIGQUIT"),
        ("sigquit", "SIGQUIT"),
        ("SIGRTMIN+3", "SIGRTMIN+3"),
        ("37", "SIGRTMIN+3"),
        ("nonsense", "SIGTERM"),
        ("0", "SIGTERM"),
        ("99999999999", "SIGTERM"),
        ("", "SIGTERM"),
    ],
)
def test_stop_signals_are_called_by_one_name(host: Host, written: str, signal: str) -> None:
    host.file(CONFIG).write_text(json.dumps({"ID": D1, "Name": "/d1", "Config": {"StopSignal": written}}))
    found = host.of(2536)
    assert found is not None
    assert found.stop_signal == signal


def test_links_stay_inside_the_host(host: Host, tmp_path: Path) -> None:
    (host.root / "data").mkdir()
    (host.root / "var/lib/docker").rename(host.root / "data/docker")
    (host.root / "var/lib/docker").symlink_to("/data/docker")  # absolute, as the host means it
    found = host.of(2536)
    assert found is not None
    assert found.name == "d1"
    outside = tmp_path / "outside"
    (host.root / "data/docker").rename(outside)
    (host.root / "var/lib/docker").unlink()
    (host.root / "var/lib/docker").symlink_to(f"/../../../../../../../../../..{outside}")
    assert host.of(2536) == UNKNOWN


def test_without_openat2_files_are_found_all_the_same(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_OPENAT2", 100_000)  # a number no kernel knows
    found = host.of(2536)
    assert found is not None
    assert found.name == "d1"


def test_nothing_above_a_place_is_opened(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"{}")
    (tmp_path / "place").mkdir()
    reader = Files(Roots())
    for place in (Place(str(tmp_path / "place")), Place(str(tmp_path / "place"), confined=True)):
        assert reader.read(place, "../secret") is None
        assert reader.read(place, "..", "secret") is None
        assert reader.read(place, "a\0b") is None
        assert reader.names(place, "..") == []
        assert not reader.exists(place, "..", "secret")


def test_a_file_that_grows_while_it_is_read_is_bounded() -> None:
    assert Files(Roots()).read(Place("/proc/self"), "mountinfo", limit=10) is None
    assert Files(Roots()).read(Place("/proc/self"), "stat")


def test_a_directory_of_many_is_looked_at_in_part(tmp_path: Path) -> None:
    for number in range(files.MAX_ENTRIES + 100):
        (tmp_path / str(number)).touch()
    assert len(Files(Roots()).names(Place(str(tmp_path)))) == files.MAX_ENTRIES


def test_random_memberships_are_harmless() -> None:
    chance = random.Random(7)
    words = [
        "docker",
        "lxc",
        "kubepods",
        "..",
        "machine-a.scope",
        "a" * 64,
        "libpod-" + "b" * 64,
        "\\x2f",
        "user@1.service",
    ]
    for _ in range(2000):
        path = "/".join(chance.choice(words) for _ in range(chance.randrange(8)))
        found = of_cgroup(f"0::/{path}\n".encode(), Roots(host="/nonexistent"))
        assert found is None or "/" not in found.id
