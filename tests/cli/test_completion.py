"""What the shells are offered: real bash, zsh and fish on a terminal, and the answers that their scripts get."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sigtrace.completion.shells import SCRIPTS
from sigtrace.lab.actor import Namespace
from sigtrace.lab.stage import Stage
from tests.conftest import require
from tests.containers import Dockerlike, dockerlike
from tests.patience import patient
from tests.shell import Shell

ROOT = Path(__file__).parents[2]
_IN_NO_HURRY = """
from sigtrace.completion import offers, shells
offers._SECONDS = offers._FOR_NAMES = 20
shells.main()
"""
"""What a shell runs, on a host that is busy with other things."""

BASH_COMPLETION = Path("/usr/share/bash-completion/bash_completion")
SET_UP = {
    "bash": f'. {BASH_COMPLETION}; eval "$(sigtrace completion bash)"',
    "zsh": 'autoload -Uz compinit; compinit -u -D; eval "$(sigtrace completion zsh)"',
    "fish": "sigtrace completion fish | source",
}


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


def ask(*words: str, env: dict[str, str] | None = None, shell: str = "bash") -> list[str]:
    """The answer to a TAB behind the words."""
    typed = {"COMP_WORDS": "\n".join(("sigtrace", *words)), "COMP_CWORD": str(len(words))}
    done = subprocess.run(
        [sys.executable, "-c", _IN_NO_HURRY],
        env={**os.environ, "PYTHONPATH": str(ROOT), "_SIGTRACE_COMPLETE": f"{shell}_complete"}
        | typed
        | (env or {}),
        capture_output=True,
        text=True,
        check=False,
        timeout=patient(60),
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def words_of(answer: list[str]) -> list[str]:
    return [line.partition("\t")[0] for line in answer]


# In the shells themselves -----------------------------------------------------------------------------


@pytest.mark.parametrize("shell", SCRIPTS)
def test_a_tab_completes_also_behind_sudo(shell: str, web: Dockerlike, tmp_path: Path) -> None:
    require(shutil.which(shell), "docs", f"{shell} is not installed")
    require(
        shell != "bash" or BASH_COMPLETION.exists(), "docs", "the package bash-completion is not installed"
    )
    (tmp_path / "hurry.py").write_text(_IN_NO_HURRY)
    asked = f'[ -z "$_SIGTRACE_COMPLETE" ] || exec {sys.executable} {tmp_path}/hurry.py'
    for name, script in (
        ("sigtrace", f'{asked}\nexec {sys.executable} -m sigtrace "$@"'),
        ("sudo", 'exec "$@"'),
    ):
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / name).chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    env = {**os.environ, **web.env, "PYTHONPATH": str(ROOT), "PATH": path, "HOME": str(tmp_path)}
    with Shell(shell, env) as running:
        running.says(SET_UP[shell])
        running.completes("sudo sigtrace explain --container sigtrace-w", "sigtrace-web-1")
        running.completes("sudo sigtrace lab kill-in", "kill-inside")
        running.completes("sigtrace explain sigtrace-w", "sigtrace-web-1")
        running.completes("sigtrace watch --signal=TER", "TERM")


@pytest.mark.parametrize("shell", SCRIPTS)
def test_the_script_can_be_had_in_the_way_of_click_too(shell: str) -> None:
    env = {**os.environ, "PYTHONPATH": str(ROOT), "_SIGTRACE_COMPLETE": f"{shell}_source"}
    done = subprocess.run(
        [sys.executable, "-m", "sigtrace"], env=env, capture_output=True, text=True, check=True
    )
    assert done.stdout == SCRIPTS[shell]


# As their scripts ask ---------------------------------------------------------------------------------


def test_the_inode_of_a_live_namespace_is_offered_with_whose_it_is(
    web: Dockerlike, namespace: Namespace
) -> None:
    inode = str(namespace.inode)
    about = f"{inode}\tapp, PID {namespace.init.pid}, sigtrace-web-1"
    assert about in ask("scan", "--ns", inode[:-1], env=web.env)
    assert about in ask("watch", "--ns", "", env=web.env)
    assert ask("scan", "--ns", "99") == []


@pytest.mark.parametrize("before", [("scan", "--container"), ("explain", "-c"), ("explain",), ("watch",)])
def test_a_live_container_is_offered_by_its_name_and_its_id(before: tuple[str, ...], web: Dockerlike) -> None:
    assert ask(*before, "sigtrace-w", env=web.env) == ["sigtrace-web-1\tnginx:1.25, docker"]
    assert words_of(ask(*before, web.id[:6], env=web.env)) == [web.id[:12]]


def test_a_container_that_was_named_before_is_not_looked_up_again(
    web: Dockerlike, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert words_of(ask("explain", "sigtrace-w", env=web.env)) == ["sigtrace-web-1"]
    shutil.rmtree(web.docker.data)
    assert words_of(ask("explain", "sigtrace-w", env=web.env)) == ["sigtrace-web-1"]
    assert ask("explain", "sigtrace-w", env={"SIGTRACE_ROOTS": f"docker={web.docker.data}x"}) == []


def test_signals_are_offered_as_the_user_began_them() -> None:
    assert words_of(ask("explain", "--signal", "TE")) == ["TERM"]
    assert words_of(ask("scan", "--stop-signal", "sigte")) == ["sigterm"]
    assert words_of(ask("watch", "--signal", "SIGRTMIN+1"))[:2] == ["SIGRTMIN+1", "SIGRTMIN+10"]
    assert ask("watch", "--signal", "CHL") == ["CHLD\t17: does nothing by default"]
    assert len(ask("watch", "--signal", "")) == 62


def test_a_mistake_earlier_on_the_line_is_not_spoken_of() -> None:
    assert words_of(ask("watch", "--signal", "TREM", "--signal", "TER")) == ["TERM"]


def test_an_answer_imports_neither_click_nor_what_only_commands_need() -> None:
    seen = (
        "import sys; from sigtrace.__main__ import main; main(); print(sorted(sys.modules), file=sys.stderr)"
    )
    for words in ("scan\n--con", "explain\n--signal\nT", "explain\nx"):
        done = subprocess.run(
            [sys.executable, "-c", seen],
            env={
                **os.environ,
                "PYTHONPATH": str(ROOT),
                "_SIGTRACE_COMPLETE": "bash_complete",
                "COMP_WORDS": f"sigtrace\n{words}",
                "COMP_CWORD": str(words.count("\n") + 1),
            },
            capture_output=True,
            text=True,
            check=True,
        )
        assert not {"'click'", "'numpy'", "'rich'"} & set(done.stderr.strip("[]\n").split(", "))
