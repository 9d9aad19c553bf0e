"""An init that passes requests on: the postmortem follows them to the process that hangs, and names that one."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

from sigtrace.lab.actor import Actor, Namespace
from sigtrace.lab.channel import wait_until
from sigtrace.lab.stage import Stage
from sigtrace.postmortem.finding import Finding
from tests.conftest import require
from tests.kernel.forwarding import (
    BLOCKS,
    CATATONIT,
    DUMB_INIT,
    ENDS,
    FORWARD,
    HANDLES,
    IGNORES,
    TINI,
    app,
    child,
    script,
)
from tests.kernel.freezing import Freezer, hierarchy_of
from tests.kernel.investigation import Investigation, kill

pytestmark = pytest.mark.kernel

KILL, USR1, TERM, STOP = 9, 10, 15, 19


@pytest.fixture
def namespace(stage: Stage, observed: Investigation) -> Namespace:
    return observed.watch(stage.namespace())


def start(init: Actor, program: str, *command: str) -> None:
    """Have the init become a program, if it is installed."""
    require(os.path.exists(program), os.path.basename(program), f"{program} is not installed")
    init.become(program, *command)


def ask(stage: Stage, observed: Investigation, init: Actor) -> None:
    """Send SIGTERM to the init; when that has passed it on, take the snapshot that a recorder takes."""
    stage.outside.kill(init, TERM)
    wait_until(lambda: observed.case().passed != (), "the init to pass it on")
    observed.snapshot("signalled")


def only(observed: Investigation, live: bool = False) -> Finding:
    """The only finding."""
    findings = observed.report(live).findings
    assert len(findings) == 1, findings
    return findings[0]


@pytest.mark.parametrize(
    ("setup", "cause"),
    [(IGNORES, "ignored-by-program"), (BLOCKS, "blocked-forever"), (HANDLES, "slow-handler")],
)
def test_the_child_of_tini_that_does_not_end_is_found(
    stage: Stage, observed: Investigation, init: Actor, setup: str, cause: str
) -> None:
    start(init, TINI, "--", *app(setup))
    pid = child(init.pid)
    ask(stage, observed, init)
    signal.sigtimedwait([], 1.1)  # the grace period: less is no time for a handler
    observed.snapshot("signalled")
    kill(stage, init)
    found = only(observed)
    assert (found.cause, found.severity, found.confidence) == (cause, "error", "certain")
    assert found.path == (f"tini[{init.pid}]", f"app[{pid}]")
    assert f"app[{pid}]" in found.summary
    assert f"tini[{init.pid}] passed the request on to it." in found.summary


@pytest.mark.parametrize("setup", [IGNORES, BLOCKS])
def test_it_is_found_without_a_snapshot(
    stage: Stage, observed: Investigation, init: Actor, setup: str
) -> None:
    start(init, TINI, "--", *app(setup))
    pid = child(init.pid)
    stage.outside.kill(init, TERM)
    wait_until(lambda: observed.case().passed != (), "tini to pass it on")
    kill(stage, init)
    found = only(observed)
    assert found.cause == {IGNORES: "ignored-by-program", BLOCKS: "blocked-forever"}[setup]
    assert found.path[-1] == f"app[{pid}]"


def test_while_it_hangs_it_is_found_too(stage: Stage, observed: Investigation, init: Actor) -> None:
    start(init, TINI, "--", *app(IGNORES))
    pid = child(init.pid)
    ask(stage, observed, init)
    assert only(observed, live=True).path[-1] == f"app[{pid}]"
    kill(stage, init)


def test_a_stopped_child_of_tini(stage: Stage, observed: Investigation, init: Actor) -> None:
    start(init, TINI, "--", *app(ENDS))
    pid = child(init.pid)
    os.kill(pid, STOP)
    ask(stage, observed, init)
    kill(stage, init)
    found = only(observed)
    assert (found.cause, found.path[-1]) == ("stopped", f"app[{pid}]")


def test_a_traced_child_of_tini(stage: Stage, observed: Investigation, init: Actor) -> None:
    start(init, TINI, "--", *app(ENDS))
    pid, tracer = child(init.pid), stage.actor()
    tracer(f"ptrace(syscalls.PTRACE_SEIZE, {pid})")
    stage.outside.kill(init, TERM)
    assert tracer(f"os.WSTOPSIG(os.waitpid({pid}, 0x40000000)[1])") == TERM  # __WALL
    observed.snapshot("signalled")
    found = only(observed)
    assert (found.cause, found.path[-1]) == ("traced", f"app[{pid}]")
    tracer.end()
    kill(stage, init)


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_a_frozen_child_of_tini(stage: Stage, observed: Investigation, init: Actor, version: str) -> None:
    mounted = hierarchy_of(version)
    require(mounted, f"cgroup-{version}", f"no cgroup {version} freezer is mounted here")
    assert mounted is not None
    start(init, TINI, "--", *app(ENDS))
    pid, freezer = child(init.pid), Freezer(mounted, version)
    try:
        freezer.hold_pid(pid)
        ask(stage, observed, init)
        found = only(observed)
        assert (found.cause, found.path[-1]) == ("survivor-frozen", f"app[{pid}]")
    finally:
        freezer.set(False)
        stage.close()
        freezer.remove()


def test_a_shell_behind_tini_that_waits_for_its_foreground_command(
    stage: Stage, observed: Investigation, init: Actor
) -> None:
    start(init, TINI, "--", "/bin/sh", "-c", script("trap 'exit' TERM; APP; true", ENDS))
    shell = child(init.pid, "sh")
    child(shell)
    ask(stage, observed, init)
    kill(stage, init)
    found = only(observed)
    assert (found.cause, found.path[-1]) == ("shell-form", f"sh[{shell}]")
    assert "PID 1," not in found.summary


@pytest.mark.parametrize("shell", ["/bin/sh", "/bin/bash"])
@pytest.mark.parametrize("setup", [IGNORES, HANDLES])
def test_a_shell_whose_trap_passes_it_on_is_not_to_blame(
    stage: Stage, observed: Investigation, init: Actor, shell: str, setup: str
) -> None:
    start(init, shell, "-c", script(FORWARD, setup))
    pid = child(init.pid)
    ask(stage, observed, init)
    kill(stage, init)
    found = only(observed)
    assert found.cause == ("slow-handler" if setup == HANDLES else "ignored-by-program")
    assert found.path == (f"{os.path.basename(shell)}[{init.pid}]", f"app[{pid}]")


def test_a_shell_whose_child_has_ended_is_itself_to_blame(
    stage: Stage, observed: Investigation, init: Actor
) -> None:
    start(init, "/bin/sh", "-c", script(FORWARD + "; sleep 50; true", ENDS))
    child(init.pid)
    ask(stage, observed, init)
    child(init.pid, "sleep")
    observed.snapshot("signalled")
    kill(stage, init)
    found = only(observed)
    assert (found.cause, found.path) == ("slow-handler", ())
    assert f"sh[{init.pid}]" in found.summary


def test_a_chain_is_followed_to_its_end(stage: Stage, observed: Investigation, init: Actor) -> None:
    start(init, TINI, "--", "/bin/sh", "-c", script(FORWARD, IGNORES))
    shell = child(init.pid, "sh")
    pid = child(shell)
    ask(stage, observed, init)
    wait_until(lambda: len(observed.case().passed) > 1, "the shell to pass it on")
    kill(stage, init)
    found = only(observed)
    assert found.cause == "ignored-by-program"
    assert found.path == (f"tini[{init.pid}]", f"sh[{shell}]", f"app[{pid}]")
    assert f"through sh[{shell}]" in found.summary


def test_dumb_init_passes_it_to_a_group_and_those_that_did_not_end_are_named(
    stage: Stage, observed: Investigation, init: Actor
) -> None:
    start(
        init, DUMB_INIT, "/bin/sh", "-c", script("trap '' TERM; (trap - TERM; sleep 50) & APP; true", IGNORES)
    )
    shell = child(init.pid, "sh")
    pid = child(shell)
    child(shell, "sleep")
    ask(stage, observed, init)
    wait_until(lambda: len(observed.case().passed) > 2, "dumb-init to signal the whole group")
    kill(stage, init)
    found = only(observed)
    assert found.cause == "ignored-by-program"
    assert found.path[-1] == f"sh[{shell}]"  # the one whose end dumb-init waits for
    assert f"The same holds for app[{pid}]." in found.summary
    assert "sleep" not in found.summary


def test_dumb_init_for_a_single_child(stage: Stage, observed: Investigation, init: Actor) -> None:
    start(init, DUMB_INIT, "--single-child", *app(IGNORES))
    pid = child(init.pid)
    ask(stage, observed, init)
    kill(stage, init)
    found = only(observed)
    assert (found.cause, found.path) == ("ignored-by-program", (f"dumb-init[{init.pid}]", f"app[{pid}]"))


@pytest.mark.parametrize(
    "command",
    [
        (TINI, "--", *app(ENDS)),
        (TINI, "--", "/bin/sh", "-c", script("APP; true", ENDS)),
        (DUMB_INIT, *app(ENDS)),
        (DUMB_INIT, "--single-child", *app("")),
        ("/bin/sh", "-c", script(FORWARD, ENDS)),
    ],
    ids=lambda command: os.path.basename(command[0]),
)
def test_what_is_passed_on_and_obeyed_gives_no_finding(
    stage: Stage, observed: Investigation, init: Actor, command: tuple[str, ...]
) -> None:
    start(init, *command)
    if command[1:3] == ("--", "/bin/sh"):
        child(child(init.pid, "sh"))
    else:
        child(init.pid)
    stage.outside.kill(init, TERM)
    assert init.fate().state == "exited"
    observed.snapshot("exited")
    assert [each.name[:4] for each in observed.case().passed] != []
    assert observed.causes() == []


@pytest.mark.parametrize(
    "program", [(TINI, "--"), (DUMB_INIT,), (CATATONIT, "--")], ids=lambda words: words[0]
)
def test_whom_a_request_would_reach_is_known_without_events(
    observed: Investigation, init: Actor, program: tuple[str, ...]
) -> None:
    start(init, *program, *app(IGNORES))
    pid = child(init.pid)
    observed.snapshot()
    assert observed.live_only() == ["ignored-by-program"]
    (found,) = observed.live_report().findings
    assert (found.severity, found.confidence) == ("warning", "possible")
    assert found.path == (f"{os.path.basename(program[0])}[{init.pid}]", f"app[{pid}]")


def test_without_events_a_chain_is_followed_and_a_healthy_child_is_not_suspected(
    observed: Investigation, init: Actor
) -> None:
    start(init, TINI, "--", TINI, "-s", "--", *app(BLOCKS))
    middle = child(init.pid, "tini")
    pid = child(middle)
    observed.snapshot()
    assert observed.live_only() == []
    os.kill(pid, TERM)
    observed.snapshot()
    (found,) = observed.live_report().findings
    assert found.cause == "blocked-forever"
    assert found.path == (f"tini[{init.pid}]", f"tini[{middle}]", f"app[{pid}]")


@pytest.mark.parametrize("shell", ["/bin/sh", "/bin/bash"])
def test_without_events_a_shell_may_pass_it_on(observed: Investigation, init: Actor, shell: str) -> None:
    start(init, TINI, "--", shell, "-c", script(FORWARD, IGNORES))
    middle = child(init.pid, os.path.basename(shell))
    pid = child(middle)
    observed.snapshot()
    (found,) = observed.live_report().findings
    assert (found.cause, found.severity, found.path[-1]) == ("ignored-by-program", "notice", f"app[{pid}]")


@pytest.mark.parametrize("shell", ["/bin/sh", "/bin/bash"])
def test_a_shell_does_not_wait_for_a_daemon_that_it_inherited(
    stage: Stage, observed: Investigation, init: Actor, shell: str
) -> None:
    start(init, shell, "-c", script("(setsid APP &); sleep 50; true", ENDS))
    pid, sleep = child(init.pid), child(init.pid, "sleep")
    observed.snapshot()
    stage.outside.kill(init, TERM)
    observed.snapshot("dropped")
    kill(stage, init)
    found = only(observed)
    assert found.cause == "shell-form"
    assert f"waits for sleep[{sleep}] and" in found.summary
    assert str(pid) not in found.summary


def test_of_the_programs_of_supervisord_the_one_that_does_not_end_is_found(
    stage: Stage, observed: Investigation, init: Actor, tmp_path: Path
) -> None:
    (tmp_path / "app.py").write_text(app(IGNORES)[-1])
    (tmp_path / "conf").write_text(
        f"[supervisord]\nnodaemon=true\nuser=root\nlogfile=/dev/null\nlogfile_maxbytes=0\npidfile={tmp_path}/pid\n"
        f"[program:app]\ncommand={sys.executable} -I -S {tmp_path}/app.py\n[program:nap]\ncommand=/bin/sleep 100\n"
    )
    start(init, "/usr/bin/supervisord", "-c", str(tmp_path / "conf"))
    pid = child(init.pid)
    child(init.pid, "sleep")
    stage.outside.kill(init, TERM)
    wait_until(lambda: len(observed.case().passed) > 1, "supervisord to stop both")
    observed.snapshot("signalled")
    kill(stage, init)
    found = only(observed)
    assert found.cause == "ignored-by-program"
    assert found.path == (f"supervisord[{init.pid}]", f"app[{pid}]")


def test_a_service_of_s6_that_does_not_end_is_found_through_its_supervisor(
    stage: Stage, observed: Investigation, init: Actor, tmp_path: Path
) -> None:
    service = tmp_path / "scan" / "web"
    service.mkdir(parents=True)
    (service / "run").write_text(f"#!/bin/sh\nexec {script('APP', IGNORES)}\n")
    (service / "run").chmod(0o755)
    start(init, "/usr/bin/s6-svscan", str(tmp_path / "scan"))
    supervisor = child(init.pid, "s6-supervise")
    pid = child(supervisor)
    stage.outside.kill(init, TERM)
    wait_until(lambda: len(observed.case().passed) > 1, "s6-supervise to stop its service")
    observed.snapshot("signalled")
    kill(stage, init)
    found = only(observed)
    assert found.cause == "ignored-by-program"
    assert found.path == (f"s6-svscan[{init.pid}]", f"s6-supervise[{supervisor}]", f"app[{pid}]")
