"""Every cause, made to happen by real processes, is diagnosed as itself and as nothing else."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sigtrace.lab.actor import Actor, Fate, Namespace
from sigtrace.lab.channel import wait_until
from sigtrace.lab.stage import Stage
from tests.conftest import require
from tests.kernel.freezing import Freezer, hierarchy_of
from tests.kernel.hanging import dead_mount, hang_on, slow_core_dumps
from tests.kernel.investigation import Investigation, investigation
from tests.processes import children

pytestmark = pytest.mark.kernel

INT, KILL, USR1, TERM, CONT, STOP = 2, 9, 10, 15, 18, 19
RTMIN = 34
SHELL = "/bin/sh"


@pytest.fixture(scope="module")
def observed() -> Iterator[Investigation]:
    with investigation() as opened:
        yield opened


@pytest.fixture
def namespace(stage: Stage, observed: Investigation) -> Namespace:
    return observed.watch(stage.namespace())


def has_child(pid: int, comm: str) -> bool:
    """Whether a child of that name is there, by /proc alone."""
    return comm in children(pid).values()


def kill(stage: Stage, init: Actor) -> None:
    """What every runtime does in the end."""
    stage.outside.kill(init, KILL)
    assert init.fate() == Fate("killed", KILL)


# Healthy ---------------------------------------------------------------------------------------------


def test_a_healthy_stop_gives_no_finding(stage: Stage, observed: Investigation, init: Actor) -> None:
    init.set("handler", TERM)
    observed.snapshot()
    stage.outside.kill(init, TERM)
    wait_until(lambda: init.caught() == [TERM], "the handler to run")
    init.channel.request("os._exit(0)")
    assert init.fate() == Fate("exited", 0)
    observed.snapshot("exited")
    assert observed.causes() == []


def test_a_healthy_stop_with_members_gives_no_finding(
    stage: Stage, observed: Investigation, namespace: Namespace, init: Actor
) -> None:
    members = [namespace.member() for _ in range(3)]
    init.set("handler", TERM)
    stage.outside.kill(init, TERM)
    wait_until(lambda: init.caught() == [TERM], "the handler to run")
    init.channel.request("os._exit(0)")
    assert init.fate() == Fate("exited", 0)
    assert not any(member.alive() for member in members)
    observed.snapshot("exited")
    observed.snapshot("exited")
    assert observed.causes() == []


def test_a_kill_that_is_obeyed_gives_no_finding(stage: Stage, observed: Investigation, init: Actor) -> None:
    kill(stage, init)
    observed.snapshot("killed")
    assert observed.causes() == []


def test_tini_with_a_child_that_obeys_gives_no_finding(
    stage: Stage, observed: Investigation, init: Actor
) -> None:
    require(os.path.exists("/usr/bin/tini"), "tini", "tini is not installed")
    init.become("/usr/bin/tini", "--", "sleep", "50")
    wait_until(lambda: has_child(init.pid, "sleep"), "tini to have its child")
    observed.snapshot()
    stage.outside.kill(init, TERM)
    assert init.fate() == Fate("exited", 128 + TERM)
    assert observed.causes() == []


# What the init does with the signal ------------------------------------------------------------------


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


# Somebody else ---------------------------------------------------------------------------------------


def test_not_an_init(stage: Stage, observed: Investigation, namespace: Namespace) -> None:
    member = namespace.member()
    member.set("handler", TERM)
    stage.outside.kill(member, TERM)
    wait_until(lambda: member.caught() == [TERM], "the handler to run")
    observed.snapshot()
    signal.sigtimedwait([], 0.3)  # the grace period
    stage.outside.kill(member, KILL)
    member.fate()
    assert observed.causes() == ["not-an-init"]


def test_a_member_that_obeys_gives_no_such_finding(
    stage: Stage, observed: Investigation, namespace: Namespace
) -> None:
    member = namespace.member()
    stage.outside.kill(member, TERM)
    assert member.fate() == Fate("killed", TERM)
    assert observed.causes() == []


def test_nested_init(observed: Investigation, namespace: Namespace) -> None:
    member = namespace.member()
    inner = member.namespace()
    member.kill(inner.init, TERM)
    observed.snapshot()
    member.kill(inner.init, KILL)
    inner.init.fate()
    assert observed.causes() == ["nested-init"]


def test_kill_all_skips_init(observed: Investigation, namespace: Namespace) -> None:
    member, *others = (namespace.member() for _ in range(3))
    observed.snapshot()
    member(f"kill(-1, {KILL})")
    assert [other.fate() for other in others] == [Fate("killed", KILL)] * 2
    observed.snapshot()
    assert observed.causes() == ["kill-all-skips-init"]


def test_nobody_signalled(observed: Investigation) -> None:
    observed.snapshot()
    assert observed.causes() == ["nobody-signalled"]


@pytest.fixture(autouse=True)
def blank(namespace: Namespace) -> None:
    """Every test watches a namespace of its own, from before it does anything."""


def test_queue_overflow(observed: Investigation, namespace: Namespace, init: Actor) -> None:
    member = namespace.member()
    member("os.setuid(1234567)")
    member("resource.setrlimit(resource.RLIMIT_SIGPENDING, (1, 1))")
    member.set("handler", RTMIN)
    member(f"block({RTMIN})")
    init(f"sigqueue({member.own_pid}, {RTMIN})")
    with pytest.raises(BlockingIOError):
        init(f"sigqueue({member.own_pid}, {RTMIN})")
    observed.snapshot()
    assert observed.causes() == ["queue-overflow"]


# A namespace that cannot end -------------------------------------------------------------------------


def hold_on_exit(stage: Stage, observed: Investigation, init: Actor) -> None:
    """SIGKILL the init and look twice at what is left."""
    stage.outside.kill(init, KILL)
    observed.snapshot("killed")
    assert init.fate(0.4).state == "running", "the namespace ended, so nothing held it"
    observed.snapshot("outlived")


@pytest.mark.parametrize("version", ["v1"])
def test_survivor_frozen(stage: Stage, observed: Investigation, namespace: Namespace, version: str) -> None:
    mounted = hierarchy_of(version)
    require(mounted, f"cgroup-{version}", f"no cgroup {version} freezer is mounted here")
    assert mounted is not None
    freezer = Freezer(mounted, version)
    try:
        freezer.hold(namespace.member())
        hold_on_exit(stage, observed, namespace.init)
        assert observed.causes() == ["survivor-frozen"]
        assert observed.live_only() == ["survivor-frozen"]
    finally:
        freezer.set(False)
        stage.close()
        freezer.remove()


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_an_init_that_is_frozen_when_asked(
    stage: Stage, observed: Investigation, init: Actor, version: str
) -> None:
    mounted = hierarchy_of(version)
    require(mounted, f"cgroup-{version}", f"no cgroup {version} freezer is mounted here")
    assert mounted is not None
    freezer = Freezer(mounted, version)
    init.set("handler", TERM)
    try:
        freezer.hold(init)
        stage.outside.kill(init, TERM)
        observed.look_twice("signalled")
        found = observed.finding("survivor-frozen")
        assert (found.past, found.severity, found.confidence) == (False, "error", "certain")
        assert found.advice.startswith("thaw it")
        freezer.set(False)
        wait_until(lambda: init.caught() == [TERM], "the handler to run")
        init.channel.request("os._exit(0)")
        assert init.fate() == Fate("exited", 0)
        found = observed.finding("survivor-frozen")
        assert (found.past, found.severity) == (True, "notice")
        assert "was frozen by cgroup" in found.summary
        assert "thaw it" not in found.advice
    finally:
        freezer.set(False)
        stage.close()
        freezer.remove()


def test_the_v2_freezer_does_not_keep_a_namespace_from_ending(
    stage: Stage, observed: Investigation, namespace: Namespace
) -> None:
    mounted = hierarchy_of("v2")
    require(mounted, "cgroup-v2", "no cgroup v2 freezer is mounted here")
    assert mounted is not None
    freezer = Freezer(mounted, "v2")
    try:
        freezer.hold(namespace.member())
        kill(stage, namespace.init)
        observed.snapshot("exited")
        assert observed.causes() == []
    finally:
        freezer.set(False)
        stage.close()
        freezer.remove()


def test_zombie_held_by_a_parent_outside(stage: Stage, observed: Investigation, namespace: Namespace) -> None:
    joined = namespace.joined()  # its parent, the holder, waits for nobody unless told
    hold_on_exit(stage, observed, namespace.init)
    assert joined.stat_state() == "Z"
    assert observed.causes() == ["zombie-held"]
    assert observed.live_only() == ["zombie-held"]


def test_zombie_held_by_a_tracer(stage: Stage, observed: Investigation, namespace: Namespace) -> None:
    member, tracer = namespace.member(), stage.actor()
    tracer(f"ptrace(syscalls.PTRACE_SEIZE, {member.pid})")
    hold_on_exit(stage, observed, namespace.init)
    assert member.stat_state() == "Z"
    assert observed.finding("zombie-held").advice.startswith("detach the tracer, or end it")
    tracer.end()
    wait_until(lambda: not namespace.init.alive(), "the namespace to end without the tracer")
    observed.snapshot("outlived")
    found = observed.finding("zombie-held")
    assert (found.past, found.severity) == (True, "notice")
    assert "detach" not in found.advice


def test_survivor_uninterruptible_in_fuse(stage: Stage, observed: Investigation) -> None:
    require(os.path.exists("/dev/fuse"), "fuse", "there is no /dev/fuse")
    server = stage.actor()
    server("private_mounts()")
    namespace = observed.watch(server.namespace())
    member = namespace.member()
    dead_mount(server)
    hang_on(server, member)
    wait_until(lambda: member.stat_state() in "DS", "the member to sleep")
    hold_on_exit(stage, observed, namespace.init)
    assert member.stat_state() == "D"
    assert observed.causes() == ["survivor-uninterruptible"]


def test_not_delivered_while_it_sleeps_uninterruptibly(stage: Stage, observed: Investigation) -> None:
    require(os.path.exists("/dev/fuse"), "fuse", "there is no /dev/fuse")
    server = stage.actor()
    server("private_mounts()")
    namespace = observed.watch(server.namespace())
    init = namespace.init
    init.set("handler", TERM)
    dead_mount(server)
    hang_on(server, init)
    stage.outside.kill(init, TERM)
    wait_until(lambda: init.stat_state() == "D", "the init to sleep")
    observed.snapshot("signalled")
    signal.sigtimedwait([], 1.1)  # the grace period
    stage.outside.kill(init, KILL)
    server.end()  # which lets go whoever waits
    assert init.fate().state == "killed"
    assert observed.causes() == ["not-delivered"]


def test_unreaped_zombies(stage: Stage, observed: Investigation, init: Actor) -> None:
    init("[os.fork() or os._exit(0) for _ in range(8)] and None")
    wait_until(
        lambda: all(" Z " in Path(f"/proc/{pid}/stat").read_text() for pid in children(init.pid)),
        "the children to be dead",
    )
    observed.look_twice()
    assert not observed.finding("unreaped-zombies").past
    kill(stage, init)
    found = observed.finding("unreaped-zombies")
    assert (found.past, found.severity, found.confidence) == (True, "warning", "certain")
    assert "8 processes were dead and not reaped" in found.summary


def test_runtime_lost_exit(stage: Stage, observed: Investigation, init: Actor) -> None:
    stage.outside.kill(init, KILL)
    wait_until(lambda: init.stat_state() == "Z", "the init to be a zombie")
    observed.look_twice("exited")
    assert observed.causes() == ["runtime-lost-exit"]
    assert observed.live_only() == ["runtime-lost-exit"]


def test_an_exit_that_the_parent_noticed_late_is_told_as_past(
    stage: Stage, observed: Investigation, init: Actor
) -> None:
    stage.outside.kill(init, KILL)
    wait_until(lambda: init.stat_state() == "Z", "the init to be a zombie")
    observed.look_twice("exited")
    found = observed.finding("runtime-lost-exit")
    assert (found.past, found.severity, found.confidence) == (False, "error", "certain")
    assert init.fate() == Fate("killed", KILL)  # its parent reaps it
    observed.snapshot("outlived")
    found = observed.finding("runtime-lost-exit")
    assert (found.past, found.severity) == (True, "notice")
    assert "had not reaped it" in found.summary
    assert found.advice.startswith("nothing to do")


def test_core_dump(observed: Investigation) -> None:
    crash = "import resource, ctypes; resource.setrlimit(resource.RLIMIT_CORE, (-1, -1)); input(); ctypes.string_at(0)"
    command = ["unshare", "--pid", "--fork", "--kill-child", sys.executable, "-I", "-c", crash]
    with (
        subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True) as holder,
        slow_core_dumps(),
    ):
        wait_until(lambda: bool(children(holder.pid)), "the init to be born")
        (init,) = children(holder.pid)
        observed.watch_init(init)
        assert holder.stdin is not None
        holder.stdin.write(b"\n")
        holder.stdin.close()
        wait_until(lambda: "CoreDumping:\t1" in Path(f"/proc/{init}/status").read_text(), "a core dump")
        os.kill(init, TERM)
        observed.snapshot("signalled")
        os.kill(init, KILL)
    assert observed.causes() == ["core-dump"]


def test_a_death_with_the_parent_is_not_taken_for_want_of_memory(
    stage: Stage, observed: Investigation, namespace: Namespace
) -> None:
    observed.snapshot()
    namespace.holder.end()  # PR_SET_PDEATHSIG: the kernel sends SIGKILL to the init
    wait_until(lambda: not namespace.init.alive(), "the init to die with its parent")
    observed.snapshot("exited")
    assert observed.causes() == []


def test_oom(stage: Stage, observed: Investigation, namespace: Namespace) -> None:
    hierarchy = Path("/sys/fs/cgroup/memory")
    require(
        (hierarchy / "memory.limit_in_bytes").exists(), "cgroup-memory", "no v1 memory cgroup is mounted here"
    )
    group = hierarchy / f"sigtrace-test-{os.getpid()}"
    group.mkdir()
    try:
        (group / "memory.limit_in_bytes").write_text(str(32 << 20))
        member = namespace.member()
        for each in (namespace.init, member):
            (group / "cgroup.procs").write_text(str(each.pid))
        member.channel.request("len(bytearray(256 << 20))")
        assert member.fate() == Fate("killed", KILL)
        observed.snapshot()
        assert observed.causes() == ["oom"]
    finally:
        stage.close()
        wait_until(lambda: not (group / "cgroup.procs").read_text(), "the cgroup to be empty")
        group.rmdir()
