"""Which daemons are believed about their directories, and what is read of their configurations."""

from __future__ import annotations

from pathlib import Path

import pytest

from sigtrace.containers.daemons import DAEMONS, Daemons, directories, settings
from sigtrace.containers.files import Files
from sigtrace.containers.paths import Roots

DOCKERD, CONTAINERD, CRIO = DAEMONS
OWN = {"user": "user:[1]", "mnt": "mnt:[2]"}


def _process(proc: Path, pid: str, comm: str, words: str, status: str, links: dict[str, str]) -> None:
    (proc / pid / "ns").mkdir(parents=True)
    (proc / pid / "task" / pid).mkdir(parents=True)
    stat = f"{pid} ({comm}) S 1 1 1 0 -1 0 " + "0 " * 40
    for path in (proc / pid / "stat", proc / pid / "task" / pid / "stat"):
        path.write_text(stat)
    (proc / pid / "comm").write_text(f"{comm}\n")
    (proc / pid / "cmdline").write_text("\0".join(words.split()) + "\0")
    (proc / pid / "status").write_text(status)
    for kind, link in links.items():
        (proc / pid / "ns" / kind).symlink_to(link)


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    for pid, comm in (("1", "systemd"), ("self", "sigtrace")):
        _process(tmp_path, pid, comm, comm, "Uid:\t0\t0\t0\t0\nNSpid:\t1\n", OWN)
    return tmp_path


ROOT, OUTSIDE = "Uid:\t0\t0\t0\t0\n", "NSpid:\t77\n"


@pytest.mark.parametrize(
    ("status", "links", "believed"),
    [
        (ROOT + OUTSIDE, OWN, True),
        ("Uid:\t1000\t1000\t1000\t1000\n" + OUTSIDE, OWN, False),
        ("Uid:\t1000\t0\t0\t0\n" + OUTSIDE, OWN, False),  # a set-user-ID program
        (ROOT + "NSpid:\t77\t1\n", OWN, False),  # docker in docker
        (ROOT + OUTSIDE, {**OWN, "user": "user:[9]"}, False),
        (ROOT + OUTSIDE, {**OWN, "mnt": "mnt:[9]"}, False),  # a container with the host's PID namespace
    ],
)
def test_only_roots_daemons_on_the_host_are_believed(
    proc: Path, status: str, links: dict[str, str], believed: bool
) -> None:
    _process(proc, "77", "dockerd", "dockerd --data-root=/data/docker --config-file=/nowhere", status, links)
    found = Daemons(str(proc)).roots(Roots())
    assert found == ((("docker", "/data/docker"),) if believed else ())


def test_another_program_is_no_daemon_whatever_its_command_line(proc: Path) -> None:
    _process(proc, "77", "sleep", "dockerd --data-root=/data/docker", ROOT + OUTSIDE, OWN)
    assert Daemons(str(proc)).roots(Roots()) == ()


def test_the_command_line_comes_before_the_configuration_that_it_names(tmp_path: Path) -> None:
    (tmp_path / "d.json").write_text('{"data-root": "/a", "exec-root": "/run/b/", "x": 1}')
    files = Files(Roots())
    words = ("dockerd", "--config-file", f"{tmp_path}/d.json")
    assert dict(directories(DOCKERD, words, files)) == {"docker": "/a", "docker-run": "/run/b"}
    assert dict(directories(DOCKERD, (*words, "-g", "/c"), files)) == {"docker": "/c", "docker-run": "/run/b"}


def test_toml_is_read_before_any_table_or_in_the_daemons_own(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text(
        'version = 2\nroot = "/data/containerd"  # here\nstate = \'/run/c\'\n[plugins]\nroot = "/wrong"\n'
    )
    (tmp_path / "crio.conf").write_text('root = "/no"\n[crio]\nroot = "/data/crio"\n[crio.api]\nroot="/no"\n')
    files = Files(Roots())
    assert dict(directories(CONTAINERD, ("containerd", "-c", f"{tmp_path}/c.toml"), files)) == {
        "containerd-data": "/data/containerd",
        "containerd": "/run/c",
    }
    assert dict(directories(CRIO, ("crio", f"--config={tmp_path}/crio.conf"), files)) == {
        "podman": "/data/crio"
    }


@pytest.mark.parametrize("value", ["relative", "/a/../etc", "/" + "a" * 2000, "", "/a\0b"])
def test_what_is_no_absolute_path_is_nothing(value: str) -> None:
    words = ("dockerd", f"--data-root={value}", "--config-file=/nowhere")
    assert dict(directories(DOCKERD, words, Files(Roots()))) == {}


@pytest.mark.parametrize(
    "raw", [b"", b"{", b"[", b"\xff\0", b"root", b"root = ", b"{" * 100_000, b"=" * 100_000]
)
def test_what_is_no_configuration_has_no_settings(raw: bytes) -> None:
    assert settings(raw) == {}
