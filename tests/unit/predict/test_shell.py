"""What a shell waits for, by the facts that real shells showed. `tests/kernel` asks real ones."""

from __future__ import annotations

import pytest

from sigtrace.predict.shell import Waiting, waiting, waits_for
from sigtrace.procfs.signal_target import Relative, Target
from sigtrace.signals import INT, QUIT, mask

KEYS = mask([INT, QUIT])
SHELL = Relative(7, "bash", pgrp=5, ignored=mask([QUIT]))  # as bash does itself
FRONT = Relative(8, "sleep", pgrp=5)
BACK = Relative(9, "sleep", pgrp=5, ignored=KEYS)


def mode(*children: Relative, wchan: str = "do_wait", shell: Relative = SHELL) -> str:
    return waits_for(wchan, shell, children).mode


def test_a_background_command_ignores_int_and_quit() -> None:
    assert mode(BACK) == "background"
    assert mode(FRONT) == "foreground"
    assert mode() == "nothing"


def test_one_foreground_command_is_enough_and_is_named() -> None:
    assert waits_for("do_wait", SHELL, [BACK, FRONT]) == Waiting("foreground", (FRONT,))
    assert mode(Relative(8, "sleep", "Z", pgrp=5), BACK) == "background"


@pytest.mark.parametrize("caught", [INT, QUIT], ids=["python", "the JVM"])
def test_a_background_program_may_set_a_handler_for_one_of_them(caught: int) -> None:
    left = KEYS & ~mask([caught])
    assert mode(Relative(9, "app", pgrp=5, ignored=left, caught=mask([caught]))) == "background"


def test_a_shell_in_sigsuspend_is_in_wait_whatever_its_children_did() -> None:
    assert mode(Relative(9, "nginx", pgrp=5, caught=KEYS), wchan="sigsuspend.isra.0") == "background"


@pytest.mark.parametrize("name", ["mksh", "zsh"])
def test_shells_that_always_sleep_in_sigsuspend_are_known_by_their_children(name: str) -> None:
    assert waits_for("sigsuspend.isra.0", SHELL, [FRONT], name).mode == "foreground"
    assert waits_for("sigsuspend.isra.0", SHELL, [BACK], name).mode == "background"
    assert waits_for("sigsuspend.isra.0", SHELL, [FRONT], "dash").mode == "background"


@pytest.mark.parametrize(
    ("child", "shell"),
    [
        (Relative(8, "nginx", pgrp=5, caught=KEYS), SHELL),
        (Relative(8, "node", pgrp=5), SHELL),
        (Relative(8, "sleep", pgrp=8), SHELL),
        (BACK, Relative(7, "bash", pgrp=5, ignored=KEYS)),
    ],
    ids=["handlers for both", "resets all", "job control", "the shell ignores them itself"],
)
def test_what_nothing_tells_is_unknown(child: Relative, shell: Relative) -> None:
    assert waits_for("do_wait", shell, [child]) == Waiting("unknown", (child,))


def test_a_process_group_that_is_not_known_does_not_matter() -> None:
    assert mode(Relative(8, "sleep")) == "foreground"


def test_children_that_are_not_known_are_not_taken_for_none() -> None:
    assert waiting(Target(7, "bash", shell="bash", children=None)) == Waiting("unknown")
    assert waiting(Target(7, "bash", shell="bash", children=(FRONT,), pgrp=5)).mode == "foreground"
    assert waiting(Target(7, "bash", shell="bash")).mode == "nothing"
