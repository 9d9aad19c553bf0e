"""What is offered of what there is, on made-up containers."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from sigtrace.completion import names, offers
from sigtrace.completion.names import Named
from sigtrace.procfs import namespaces
from sigtrace.procfs.namespaces import PidNamespace, Survey

WEB = Named("web-1", "ab12" + "0" * 60, "web-1", "nginx:1.25", "docker", "", "")
APP = Named(
    "app", "cd34" + "0" * 60, "shop/checkout-7d4f/app", "checkout:2", "containerd", "checkout-7d4f", "shop"
)
SIDE = Named(
    "log", "cd35" + "0" * 60, "shop/checkout-7d4f/log", "fluentd:1", "containerd", "checkout-7d4f", "shop"
)
OTHER = Named("app", "ef56" + "0" * 60, "shop/till-1/app", "till:1", "containerd", "till-1", "shop")
PODMAN = Named("db", "0f0f" + "0" * 60, "store/db", "postgres:16", "podman", "store", "")


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> list[Named]:
    """The containers there are: the test fills the list."""
    there: list[Named] = []
    monkeypatch.setattr(names, "containers", lambda until: dict(enumerate(there)))
    return there


def test_containers_of_pods_are_offered_by_label_and_by_a_name_that_only_one_has(known: list[Named]) -> None:
    known += [WEB, APP, SIDE, OTHER]
    assert offers.offered("containers", "") == {
        "shop/checkout-7d4f/app": "checkout:2, containerd",
        "shop/checkout-7d4f/log": "fluentd:1, containerd",
        "shop/till-1/app": "till:1, containerd",
        "web-1": "nginx:1.25, docker",
    }
    assert offers.offered("containers", "l") == {"log": "fluentd:1, containerd"}
    assert offers.offered("containers", "a") == {}
    assert offers.offered("containers", "cd3") == {
        "cd3400000000": "shop/checkout-7d4f/app, checkout:2, containerd",
        "cd3500000000": "shop/checkout-7d4f/log, fluentd:1, containerd",
    }


def test_pods_are_offered_with_their_namespace_and_what_is_in_them(known: list[Named]) -> None:
    known += [WEB, APP, SIDE, OTHER, PODMAN]
    assert offers.offered("pods", "") == {
        "shop/checkout-7d4f": "app, log",
        "shop/till-1": "app",
        "store": "db",
    }
    assert offers.offered("pods", "shop/t") == {"shop/till-1": "app"}
    assert list(offers.offered("targets", "shop/till")) == ["shop/till-1/app", "shop/till-1"]


@pytest.mark.parametrize(
    "name", ["$(reboot)", "a b", "x;y", "two\nlines", "~", "a*", "\x1b[2J", "\u202eb", "@files"]
)
def test_names_that_a_shell_would_not_take_literally_are_not_offered(name: str, known: list[Named]) -> None:
    known += [Named(name, "ab" * 32, name, "", "docker", "", ""), WEB]
    assert list(offers.offered("containers", "")) == ["web-1"]


def test_what_is_said_of_a_container_cannot_reach_the_terminal_raw(known: list[Named]) -> None:
    known += [WEB._replace(image="\x1b]0;hello\x07\n\u202e")]
    assert offers.offered("containers", "") == {"web-1": "\\x1b]0;hello\\x07\\n\\u202e, docker"}


def test_an_error_is_no_answer_and_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(until: float) -> dict[int, Named]:
        raise OSError(5, "no /proc")

    monkeypatch.setattr(names, "containers", broken)
    assert offers.offered("containers", "") == {}


def test_a_namespace_that_ends_meanwhile_does_not_hide_the_others(
    known: list[Named], monkeypatch: pytest.MonkeyPatch
) -> None:
    gone, there = PidNamespace(4026532301, 1, None, 1 << 30), PidNamespace(4026532302, 1, None, os.getpid())
    monkeypatch.setattr(namespaces, "survey", lambda: Survey((gone, there), 2, 0, False))
    comm = Path("/proc/self/comm").read_text().strip()
    assert offers.offered("namespaces", "") == {"4026532302": f"{comm}, PID {os.getpid()}"}


def test_a_shell_is_not_kept_waiting_by_files_that_hang(monkeypatch: pytest.MonkeyPatch) -> None:
    set_alarm, alarms = signal.setitimer, []

    def noted(which: int, seconds: float, interval: float = 0) -> tuple[float, float]:
        alarms.append(seconds)
        return set_alarm(which, seconds, interval)

    monkeypatch.setattr(names, "containers", lambda until: signal.pause())
    monkeypatch.setattr(signal, "setitimer", noted)
    before = signal.getsignal(signal.SIGALRM)
    assert offers.offered("containers", "") == {}
    assert alarms[0] == 0.5
    assert signal.getsignal(signal.SIGALRM) == before


# Names that are kept ----------------------------------------------------------------------------------


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The PIDs that were looked up; names are kept in a directory of the test's."""
    pids: list[int] = []
    tmp_path.chmod(0o700)
    monkeypatch.setattr(names, "_directory", lambda: str(tmp_path))
    monkeypatch.setattr(names, "_first_processes", lambda: {4026532301: 11, 4026532302: 12})
    monkeypatch.setattr(names, "_look_up", lambda pid: pids.append(pid) or (WEB if pid == 11 else None))
    return pids


def test_what_was_looked_up_once_is_not_looked_up_again_with_the_same_roots(
    asked: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert names.containers(float("inf")) == names.containers(float("inf")) == {11: WEB}
    assert asked == [11, 12]
    monkeypatch.setenv("SIGTRACE_ROOTS", "host=/host")
    names.containers(float("inf"))
    assert asked == [11, 12, 11, 12]


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"roots": "", "known": {"a": 1}, "nameless": {}}', "\0", "[" * 9999]
)
def test_a_file_that_is_none_of_ours_is_written_anew(content: str, asked: list[int], tmp_path: Path) -> None:
    (tmp_path / "sigtrace.completion").write_text(content)
    assert names.containers(float("inf")) == {11: WEB}
    assert names.containers(float("inf")) == {11: WEB}
    assert asked == [11, 12]


def test_nothing_is_kept_where_others_can_write_nor_through_a_link(asked: list[int], tmp_path: Path) -> None:
    kept, elsewhere = tmp_path / "sigtrace.completion", tmp_path / "elsewhere"
    elsewhere.write_text("mine")
    kept.symlink_to(elsewhere)
    names.containers(float("inf"))
    assert elsewhere.read_text() == "mine"
    assert kept.stat().st_mode & 0o777 == 0o600
    kept.unlink()
    tmp_path.chmod(0o777)
    assert names.containers(float("inf")) == {11: WEB}
    assert not kept.exists()


def test_when_the_time_is_up_the_rest_has_no_names(asked: list[int]) -> None:
    assert names.containers(0) == {}
    assert asked == []
