"""`sigtrace watch --all` leaves out what programs do all the time, and says how much; `--raw` does not."""

from __future__ import annotations

import json
import subprocess
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from sigtrace.lab.stage import Stage
from tests.commands import at_work, sigtrace
from tests.patience import patient

pytestmark = pytest.mark.kernel

CHILD_ENDS = "os.waitpid(os.fork() or os._exit(0), 0)"
CHILD_FAILS = "os.waitpid(os.fork() or os._exit(3), 0)"
PREEMPTS = "signal.pthread_kill(threading.get_ident(), signal.SIGURG)"


WAYS = {"short": (), "raw": ("--raw",), "asked": ("--signal", "URG", "--signal", "CHLD")}

Line = tuple[str, str, int, int]
"""Stage, signal, target and exit code."""


@dataclass(frozen=True)
class Ran:
    """What was printed in each of WAYS of the same events."""

    init: int
    member: int
    lines: dict[str, list[Line]]
    said: dict[str, str]

    def of(self, way: str, pid: int) -> list[Line]:
        return [line for line in self.lines[way] if line[2] == pid]


@pytest.fixture(scope="module")
def ran() -> Ran:
    """A member whose children end, one with code 3; which preempts itself; then a stop of its namespace that hangs."""
    lines, said = {}, {}
    with Stage() as stage, ExitStack() as stack:
        namespace = stage.namespace()
        member = namespace.member()
        watching = {
            way: stack.enter_context(
                at_work(
                    *("watch", "--ns", str(namespace.inode), "--all", "--json", *words),
                    output=subprocess.PIPE,
                )
            )
            for way, words in WAYS.items()
        }
        for act in (CHILD_ENDS, CHILD_FAILS, PREEMPTS, "os.kill(os.getpid(), signal.SIGCHLD)"):
            member(act)
        stage.outside.kill(namespace.init, 15)
        stage.outside.kill(namespace.init, 9)
        for way, process in watching.items():
            out, said[way] = process.communicate(timeout=patient(20))
            assert process.returncode == 0, said[way]
            lines[way] = [
                (row["stage"], row["signal_name"], row["target_pid"], row["exit_code"] or 0)
                for row in map(json.loads, out.splitlines())
            ]
        return Ran(namespace.init.pid, member.pid, lines, said)


def test_a_stop_is_what_is_left(ran: Ran) -> None:
    assert ran.of("short", ran.init) == [
        ("generate", "SIGTERM", ran.init, 0),
        ("generate", "SIGKILL", ran.init, 0),
        ("exit", "", ran.init, 0),
    ]
    assert ran.of("short", ran.member) == [
        ("generate", "SIGCHLD", ran.member, 0),  # a program sent this one
        ("generate", "SIGKILL", ran.member, 0),
        ("exit", "", ran.member, 0),
    ]
    (failed,) = (line for line in ran.lines["short"] if line[2] not in (ran.init, ran.member))
    assert (failed[0], failed[3]) == ("exit", 3)


def test_raw_has_all_and_how_much_is_left_out_is_said(ran: Ran) -> None:
    left_out = list(ran.lines["raw"])
    for line in ran.lines["short"]:
        left_out.remove(line)
    kinds = {("generate", "SIGCHLD"), ("generate", "SIGURG"), ("deliver", "SIGKILL"), ("exit", "")}
    assert {line[:2] for line in left_out} == kinds
    assert f"sigtrace: {len(left_out)} routine events not shown: --raw shows them\n" in ran.said["short"]
    assert "routine" not in ran.said["raw"]


def test_a_signal_that_is_asked_for_is_shown(ran: Ran) -> None:
    sent = [line[1] for line in ran.of("asked", ran.member) if line[1]]
    assert sent == ["SIGCHLD", "SIGCHLD", "SIGURG", "SIGCHLD"]


def test_the_totals_count_what_is_left_out(ran: Ran) -> None:
    totals = {line for way in ("short", "raw") for line in ran.said[way].splitlines() if " seen, " in line}
    assert len(totals) == 1


def test_raw_alone_is_bad_input() -> None:
    done = sigtrace("watch", "--raw")
    assert (done.returncode, done.stderr) == (
        2,
        "sigtrace: --raw needs --all: without it, only dropped signals are shown anyway.\n",
    )
