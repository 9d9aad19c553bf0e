"""What the program does with the signal: shells, handlers, other signals; each is diagnosed as itself alone."""

from __future__ import annotations

import sys

import pytest

from sigtrace.lab.actor import Actor, Fate, Namespace
from sigtrace.lab.channel import wait_until
from sigtrace.lab.stage import Stage
from tests.kernel.investigation import Investigation, has_child, kill

pytestmark = pytest.mark.kernel

KILL, USR1, TERM, CONT, STOP = 9, 10, 15, 18, 19
SHELL = "/bin/sh"


@pytest.fixture
def namespace(stage: Stage, observed: Investigation) -> Namespace:
    return observed.watch(stage.namespace())


@pytest.fixture(autouse=True)
def blank(namespace: Namespace) -> None:
    """Every test watches a namespace of its own, from before it does anything."""


def test_shell_form(stage: Stage, observed: Investigation, init: Actor) -> None:
    init.become(SHELL, "-c", "sleep 50; true")
    wait_until(lambda: has_child(init.pid, "sleep"), "the shell to have its child")
    stage.outside.kill(init, TERM)
    observed.snapshot("dropped")
    kill(stage, init)
    assert observed.causes() == ["shell-form"]
    assert observed.live_only() == ["shell-form"]


def test_shell_form_with_a_trap_that_waits_for_the_child(
    stage: Stage, observed: Investigation, init: Actor
) -> None:
    init.become("/bin/bash", "-c", "trap 'exit 0' TERM; sleep 50; true")
    wait_until(lambda: has_child(init.pid, "sleep"), "the shell to have its child")
    stage.outside.kill(init, TERM)
    wait_until(lambda: TERM not in init.mask("ShdPnd"), "the trap to be noted")
    observed.snapshot("signalled")
    kill(stage, init)
    assert observed.causes() == ["shell-form"]


def test_shell_form_is_told_while_the_trap_still_waits(
    stage: Stage, observed: Investigation, init: Actor
) -> None:
    init.become(SHELL, "-c", "trap 'exit' TERM; sleep 50; true")
    wait_until(lambda: has_child(init.pid, "sleep"), "the shell to have its child")
    stage.outside.kill(init, TERM)
    wait_until(lambda: TERM not in init.mask("ShdPnd"), "the trap to be noted")
    observed.snapshot("signalled")
    report = observed.report()
    assert [(found.cause, found.confidence) for found in report.findings] == [("shell-form", "possible")]
    assert "slow-handler" not in [cause.slug for cause in report.ruled_out]
    observed.snapshot()
    assert observed.live_only() == ["shell-form"]


@pytest.mark.parametrize("shell", [SHELL, "/bin/bash"])
def test_a_shell_that_waits_for_what_runs_in_the_background_is_not_suspected(
    stage: Stage, observed: Investigation, init: Actor, shell: str
) -> None:
    init.become(shell, "-c", "trap 'exit' TERM; sleep 50 & wait")
    wait_until(lambda: has_child(init.pid, "sleep"), "the shell to have its child")
    observed.snapshot()
    assert observed.live_only() == []
    stage.outside.kill(init, TERM)
    assert init.fate().state == "exited"


def test_slow_handler(stage: Stage, observed: Investigation, init: Actor) -> None:
    init.set("handler", TERM)
    stage.outside.kill(init, TERM)
    wait_until(lambda: init.caught() == [TERM], "the handler to run")
    observed.snapshot("signalled")
    kill(stage, init)
    assert observed.causes() == ["slow-handler"]


RESTARTS = """
import os, signal, sys
def handler(number, frame):
    os.execv(sys.executable, [sys.executable, "-I", "-S", "-c", "import signal; signal.pause()"])
signal.signal(signal.SIGTERM, handler)
signal.pause()
"""


def test_an_init_that_starts_anew_instead_of_ending(
    stage: Stage, observed: Investigation, init: Actor
) -> None:
    init.become(sys.executable, "-I", "-S", "-c", RESTARTS)
    wait_until(lambda: TERM in init.mask("SigCgt"), "its handler")
    stage.outside.kill(init, TERM)
    wait_until(lambda: TERM not in init.mask("SigCgt"), "it to start anew")
    observed.snapshot("signalled")
    kill(stage, init)
    (found,) = observed.report().findings
    assert found.cause == "slow-handler"
    assert "started anew by exec(2)" in found.summary
    assert "reloads on SIGTERM" in found.advice


def test_an_init_that_reads_a_signalfd_and_does_not_end(
    stage: Stage, observed: Investigation, init: Actor
) -> None:
    init(f"block({TERM})")
    fd = init(f"signalfd([{TERM}])")
    ticket = init.channel.request(f"os.read({fd}, 128)[0]")
    stage.outside.kill(init, TERM)
    assert init.channel.answer(ticket) == TERM
    observed.snapshot("signalled")
    kill(stage, init)
    assert observed.causes() == ["synchronous-consumer"]


def test_wrong_stop_signal(stage: Stage, observed: Investigation, init: Actor) -> None:
    init.set("handler", TERM)
    stage.outside.kill(init, USR1)
    observed.snapshot("dropped")
    kill(stage, init)
    assert observed.causes() == ["wrong-stop-signal"]


def test_wrong_stop_signal_that_is_handled_as_something_else(
    stage: Stage, observed: Investigation, init: Actor
) -> None:
    init.set("handler", TERM, USR1)
    stage.outside.kill(init, USR1)
    wait_until(lambda: init.caught() == [USR1], "the handler to run")
    observed.snapshot("signalled")
    kill(stage, init)
    assert observed.causes() == ["wrong-stop-signal"]


def test_stopped(stage: Stage, observed: Investigation, init: Actor) -> None:
    init.set("handler", TERM)
    stage.outside.kill(init, STOP)
    wait_until(lambda: init.stat_state() == "T", "the init to stop")
    stage.outside.kill(init, TERM)
    observed.snapshot("signalled")
    assert observed.live_only() == ["stopped"]
    kill(stage, init)
    assert observed.causes() == ["stopped"]


def test_an_init_that_was_resumed_is_not_told_to_be_resumed(
    stage: Stage, observed: Investigation, init: Actor
) -> None:
    init.set("handler", TERM)
    stage.outside.kill(init, STOP)
    wait_until(lambda: init.stat_state() == "T", "the init to stop")
    stage.outside.kill(init, TERM)
    observed.look_twice("signalled")
    found = observed.finding("stopped")
    assert (found.past, found.severity, found.confidence) == (False, "error", "certain")
    stage.outside.kill(init, CONT)
    wait_until(lambda: init.caught() == [TERM], "the handler to run")
    init.channel.request("os._exit(0)")
    assert init.fate() == Fate("exited", 0)
    found = observed.finding("stopped")
    assert (found.past, found.severity) == (True, "notice")
    assert "was stopped" in found.summary
    assert "resume" not in found.advice


def test_an_init_that_was_stopped_until_sigkill_came_is_explained_by_that(
    stage: Stage, observed: Investigation, init: Actor
) -> None:
    init.set("handler", TERM)
    stage.outside.kill(init, STOP)
    wait_until(lambda: init.stat_state() == "T", "the init to stop")
    stage.outside.kill(init, TERM)
    kill(stage, init)
    found = observed.finding("stopped")
    assert (found.past, found.severity, found.confidence) == (True, "error", "certain")
    assert "resume" not in found.advice
