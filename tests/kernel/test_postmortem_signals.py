"""What the kernel does with the signal: each cause, made to happen by real processes, is diagnosed as itself alone."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from sigtrace.lab.actor import Actor, Fate, Namespace
from sigtrace.lab.channel import wait_until
from sigtrace.lab.stage import Stage
from tests.conftest import require
from tests.kernel.investigation import Investigation, has_child, kill
from tests.processes import children

pytestmark = pytest.mark.kernel

KILL, TERM, STOP = 9, 15, 19
SHELL = "/bin/sh"


@pytest.fixture
def namespace(stage: Stage, observed: Investigation) -> Namespace:
    return observed.watch(stage.namespace())


@pytest.fixture(autouse=True)
def blank(namespace: Namespace) -> None:
    """Every test watches a namespace of its own, from before it does anything."""


def test_dropped_at_generate(stage: Stage, observed: Investigation, init: Actor) -> None:
    stage.outside.kill(init, TERM)
    observed.snapshot("dropped")
    kill(stage, init)
    assert observed.causes() == ["dropped-at-generate"]
    assert observed.live_only() == ["dropped-at-generate"]


def test_dropped_at_generate_is_known_without_a_snapshot(
    stage: Stage, observed: Investigation, init: Actor
) -> None:
    stage.outside.kill(init, TERM)
    kill(stage, init)
    assert observed.causes() == ["dropped-at-generate"]


def test_startup_race(stage: Stage, observed: Investigation, init: Actor) -> None:
    stage.outside.kill(init, TERM)
    observed.snapshot("dropped")
    init.set("handler", TERM)
    observed.snapshot("dropped")
    kill(stage, init)
    assert observed.causes() == ["startup-race"]


def test_startup_race_is_known_from_a_later_signal(
    stage: Stage, observed: Investigation, init: Actor
) -> None:
    stage.outside.kill(init, TERM)
    init.set("handler", TERM)
    stage.outside.kill(init, TERM)
    wait_until(lambda: init.caught() == [TERM], "the handler to run")
    init.channel.request("os._exit(0)")
    init.fate()
    assert observed.causes() == ["startup-race"]


@pytest.mark.parametrize("shell", [SHELL, "/bin/bash"])
@pytest.mark.parametrize("looked", [True, False])
def test_a_shell_that_prepares_before_it_runs_a_small_init_is_a_startup_race(
    stage: Stage, observed: Investigation, init: Actor, tmp_path: Path, shell: str, looked: bool
) -> None:
    require(os.path.exists("/usr/bin/tini"), "tini", "tini is not installed")
    os.mkfifo(tmp_path / "go")
    init.become(shell, "-c", f"cat {tmp_path}/go; exec /usr/bin/tini -- sleep 50")
    wait_until(lambda: has_child(init.pid, "cat"), "the shell to prepare")
    stage.outside.kill(init, TERM)
    observed.snapshot("dropped")
    (tmp_path / "go").write_text("")
    wait_until(lambda: has_child(init.pid, "sleep"), "tini to have its child")
    if looked:
        observed.snapshot("dropped")
    kill(stage, init)
    found = observed.finding("startup-race")
    name = os.path.basename(shell)
    assert f"{name}[{init.pid}] had started and was discarded: that is a shell, and ran tini" in found.summary
    assert f"`tini -- {name} -c 'prepare; exec app'`" in found.advice


def test_tini_before_a_shell_that_prepares_is_no_startup_race(
    stage: Stage, observed: Investigation, init: Actor, tmp_path: Path
) -> None:
    """What the finding advises."""
    require(os.path.exists("/usr/bin/tini"), "tini", "tini is not installed")
    os.mkfifo(tmp_path / "go")
    init.become("/usr/bin/tini", "--", "/bin/bash", "-c", f"cat {tmp_path}/go; exec sleep 50")
    wait_until(lambda: has_child(init.pid, "bash"), "tini to have its child")
    (shell,) = children(init.pid)
    wait_until(lambda: has_child(shell, "cat"), "the shell to prepare")
    stage.outside.kill(init, TERM)
    assert init.fate() == Fate("exited", 128 + TERM)
    assert observed.causes() == []


@pytest.mark.parametrize("number", [KILL, STOP])
def test_kill_from_inside(observed: Investigation, namespace: Namespace, init: Actor, number: int) -> None:
    namespace.member().kill(init, number)
    observed.snapshot("dropped")
    assert observed.causes() == ["kill-from-inside"]


def test_a_stop_is_explained_first_though_a_kill_from_inside_came_before_it(
    stage: Stage, observed: Investigation, namespace: Namespace, init: Actor
) -> None:
    """`kill -9 1` in a container, then a stop that hangs for another reason."""
    init.set("ignore", TERM)
    namespace.member().kill(init, KILL)
    stage.outside.kill(init, TERM)
    kill(stage, init)
    first, second = observed.report().findings
    assert (first.cause, first.severity) == ("ignored-by-program", "error")
    assert (second.cause, second.severity) == ("kill-from-inside", "warning")
    assert second.summary.startswith("Before this stop: SIGKILL was sent to")


def test_ignored_by_program(stage: Stage, observed: Investigation, init: Actor) -> None:
    init.set("ignore", TERM)
    stage.outside.kill(init, TERM)
    observed.snapshot("signalled")
    kill(stage, init)
    assert observed.causes() == ["ignored-by-program"]
    assert observed.live_only() == ["ignored-by-program"]


def test_ignored_by_a_program_that_inherited_it(stage: Stage, observed: Investigation, init: Actor) -> None:
    init.set("ignore", TERM)
    init.become("/bin/sleep", "50")
    stage.outside.kill(init, TERM)
    kill(stage, init)
    assert observed.causes() == ["ignored-by-program"]


def test_blocked_forever(stage: Stage, observed: Investigation, init: Actor) -> None:
    init(f"block({TERM})")
    stage.outside.kill(init, TERM)
    stage.outside.kill(init, TERM)
    observed.look_twice("signalled")
    assert observed.live_only() == ["blocked-forever"]
    kill(stage, init)
    found = observed.finding("blocked-forever")
    assert (found.past, found.severity, found.confidence) == (True, "error", "certain")


def test_blocked_forever_without_a_snapshot(stage: Stage, observed: Investigation, init: Actor) -> None:
    init(f"block({TERM})")
    stage.outside.kill(init, TERM)
    stage.outside.kill(init, TERM)
    kill(stage, init)
    assert observed.causes() == ["blocked-forever"]


def test_one_look_at_a_blocked_signal_with_a_handler_is_not_certain_and_two_are(
    stage: Stage, observed: Investigation, init: Actor
) -> None:
    init.set("handler", TERM)
    init(f"block({TERM})")
    init.settle()
    stage.outside.kill(init, TERM)
    observed.snapshot("signalled")
    found = observed.finding("blocked-forever")
    assert found.confidence == "possible"
    assert "Its handler runs once it is unblocked." in found.summary
    observed.look_twice()
    assert observed.finding("blocked-forever").confidence == "certain"
    assert observed.live_only() == ["blocked-forever"]


def test_a_signal_that_is_blocked_only_around_an_event_loop_is_not_blocked_for_ever(
    stage: Stage, observed: Investigation, init: Actor
) -> None:
    """As mosquitto does: sigprocmask(), a wait with a timeout, sigprocmask()."""
    init.set("handler", TERM)
    init(f"block({TERM})")
    stage.outside.kill(init, TERM)
    observed.snapshot("signalled")
    init(f"unblock({TERM})")  # the wait is over
    wait_until(lambda: init.caught() == [TERM], "the handler to run")
    init.channel.request("os._exit(0)")
    assert init.fate() == Fate("exited", 0)
    assert observed.causes() == []


def test_dropped_at_deliver(stage: Stage, observed: Investigation, init: Actor) -> None:
    init(f"block({TERM})")
    stage.outside.kill(init, TERM)
    observed.snapshot("signalled")
    init(f"unblock({TERM})")
    init.settle()
    observed.snapshot("dropped")
    kill(stage, init)
    assert observed.causes() == ["dropped-at-deliver"]


RAISES_AGAIN = """
import os, signal, sys
def handler(number, frame):
    if sys.argv[1] != "unblocked":
        signal.pthread_sigmask(signal.SIG_BLOCK, [number])
    signal.signal(number, signal.SIG_IGN if sys.argv[1] == "ignored" else signal.SIG_DFL)
    os.kill(os.getpid(), number)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [number])
    if sys.argv[2] == "exits":
        os._exit(2)
signal.signal(signal.SIGTERM, handler)
while True:
    signal.pause()
"""


@pytest.mark.parametrize("how", ["blocked", "unblocked", "ignored"])  # ignored: as timeout(1) does
@pytest.mark.parametrize("end", ["stays", "exits"])
def test_raised_again(stage: Stage, observed: Investigation, init: Actor, how: str, end: str) -> None:
    init.become(sys.executable, "-I", "-S", "-c", RAISES_AGAIN, how, end)
    wait_until(lambda: TERM in init.mask("SigCgt"), "its handler")
    stage.outside.kill(init, TERM)
    if end == "exits":
        assert init.fate() == Fate("exited", 2)
        assert observed.causes() == []
        return
    wait_until(lambda: not {TERM} & {*init.mask("SigCgt"), *init.mask("SigBlk")}, "the handler to have run")
    observed.snapshot("signalled")
    kill(stage, init)
    assert observed.causes() == ["slow-handler" if how == "ignored" else "raised-again"]


def test_traced_and_dropped_at_delivery(stage: Stage, observed: Investigation, init: Actor) -> None:
    tracer = stage.actor()
    tracer(f"ptrace(syscalls.PTRACE_SEIZE, {init.pid})")
    stage.outside.kill(init, TERM)
    assert tracer(f"os.WSTOPSIG(os.waitpid({init.pid}, 0x40000000)[1])") == TERM  # __WALL
    tracer(f"ptrace(syscalls.PTRACE_CONT, {init.pid}, {TERM})")
    init.settle()
    observed.snapshot("dropped")
    assert observed.causes() == ["traced"]


def test_traced_and_held_in_a_stop(stage: Stage, observed: Investigation, init: Actor) -> None:
    init.set("handler", TERM)
    tracer = stage.actor()
    tracer(f"ptrace(syscalls.PTRACE_SEIZE, {init.pid})")
    stage.outside.kill(init, TERM)
    wait_until(lambda: init.stat_state() == "t", "the init to be in a tracing stop")
    observed.snapshot()
    assert observed.causes() == ["traced"]
    assert observed.live_only() == ["traced"]
