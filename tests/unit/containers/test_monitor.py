"""What the command lines of runtimes' monitors say of their containers."""

from __future__ import annotations

from pathlib import Path

import pytest

from sigtrace.containers import monitor
from sigtrace.containers.runtimes import nspawn
from tests.builders.captured import Host

A = "a1" * 32


@pytest.mark.parametrize(
    ("words", "id_", "runtime", "name"),
    [
        (
            f"/usr/bin/conmon --api-version 1 -c {A} -u {A} -n web --exit-dir /run/libpod/exits",
            A,
            "podman",
            "web",
        ),
        (f"conmon -c {A} -n k8s_app --exit-dir /var/run/crio/exits", A, "cri-o", "k8s_app"),
        (f"/usr/bin/containerd-shim-runc-v2 -namespace moby -id {A} -address /run/c.sock", A, "docker", ""),
        (
            f"/usr/bin/containerd-shim-runc-v2 -namespace k8s.io -id {A} -address /run/c.sock",
            A,
            "containerd",
            "",
        ),
        ("containerd-shim -namespace default -id=web", "web", "containerd", ""),
        ("systemd-nspawn -M web /bin/sh", "web", "nspawn", ""),
        ("lxc-start -n web -F", "web", "lxc", ""),
        ("lxc-start --name=web", "web", "lxc", ""),
    ],
)
def test_a_monitor_names_its_container(words: str, id_: str, runtime: str, name: str) -> None:
    clue = monitor.clue(tuple(words.split()))
    assert clue is not None
    assert (clue.id, clue.runtime, clue.name) == (id_, runtime, name)


def test_the_lxc_monitor_is_one_word() -> None:
    clue = monitor.clue(("[lxc monitor] /var/lib/lxc web",))
    assert clue is not None
    assert (clue.id, clue.runtime) == ("web", "lxc")


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("",),
        ("bash",),
        ("conmon",),
        ("conmon", "-c"),
        ("conmon", "-c", "../../etc"),
        ("conmon", "--", "-c", "x"),
    ],
)
def test_other_command_lines_say_nothing(words: tuple[str, ...]) -> None:
    assert monitor.clue(words) is None


@pytest.mark.parametrize(
    ("words", "machine"),
    [
        ("systemd-nspawn --machine=web -D /srv/x", "web"),
        ("systemd-nspawn --machine web -D /srv/x", "web"),
        ("systemd-nspawn -bD /var/lib/machines/web/", "web"),
        ("systemd-nspawn -Mweb", "web"),
        ("systemd-nspawn -i /srv/web.raw", "web"),
        ("/usr/bin/systemd-nspawn --quiet --keep-unit --boot --settings override --machine web", "web"),
        ("systemd-nspawn -D /srv/web /bin/prog -M other", "web"),
        ("systemd-nspawn /bin/prog -M other", ""),
        ("bash -M web", ""),
    ],
)
def test_a_machine_is_called_by_its_name_or_its_tree(words: str, machine: str) -> None:
    assert nspawn.machine(tuple(words.split())) == machine


@pytest.mark.parametrize(("numbers", "trusted"), [("5", True), ("5 1", False)])
def test_a_monitor_inside_a_container_may_not_say_where_files_are(
    tmp_path: Path, numbers: str, trusted: bool
) -> None:
    for pid, ppid in ((5, 4), (7, 5)):
        home = tmp_path / str(pid)
        (home / "task" / str(pid)).mkdir(parents=True)
        for directory in (home, home / "task" / str(pid)):
            (directory / "stat").write_text(f"{pid} (x) S {ppid}" + " 0" * 48)
        (home / "cmdline").write_text("conmon\0-c\0web\0-b\0/proc/5/root/a/b/c\0")
        (home / "status").write_text(f"Name:\tx\nNSpid:\t{numbers}\n")
    parent = monitor.read(7, str(tmp_path))
    assert parent is not None
    assert parent.trusted == trusted


def test_a_command_line_that_might_hang_is_not_read(tmp_path: Path) -> None:
    host = Host("nspawn", tmp_path)
    assert monitor.read(3413, str(host.proc)) is not None
    (stat,) = host.proc.glob("3408/task/*/stat")
    stat.write_text(stat.read_text().replace(") S ", ") D "))
    (host.proc / "self").mkdir()
    (host.proc / "self" / "mountinfo").write_bytes(b"")
    (host.proc / "3408" / "cgroup").write_text("0::/\n")
    assert monitor.read(3413, str(host.proc)) is None
