"""What a program does with a signal that reaches it, as far as that can be told from outside."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sigtrace.predict.kernel_rules import predict
from sigtrace.predict.program import condition, untold
from sigtrace.procfs.signal_target import Target, Thread
from sigtrace.signals import mask

TERM, INT = 15, 2
INIT = Target(pid=7, comm="app", ns_pid=1, level=1, threads=(Thread(7),), unkillable=True)
HANDLES = replace(INIT, caught=mask([TERM]))
SIGNALFD = replace(INIT, threads=(Thread(7, blocked=mask([TERM])),), signalfd=mask([TERM]))
WAITS = replace(INIT, threads=(Thread(7, awaited=mask([TERM])),))
MEMBER = replace(INIT, ns_pid=2, unkillable=False)


def answers(target: Target, signal: int = TERM) -> tuple[str, str]:
    prediction = predict(target, signal, "ancestor")
    return untold(target, prediction, signal), condition(target, prediction, signal)


def test_a_handler_may_end_it_or_not() -> None:
    assert answers(HANDLES) == ("", "if its handler for SIGTERM ends it")


def test_a_trap_of_a_shell_that_waits_for_its_command_cannot_be_told() -> None:
    said, _ = answers(replace(HANDLES, busy_shell=True))
    assert said == "the shell runs its trap only when its foreground command has ended"


def test_a_busy_shell_without_a_trap_keeps_nothing_open() -> None:
    assert answers(replace(INIT, busy_shell=True)) == ("", "")
    assert answers(replace(MEMBER, busy_shell=True)) == ("", "")


def test_a_signalfd_has_to_be_read() -> None:
    said = "if it reads its signalfd and ends (it blocks SIGTERM and has a signalfd for it)"
    assert answers(SIGNALFD) == ("", said)


def test_a_signal_that_lies_in_the_signalfd_already_is_one_that_nobody_reads() -> None:
    unread = replace(SIGNALFD, shared_pending=mask([TERM]))
    assert answers(unread)[0] == "a SIGTERM is pending already: nobody has read the signalfd yet"
    assert answers(replace(SIGNALFD, shared_pending=mask([INT])))[0] == ""


def test_who_waits_in_sigtimedwait_takes_it_also_if_it_has_a_signalfd() -> None:
    said = "if it ends on it, or its child does (it takes SIGTERM in sigtimedwait(2))"
    assert answers(WAITS) == ("", said)
    assert answers(replace(WAITS, signalfd=mask([TERM]), shared_pending=mask([TERM]))) == ("", said)


@pytest.mark.parametrize(
    ("target", "signal"), [(INIT, TERM), (MEMBER, TERM), (HANDLES, INT), (HANDLES, 9)], ids=str
)
def test_what_the_kernel_decides_alone_has_no_condition(target: Target, signal: int) -> None:
    assert answers(target, signal) == ("", "")
