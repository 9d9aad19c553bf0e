"""Whether a process ends on a signal that reaches its program, or to whom that passes it on."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sigtrace.predict.fate import fate, why
from sigtrace.predict.forwarders import known
from sigtrace.predict.kernel_rules import predict
from sigtrace.predict.passing import Step
from sigtrace.procfs.signal_target import Relative, Target, Thread
from sigtrace.signals import mask

INT, HUP, TERM, RTMIN3 = 2, 1, 15, 37
INIT = Target(pid=7, comm="app", ns_pid=1, level=1, threads=(Thread(7),), unkillable=True)
MEMBER = Target(pid=8, comm="app", ns_pid=2, level=1, threads=(Thread(8),))
HANDLES, IGNORES = (replace(MEMBER, **{way: mask([TERM])}) for way in ("caught", "ignored"))
BLOCKS = replace(MEMBER, threads=(Thread(8, blocked=mask([TERM])),))


def step(target: Target, *passed: Step, signal: int = TERM, program: str = "") -> Step:
    prediction = predict(target, signal, "ancestor")
    forwarder = known("", program.split()) if program else None
    return Step(target, signal, prediction, forwarder, passed)


def forwarding(*members: Target, program: str = "tini app", signal: int = TERM, sent: int = TERM) -> Step:
    init = replace(INIT, comm=program.split(maxsplit=1)[0], threads=(Thread(7, awaited=mask(range(1, 65))),))
    return step(init, *(step(each, signal=sent) for each in members), program=program, signal=signal)


def said(found: Step) -> tuple[str, str]:
    return fate(found).outcome, why(fate(found))


# By itself -------------------------------------------------------------------------------------------


def test_a_handler_may_end_it_or_not() -> None:
    assert said(step(replace(INIT, caught=mask([TERM])))) == ("if", "if its handler for SIGTERM ends it")


def test_a_signalfd_has_to_be_read() -> None:
    reads = replace(INIT, threads=(Thread(7, blocked=mask([TERM])),), signalfd=mask([TERM]))
    words = "if it reads its signalfd and ends (it blocks SIGTERM and has a signalfd for it)"
    assert said(step(reads)) == ("if", words)
    unread = "it has not read its signalfd yet, where a SIGTERM is pending already"
    assert said(step(replace(reads, shared_pending=mask([TERM])))) == ("untold", unread)
    assert said(step(replace(reads, shared_pending=mask([INT]))))[0] == "if"


def test_who_waits_in_sigtimedwait_takes_it_also_if_it_has_a_signalfd() -> None:
    waits = replace(INIT, threads=(Thread(7, awaited=mask([TERM])),))
    words = "if it ends on it, or its child does (it takes SIGTERM in sigtimedwait(2))"
    assert said(step(waits)) == ("if", words)
    assert said(step(replace(waits, signalfd=mask([TERM]), shared_pending=mask([TERM])))) == ("if", words)


# Forwarded -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("member", "outcome", "words"),
    [
        (IGNORES, "stays", "it passes SIGTERM to app[8], which ignores it"),
        (BLOCKS, "stays", "it passes SIGTERM to app[8], which blocks it"),
        (
            replace(MEMBER, state="T", threads=(Thread(8, "T"),)),
            "stays",
            "it passes SIGTERM to app[8], which is stopped (state T)",
        ),
        (
            replace(HANDLES, frozen="v1"),
            "stays",
            "it passes SIGTERM to app[8], which is frozen (cgroup v1)",
        ),
        (
            replace(MEMBER, unkillable=True, level=2),
            "stays",
            "it passes SIGTERM to app[8], which drops it, as the init of a namespace of its own",
        ),
        (MEMBER, "ends", "it passes SIGTERM to app[8], which ends on it"),
        (HANDLES, "if", "if app[8] ends: it is passed SIGTERM, and has a handler for it"),
        (
            replace(HANDLES, threads=BLOCKS.threads),
            "untold",
            "it passes SIGTERM to app[8], which blocks it now, and runs its handler for it once that is unblocked",
        ),
        (
            replace(MEMBER, threads=(Thread(8, tracer_pid=9),)),
            "untold",
            "it passes SIGTERM to app[8], which most likely ends on it; not certain: traced by PID 9, which sees the "
            "signal first",
        ),
    ],
)
def test_a_member_decides_for_the_init_that_waits_for_it(member: Target, outcome: str, words: str) -> None:
    assert said(forwarding(member)) == (outcome, words)


def test_a_chain_of_inits_is_followed_to_its_end() -> None:
    inner = replace(MEMBER, pid=9, comm="tini", threads=(Thread(9, awaited=mask([TERM])),))
    chain = step(inner, step(IGNORES), program="tini app")
    outer = replace(INIT, comm="dumb-init", threads=(Thread(7, awaited=mask([TERM])),))
    found = step(outer, chain, program="dumb-init tini app")
    assert said(found) == ("stays", "it passes SIGTERM by way of tini[9] to app[8], which ignores it")
    assert [(row["pid"], row["by_pid"], row["word"]) for row in found.rows()] == [
        (9, 7, "take"),
        (8, 9, "ignore"),
    ]


def test_a_rewritten_signal_is_said_to_be_another() -> None:
    found = forwarding(MEMBER, program="dumb-init -r 15:3 app", sent=3)
    assert (
        said(found)[1] == "it passes SIGTERM on as SIGQUIT to app[8] with its process group, which ends on it"
    )
    nobody = forwarding(program="dumb-init -r 15:0 app")
    assert said(nobody) == ("stays", "it takes SIGTERM and does nothing with it")


def test_of_several_services_the_one_that_stays_decides() -> None:
    found = forwarding(MEMBER, replace(IGNORES, pid=9), program="runsvdir /etc/service", signal=HUP)
    assert said(found) == ("ends", "it ends on it at once; what it has started is killed")
    stays, words = said(forwarding(MEMBER, replace(IGNORES, pid=9), program="supervisord -n"))
    assert stays == "untold"
    assert words == (
        "it passes SIGTERM to app[9], which ignores it, and gets SIGKILL after stopwaitsecs=, by default 10 s"
    )
    stays, words = said(forwarding(IGNORES, program="s6-svscan /run/service"))
    assert stays == "untold"
    assert words.endswith("ignores it; not certain: an executable .s6-svscan/SIGTERM replaces that")


def test_who_is_killed_soon_does_not_keep_the_init() -> None:
    words = "it passes SIGTERM to app[8], which ignores it, and gets SIGKILL after 2 s"
    assert said(forwarding(IGNORES, program="su nobody")) == ("ends", words)
    assert said(forwarding(IGNORES, program="timeout -k 3 9 app"))[0] == "untold"
    assert said(forwarding(IGNORES, program="timeout 9 app"))[0] == "stays"


def test_an_init_that_does_something_else_on_the_signal_does_not_end() -> None:
    assert said(forwarding(MEMBER, program="systemd")) == (
        "stays",
        "it re-executes itself; it stops on SIGRTMIN+3",
    )
    outcome, words = said(forwarding(MEMBER, program="systemd", signal=RTMIN3))
    assert outcome == "if"
    assert words.startswith(
        "if that is soon enough: it starts halt.target and stops all processes, by SIGKILL after"
    )


def test_a_child_that_is_not_known_leaves_it_open() -> None:
    assert said(forwarding())[1].startswith("if it ends on it, or its child does")


# Shells ----------------------------------------------------------------------------------------------

FRONT = Relative(9, "sleep")
TRAP = replace(MEMBER, comm="sh", caught=mask([TERM]), shell="bash", children=(FRONT,), wchan="do_wait")


def test_a_trap_waits_for_the_foreground_command() -> None:
    words = "most likely runs its trap only when its foreground command sleep[9] has ended"
    assert said(step(replace(TRAP, unkillable=True))) == ("untold", f"the shell {words}")
    assert said(forwarding(TRAP)) == ("untold", f"it passes SIGTERM to sh[8], which {words}")


def test_a_foreground_command_that_gets_the_signal_too_lets_the_trap_run() -> None:
    found = forwarding(TRAP, replace(MEMBER, pid=9, comm="sleep"), program="dumb-init sh")
    assert said(found)[0] == "if"
    assert "runs when sleep[9] has ended, which gets it too" in said(found)[1]
    deaf = forwarding(TRAP, replace(IGNORES, pid=9, comm="sleep"), program="dumb-init sh")
    assert said(deaf)[0] == "untold"


def test_in_wait_the_trap_runs_at_once_and_may_pass_the_signal_on() -> None:
    waits = replace(TRAP, wchan="sigsuspend", unkillable=True)
    words = "if its trap for SIGTERM ends it: it is in `wait`, so that the trap runs at once"
    assert said(step(waits, step(replace(MEMBER, pid=9)))) == ("if", words)
    assert said(step(waits, step(replace(IGNORES, pid=9)))) == (
        "untold",
        "if its trap passes SIGTERM to app[9], that ignores it",
    )


def test_both_cases_are_said_where_nothing_tells_them_apart() -> None:
    both = replace(TRAP, unkillable=True, children=(replace(FRONT, comm="node"),))
    assert said(step(both)) == (
        "untold",
        "the shell runs its trap at once if it is in `wait`; if node[9] is its foreground command, only when that has "
        "ended",
    )


def test_a_shell_without_a_trap_ends_and_what_is_behind_it_is_killed() -> None:
    shell = replace(TRAP, caught=mask([17]))
    found = forwarding(shell)
    assert said(found) == (
        "ends",
        "it passes SIGTERM to sh[8], which ends on it; sleep[9], behind it, is not asked, but killed",
    )
    assert fate(found).left == "sleep[9]"
    grouped = forwarding(shell, replace(MEMBER, pid=9, comm="sleep"), program="dumb-init sh")
    assert said(grouped)[1].endswith("which ends on it")
    slower = forwarding(shell, replace(HANDLES, pid=9, comm="sleep"), program="dumb-init sh")
    assert said(slower)[1].endswith(
        "which ends on it; sleep[9], behind it, gets it too, but is killed at once"
    )


def test_between_two_waits_a_known_init_blocks_what_it_takes_next() -> None:
    busy = replace(INIT, comm="init", threads=(Thread(7, blocked=mask([TERM])),))
    found = step(busy, program="busybox init")
    assert found.takes
    assert said(found) == (
        "if",
        "if that is soon enough: it runs its shutdown actions and stops all processes, by SIGKILL after 1 s",
    )
    assert not step(busy).takes
