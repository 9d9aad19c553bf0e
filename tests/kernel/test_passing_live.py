"""What an init passes on, to whom, and what comes of it: predictions about real programs against what they then did.

Nothing here is traced: what became of an init is its wait status.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sigtrace.lab.actor import RUNNING, Actor, Fate
from sigtrace.lab.channel import wait_until
from sigtrace.lab.stage import Stage
from sigtrace.predict.explain import Explanation, explain
from sigtrace.predict.scan import scan
from sigtrace.predict.scan_row import ScanRow
from tests.conftest import require
from tests.processes import children

HUP, INT, QUIT, KILL, TERM, CONT, STOP = 1, 2, 3, 9, 15, 18, 19

IGNORES = ("/bin/sh", "-c", "trap '' TERM; exec sleep 60")
TRAPS = ("/bin/sh", "-c", "trap 'exit 3' TERM; sleep 60 & wait")
FOREGROUND = ("/bin/sh", "-c", "sleep 60; true")
TRAP_FOREGROUND = ("/bin/sh", "-c", "trap 'exit 3' TERM; sleep 60; true")


@pytest.fixture(autouse=True)
def root_only() -> None:
    require(os.geteuid() == 0, "kernel", "PID namespaces need root")


def program(name: str) -> str:
    found = shutil.which(name)
    require(found, "kernel", f"{name} is not installed")
    return str(found)


def family(pid: int) -> Iterator[tuple[int, str]]:
    """The PID and comm of all descendants, children first."""
    for child, comm in children(pid).items():
        yield child, comm
        with contextlib.suppress(FileNotFoundError):  # it has ended meanwhile
            yield from family(child)


def pid_of(init: Actor, comm: str) -> int:
    """The PID of the only descendant of this name, once it has come to life."""
    wait_until(lambda: comm in [name for _, name in family(init.pid)], f"{comm} to be started")
    (found,) = [pid for pid, name in family(init.pid) if name == comm]
    return found


def seen(init: Actor, signal: int = TERM) -> tuple[ScanRow, Explanation]:
    (row,) = scan(signal, ns={Path(f"/proc/{init.pid}/ns/pid").stat().st_ino})
    return row, explain(signal, init.pid)


def holds(stage: Stage, init: Actor, verdict: str, why: str) -> None:
    """Check the prediction, and that the init does what it says."""
    row, told = seen(init)
    assert (row.verdict, row.why) == (verdict, why)
    assert told.as_dict()["caveat"] in (why, f"it stops {why}", f"its own choice: it stops {why}")
    stage.outside.kill(init, TERM)
    if verdict == "stops at once":
        assert init.fate().state in ("exited", "killed")
    else:
        assert init.fate(0.3) == RUNNING


# Small inits -----------------------------------------------------------------------------------------

SMALL = pytest.mark.parametrize(
    ("words", "to"),
    [
        (("tini", "--"), ""),
        (("tini", "-g", "--"), " with its process group"),
        (("catatonit", "--"), ""),
        (("docker-init", "--"), ""),
        (("dumb-init",), " with its process group"),
        (("dumb-init", "--single-child"), ""),
    ],
    ids=" ".join,
)


@SMALL
def test_a_child_that_ignores_the_signal_keeps_its_init(
    stage: Stage, init: Actor, words: tuple[str, ...], to: str
) -> None:
    init.become(program(words[0]), *words[1:], *IGNORES)
    child = pid_of(init, "sleep")
    (row,) = [seen(init)[0]]
    assert [(each["pid"], each["comm"], each["word"]) for each in row.as_dict()["passed_to"]] == [
        (child, "sleep", "ignore")
    ]
    holds(stage, init, "waits for KILL", f"it passes SIGTERM to sleep[{child}]{to}, which ignores it")
    assert any("SIG_IGN" in line and f"sleep[{child}]" in line for line in seen(init)[1].as_dict()["advice"])


@SMALL
def test_a_child_that_ends_on_the_signal_ends_its_init(
    stage: Stage, init: Actor, words: tuple[str, ...], to: str
) -> None:
    init.become(program(words[0]), *words[1:], "/bin/sleep", "60")
    child = pid_of(init, "sleep")
    holds(stage, init, "stops at once", f"it passes SIGTERM to sleep[{child}]{to}, which ends on it")


def test_a_child_that_blocks_the_signal_keeps_its_init(stage: Stage, init: Actor) -> None:
    init(f"block({TERM})")  # which tini gives its child
    init.become(program("tini"), "--", "/bin/sleep", "60")
    child = pid_of(init, "sleep")
    holds(stage, init, "waits for KILL", f"it passes SIGTERM to sleep[{child}], which blocks it")


def test_a_stopped_child_keeps_its_init_until_it_is_resumed(stage: Stage, init: Actor) -> None:
    init.become(program("tini"), "--", "/bin/sleep", "60")
    child = pid_of(init, "sleep")
    os.kill(child, STOP)
    wait_until(lambda: " T " in Path(f"/proc/{child}/stat").read_text(), "the child to stop")
    holds(stage, init, "waits for KILL", f"it passes SIGTERM to sleep[{child}], which is stopped (state T)")
    assert f"sleep[{child}]: resume it: kill -CONT {child}" in seen(init)[1].as_dict()["advice"]
    os.kill(child, CONT)
    assert init.fate() == Fate("exited", 128 + TERM)


def test_a_shell_behind_tini_ends_and_its_command_is_not_asked(stage: Stage, init: Actor) -> None:
    init.become(program("tini"), "--", *FOREGROUND)
    command, shell = pid_of(init, "sleep"), pid_of(init, "sh")
    why = f"it passes SIGTERM to sh[{shell}], which ends on it; sleep[{command}], behind it, is not asked, but killed"
    (advice,) = seen(init)[1].as_dict()["advice"]
    assert advice == f"sh[{shell}]: end its script with exec: sleep[{command}] then gets the signal itself"
    holds(stage, init, "stops at once", why)


def test_a_trap_behind_tini_waits_for_the_command_that_it_cannot_reach(stage: Stage, init: Actor) -> None:
    init.become(program("tini"), "--", *TRAP_FOREGROUND)
    command, shell = pid_of(init, "sleep"), pid_of(init, "sh")
    why = f"which most likely runs its trap only when its foreground command sleep[{command}] has ended"
    holds(stage, init, "can't be told", f"it passes SIGTERM to sh[{shell}], {why}")


def test_a_trap_behind_dumb_init_runs_as_the_command_gets_the_signal_too(stage: Stage, init: Actor) -> None:
    init.become(program("dumb-init"), *TRAP_FOREGROUND)
    command, shell = pid_of(init, "sleep"), pid_of(init, "sh")
    why = f"and has a trap for it, which runs when sleep[{command}] has ended, which gets it too"
    holds(stage, init, "stops at once", f"if sh[{shell}] ends: it is passed SIGTERM, {why}")


def test_a_chain_of_inits_is_followed(stage: Stage, init: Actor) -> None:
    init.become(program("dumb-init"), program("tini"), "-s", "--", *IGNORES)
    child, tini = pid_of(init, "sleep"), pid_of(init, "tini")
    holds(
        stage,
        init,
        "waits for KILL",
        f"it passes SIGTERM by way of tini[{tini}] to sleep[{child}], which ignores it",
    )


def test_dumb_init_may_pass_another_signal_on_or_none(stage: Stage) -> None:
    other, none = stage.namespace().init, stage.namespace().init
    other.become(program("dumb-init"), "-r", "15:3", "/bin/sleep", "60")
    none.become(program("dumb-init"), "-r", "15:0", "/bin/sleep", "60")
    child = pid_of(other, "sleep")
    pid_of(none, "sleep")
    why = f"it passes SIGTERM on as SIGQUIT to sleep[{child}] with its process group, which ends on it"
    holds(stage, other, "stops at once", why)
    holds(stage, none, "waits for KILL", "it takes SIGTERM and does nothing with it")


@pytest.mark.parametrize(
    "words", [("su", "nobody", "-s", "/bin/sh", "-c"), ("runuser", "-u", "nobody", "--", "sh", "-c")]
)
def test_su_kills_a_child_that_ignores_the_signal_after_two_seconds(
    stage: Stage, init: Actor, words: tuple[str, ...]
) -> None:
    init.become(program(words[0]), *words[1:], "trap '' TERM; exec sleep 60")
    child = pid_of(init, "sleep")
    why = f"it passes SIGTERM to sleep[{child}], which ignores it, and gets SIGKILL after 2 s"
    holds(stage, init, "stops at once", why)


@pytest.mark.parametrize(("options", "verdict"), [((), "waits for KILL"), (("-k", "1"), "can't be told")])
def test_timeout_passes_on_what_it_gets(
    stage: Stage, init: Actor, options: tuple[str, ...], verdict: str
) -> None:
    init.become(program("timeout"), *options, "100", *IGNORES)
    child = pid_of(init, "sleep")
    row, _ = seen(init)
    assert row.verdict == verdict
    assert row.why.startswith(f"it passes SIGTERM to sleep[{child}], which ignores it")
    stage.outside.kill(init, TERM)
    if options:
        assert init.fate().state in ("exited", "killed")
    else:
        assert init.fate(0.3) == RUNNING


# Shells ----------------------------------------------------------------------------------------------

SHELLS = pytest.mark.parametrize("shell", [("dash",), ("bash",), ("busybox", "sh")], ids=" ".join)


def become_shell(init: Actor, shell: tuple[str, ...], script: str) -> int:
    """Have the init run a script with a trap and `sleep`; the PID of that, once the shell waits for it."""
    init.become(program(shell[0]), *shell[1:], "-c", script)
    command = pid_of(init, "sleep")
    asleep = ("do_wait", "sigsuspend")
    wait_until(lambda: Path(f"/proc/{init.pid}/wchan").read_text().startswith(asleep), "the shell to wait")
    return command


@SHELLS
@pytest.mark.parametrize("wait", ["wait", "wait $!", "while :; do wait; done"])
def test_a_trap_in_wait_runs_at_once(stage: Stage, init: Actor, shell: tuple[str, ...], wait: str) -> None:
    become_shell(init, shell, f"trap 'exit 3' TERM; sleep 60 & {wait}")
    assert seen(init)[1].as_dict()["advice"] == []
    holds(
        stage,
        init,
        "stops at once",
        "if its trap for SIGTERM ends it: it is in `wait`, so that the trap runs at once",
    )
    assert init.fate() == Fate("exited", 3)


@SHELLS
def test_a_trap_waits_for_the_foreground_command(stage: Stage, init: Actor, shell: tuple[str, ...]) -> None:
    command = become_shell(init, shell, "trap 'exit 3' TERM; sleep 60; true")
    assert "`wait`" in " ".join(seen(init)[1].as_dict()["advice"])
    why = f"the shell most likely runs its trap only when its foreground command sleep[{command}] has ended"
    holds(stage, init, "can't be told", why)
    os.kill(command, KILL)
    assert init.fate() == Fate("exited", 3)


@SHELLS
def test_a_foreground_command_counts_also_beside_a_background_one(
    stage: Stage, init: Actor, shell: tuple[str, ...]
) -> None:
    init.become(program(shell[0]), *shell[1:], "-c", "trap 'exit 3' TERM; sleep 60 & tail -f /dev/null; true")
    command = pid_of(init, "tail")
    why = f"the shell most likely runs its trap only when its foreground command tail[{command}] has ended"
    holds(stage, init, "can't be told", why)


@pytest.mark.parametrize("command", ["sleep 60", "sleep 60 & wait"])
def test_with_job_control_bash_shows_neither(stage: Stage, init: Actor, command: str) -> None:
    pid = become_shell(init, ("bash",), f"set -m; trap 'exit 3' TERM; {command}; true")
    why = f"the shell runs its trap at once if it is in `wait`; if sleep[{pid}] is its foreground command, only when "
    row, _ = seen(init)
    assert (row.verdict, row.why) == ("can't be told", f"{why}that has ended")


def test_a_shell_that_forwards_to_a_program_which_ignores_the_signal_is_not_said_to_stop(
    stage: Stage, init: Actor
) -> None:
    script = "trap 'kill -TERM $!; wait $!' TERM; sh -c \"trap '' TERM; exec sleep 60\" & wait $!; wait $!"
    command = become_shell(init, ("bash",), script)
    holds(stage, init, "can't be told", f"if its trap passes SIGTERM to sleep[{command}], that ignores it")
    (row,) = seen(init)[0].as_dict()["passed_to"]
    assert (row["pid"], row["word"], row["sure"]) == (command, "ignore", False)


# Programs --------------------------------------------------------------------------------------------


def test_what_is_blocked_around_an_event_loop_is_not_said_to_stay_blocked(stage: Stage, init: Actor) -> None:
    loop = f"""
import select, signal, sys
signal.signal({TERM}, lambda *_: sys.exit(3))
poll = select.epoll()
print("ready", flush=True)
while True:
    signal.pthread_sigmask(signal.SIG_BLOCK, [{TERM}])
    poll.poll(0.1)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [{TERM}])
"""
    init.become(sys.executable, "-c", loop)
    wait_until(
        lambda: TERM in init.mask("SigCgt") and TERM in init.mask("SigBlk"), "the program to be in its loop"
    )
    row, told = seen(init)
    assert row.verdict in ("can't be told", "stops at once")
    assert not told.prediction.certain or told.prediction.effect == "handler"
    stage.outside.kill(init, TERM)
    assert init.fate() == Fate("exited", 3)


def test_zombies_that_an_init_does_not_reap_are_counted(init: Actor) -> None:
    for _ in range(8):
        init("os.fork() or os._exit(0)")

    def dead() -> int:
        return sum(" Z " in Path(f"/proc/{pid}/stat").read_text() for pid, _ in family(init.pid))

    wait_until(lambda: dead() == 8, "the children to end")
    row, _ = seen(init)
    assert row.as_dict()["zombies"] == 8
    assert row.why.endswith("; 8 of its children are zombies: it does not reap them")
