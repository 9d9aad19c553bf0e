"""What the shells are offered: asked as bash, zsh and fish ask, through the environment."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from sigtrace.cli import completion
from sigtrace.containers import of_namespace
from sigtrace.events.container import Container
from sigtrace.lab.actor import Namespace
from sigtrace.lab.stage import Stage
from sigtrace.procfs.namespaces import PidNamespace
from tests.conftest import require
from tests.containers import Dockerlike, dockerlike
from tests.patience import patient

ROOT = Path(__file__).parents[2]
WEB = Container("ab12" + "0" * 60, "web-1", "docker", "nginx:1.25")
APP = Container("cd34" + "0" * 60, "app", "containerd", "checkout:2", "checkout-7d4f", "shop")
SIDE = Container("cd35" + "0" * 60, "log", "containerd", "fluentd:1", "checkout-7d4f", "shop")
OTHER = Container("ef56" + "0" * 60, "app", "containerd", "till:1", "till-1", "shop")
PODMAN = Container("0f0f" + "0" * 60, "db", "podman", "postgres:16", "store")

_IN_NO_HURRY = """
from sigtrace.cli import completion, main
completion._SECONDS = completion._FOR_NAMES = 20
main()
"""
"""sigtrace, on a host that is busy with other things."""


@pytest.fixture
def namespace() -> Iterator[Namespace]:
    require(os.geteuid() == 0, "kernel", "PID namespaces need root")
    with Stage() as stage:
        made = stage.namespace()
        made.init("name('app')")
        yield made


@pytest.fixture
def web(namespace: Namespace) -> Iterator[Dockerlike]:
    with dockerlike(namespace.init.pid, name="sigtrace-web-1", image="nginx:1.25") as container:
        yield container


def ask(shell: str, *words: str, env: dict[str, str] | None = None) -> list[str]:
    """The answer to a TAB behind the words."""
    typed = {"COMP_WORDS": " ".join(("sigtrace", *words)), "COMP_CWORD": str(len(words))}
    if shell == "fish":
        typed["COMP_CWORD"] = words[-1]
    done = subprocess.run(
        [sys.executable, "-c", _IN_NO_HURRY],
        env={**os.environ, "PYTHONPATH": str(ROOT), "_SIGTRACE_COMPLETE": f"{shell}_complete"}
        | typed
        | (env or {}),
        capture_output=True,
        text=True,
        check=False,
        timeout=patient(30),
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.strip("\n").splitlines()


# As a shell asks --------------------------------------------------------------------------------------


def test_bash_is_offered_the_inode_of_a_live_namespace(namespace: Namespace) -> None:
    begun = str(namespace.inode)[:-1]
    assert f"plain,{namespace.inode}" in ask("bash", "scan", "--ns", begun)
    assert f"plain,{namespace.inode}" in ask("bash", "watch", "--ns", "")
    assert ask("bash", "scan", "--ns", "99") == []


def test_zsh_and_fish_are_told_whose_a_namespace_is(web: Dockerlike, namespace: Namespace) -> None:
    inode, init = str(namespace.inode), namespace.init.pid
    about = f"app, PID {init}, sigtrace-web-1"
    assert ask("zsh", "scan", "--ns", inode, env=web.env) == ["plain", inode, about]
    assert ask("fish", "scan", "--ns", inode, env=web.env) in (
        [f"plain,{inode}\t{about}"],
        ["plain", inode, about],
    )


@pytest.mark.parametrize("command", ["scan", "explain", "watch"])
def test_a_live_container_is_offered_by_its_name_and_its_id(command: str, web: Dockerlike) -> None:
    assert ask("bash", command, "--container", "sigtrace-w", env=web.env) == ["plain,sigtrace-web-1"]
    assert ask("bash", command, "--container", web.id[:6], env=web.env) == [f"plain,{web.id[:12]}"]
    assert ask("zsh", command, "--container", "sigtrace-", env=web.env) == [
        "plain",
        "sigtrace-web-1",
        "nginx:1.25, docker",
    ]


def test_signals_are_offered_as_the_user_began_them() -> None:
    assert ask("bash", "explain", "--signal", "TE") == ["plain,TERM"]
    assert ask("bash", "scan", "--stop-signal", "sigte") == ["plain,sigterm"]
    assert ask("bash", "watch", "--signal", "SIGRTMIN+1")[:2] == ["plain,SIGRTMIN+1", "plain,SIGRTMIN+10"]
    assert ask("zsh", "watch", "--signal", "CHL") == ["plain", "CHLD", "17: does nothing by default"]
    assert len(ask("bash", "watch", "--signal", "")) == 62


def test_commands_and_options_are_offered_too() -> None:
    assert ask("bash", "sc") == ["plain,scan"]
    assert "plain,--container" in ask("bash", "scan", "--con")


def test_a_mistake_earlier_on_the_line_is_not_spoken_of() -> None:
    assert ask("bash", "watch", "--signal", "TREM", "--signal", "TER") == ["plain,TERM"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_that_the_readme_names_is_there(shell: str) -> None:
    env = {**os.environ, "PYTHONPATH": str(ROOT), "_SIGTRACE_COMPLETE": f"{shell}_source"}
    done = subprocess.run(
        [sys.executable, "-m", "sigtrace"], env=env, capture_output=True, text=True, check=True
    )
    assert f"_SIGTRACE_COMPLETE={shell}_complete" in done.stdout
    if shutil.which(shell):
        subprocess.run([shell, "-n"], input=done.stdout, text=True, check=True)


def test_a_tab_in_a_real_bash_completes_the_name(web: Dockerlike, tmp_path: Path) -> None:
    """Everything together: the script evaluated by bash, and its function called as readline calls it."""
    command = tmp_path / "sigtrace"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m sigtrace "$@"\n')
    command.chmod(0o755)
    script = (
        'eval "$(_SIGTRACE_COMPLETE=bash_source sigtrace)"\n'
        "COMP_WORDS=(sigtrace scan --container sigtrace-w) COMP_CWORD=3\n"
        "$(complete -p sigtrace | sed 's/.*-F \\([^ ]*\\) .*/\\1/') sigtrace\n"
        'printf "%s\\n" "${COMPREPLY[@]}"\n'
    )
    env = {**os.environ, **web.env, "PYTHONPATH": str(ROOT), "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run(["bash", "-c", script], env=env, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("sigtrace-web-1\n", "")


# What is offered, on made-up containers ---------------------------------------------------------------


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> list[Container]:
    """The containers there are: the test fills the list."""
    there: list[Container] = []
    monkeypatch.setattr(completion, "_containers", lambda: there)
    return there


def offered(completer: completion.Completer, incomplete: str) -> list[tuple[str, str | None]]:
    context = click.Context(click.Command("scan"))
    items = completer(context, click.Option(["--x"]), incomplete)
    return [(item.value, item.help) for item in items]


def test_containers_of_pods_are_offered_by_label_and_by_a_name_that_only_one_has(
    known: list[Container],
) -> None:
    known += [WEB, APP, SIDE, OTHER]
    assert offered(completion.complete_containers, "") == [
        ("shop/checkout-7d4f/app", "checkout:2, containerd"),
        ("shop/checkout-7d4f/log", "fluentd:1, containerd"),
        ("shop/till-1/app", "till:1, containerd"),
        ("web-1", "nginx:1.25, docker"),
    ]
    assert offered(completion.complete_containers, "l") == [("log", "fluentd:1, containerd")]
    assert offered(completion.complete_containers, "a") == []
    assert offered(completion.complete_containers, "cd3") == [
        ("cd3400000000", "shop/checkout-7d4f/app, checkout:2, containerd"),
        ("cd3500000000", "shop/checkout-7d4f/log, fluentd:1, containerd"),
    ]


def test_pods_are_offered_with_their_namespace_and_what_is_in_them(known: list[Container]) -> None:
    known += [WEB, APP, SIDE, OTHER, PODMAN]
    assert offered(completion.complete_pods, "") == [
        ("shop/checkout-7d4f", "app, log"),
        ("shop/till-1", "app"),
        ("store", "db"),
    ]
    assert offered(completion.complete_pods, "shop/t") == [("shop/till-1", "app")]


@pytest.mark.parametrize(
    "name", ["$(reboot)", "a b", "x;y", "-rf", "two\nlines", "~", "a*", "\x1b[2J", "\u202eb"]
)
def test_names_that_a_shell_would_not_take_literally_are_not_offered(
    name: str, known: list[Container]
) -> None:
    known += [Container("ab" * 32, name, "docker"), WEB]
    assert [word for word, _ in offered(completion.complete_containers, "")] == ["web-1"]


def test_what_is_said_of_a_container_cannot_reach_the_terminal_raw(known: list[Container]) -> None:
    known += [Container("ab" * 32, "x", "docker", "\x1b]0;hello\x07\n\u202e")]
    ((_, about),) = offered(completion.complete_containers, "")
    assert about == "\\x1b]0;hello\\x07\\n\\u202e, docker"


def test_an_error_is_no_answer_and_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> list[Container]:
        raise OSError(5, "no /proc")

    monkeypatch.setattr(completion, "_containers", broken)
    assert offered(completion.complete_containers, "") == []


def test_a_namespace_that_ends_meanwhile_does_not_hide_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    gone, there = PidNamespace(4026532301, 1, None, 1 << 30), PidNamespace(4026532302, 1, None, os.getpid())
    monkeypatch.setattr(completion, "_inits", lambda: iter([(gone, None), (there, None)]))
    comm = Path("/proc/self/comm").read_text().strip()
    assert offered(completion.complete_namespaces, "") == [("4026532302", f"{comm}, PID {os.getpid()}")]


def test_a_shell_is_not_kept_waiting_by_files_that_hang(monkeypatch: pytest.MonkeyPatch) -> None:
    def hangs(root: str) -> of_namespace.Namer:
        return lambda pid: signal.pause()  # type: ignore[func-returns-value]

    set_alarm, alarms = signal.setitimer, []

    def noted(which: int, seconds: float, interval: float = 0) -> tuple[float, float]:
        alarms.append(seconds)
        return set_alarm(which, seconds, interval)

    monkeypatch.setattr(of_namespace, "by_files", hangs)
    monkeypatch.setattr(signal, "setitimer", noted)
    before = signal.getsignal(signal.SIGALRM)
    assert offered(completion.complete_containers, "") == []
    assert alarms[0] == 0.5
    assert signal.getsignal(signal.SIGALRM) == before


def test_namespaces_are_offered_when_there_is_no_time_for_names(
    monkeypatch: pytest.MonkeyPatch, namespace: Namespace
) -> None:
    def impatient(root: str) -> of_namespace.Namer:
        def name(pid: int) -> Container:
            pytest.fail("it was looked for a name")

        return name

    monkeypatch.setattr(of_namespace, "by_files", impatient)
    monkeypatch.setattr(completion, "_FOR_NAMES", 0)
    assert dict(offered(completion.complete_namespaces, ""))[str(namespace.inode)] == (
        f"app, PID {namespace.init.pid}"
    )
