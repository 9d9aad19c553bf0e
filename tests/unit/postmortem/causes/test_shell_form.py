"""Shells: those that run their trap too late, and those that only look like it."""

from __future__ import annotations

import pytest

from sigtrace.postmortem import diagnose
from sigtrace.snapshot.columns import SnapshotRow
from tests.builders.cases import (
    CAUGHT,
    KILL,
    KILLED,
    SECOND,
    START,
    case,
    causes,
    event,
    snapshot,
)


def test_a_shell_that_was_just_forking_is_told_as_a_shell() -> None:
    sent = event(1, result=0, flags=("unkillable", "init", "blocked"), target_comm=b"sh")
    late = event(1.0001, stage="deliver", result=-1, target_comm=b"sh")
    shell = snapshot(1.001, {"comm": "sh"}, {"comm": "sleep"})
    assert causes([sent, late, KILL, KILLED], shell) == ["shell-form"]
    assert causes([sent, late, KILL, KILLED], snapshot(1.001, {"comm": "sh"})) == ["dropped-at-deliver"]


def test_a_shell_that_would_end_by_sigterm_is_told_to_be_sent_another_signal() -> None:
    power = event(1, signal=30, target_comm=b"sh")  # SIGPWR, as lxc-stop sends it
    trapping = snapshot(1.001, {"comm": "sh", "caught": f"{1 << 14:016x}"}, {"comm": "sleep"})
    assert causes([power, KILL, KILLED], trapping) == ["wrong-stop-signal"]
    plain = snapshot(1.001, {"comm": "sh"}, {"comm": "sleep"})
    assert causes([power, KILL, KILLED], plain) == ["shell-form"]


IN_THE_BACKGROUND = f"{1 << 1 | 1 << 2:016x}"


def trapping(
    at: float, child: str = f"{0:016x}", shell: str = f"{0:016x}", wchan: str = "do_wait"
) -> list[SnapshotRow]:
    """A shell with a trap for SIGTERM that waits for a child; with these masks of ignored signals."""
    waiting = {"comm": "sh", "caught": CAUGHT, "ignored": shell, "wchan": wchan}
    return snapshot(at, waiting, {"comm": "sleep", "ignored": child})


def test_a_shell_whose_trap_waits_is_told_live_though_nobody_saw_the_signal() -> None:
    report = diagnose(
        case([], trapping(14) + trapping(15), live=True, since=START, until=START + 15 * SECOND)
    )
    assert [(f.cause, f.confidence) for f in report.findings] == [("shell-form", "possible")]
    assert "runs its trap for SIGTERM only when that has ended" in report.findings[0].summary
    assert "sleep[4243]" in report.findings[0].summary


@pytest.mark.parametrize(
    "rows", [trapping(14, IN_THE_BACKGROUND), trapping(14, wchan="__do_sys_rt_sigsuspend")]
)
def test_a_shell_that_waits_for_the_background_takes_its_trap_at_once(rows: list[SnapshotRow]) -> None:
    assert causes([], rows, live=True, since=START, until=START + 15 * SECOND) == []


def test_a_script_that_a_shell_runs_is_a_shell_whatever_its_name() -> None:
    script = {"comm": "entrypoint.sh", "cmdline": "/bin/sh /entrypoint.sh"}
    assert causes([event(1, target_comm=b"entrypoint.sh")], snapshot(2, script, {"comm": "sleep"})) == [
        "shell-form"
    ]
    program = script | {"cmdline": "/usr/bin/python3 /entrypoint.sh"}
    found = causes([event(1, target_comm=b"entrypoint.sh")], snapshot(2, program, {"comm": "sleep"}))
    assert found == ["dropped-at-generate"]


def test_a_shell_that_was_started_in_the_background_itself_is_suspected_all_the_same() -> None:
    rows = trapping(14, IN_THE_BACKGROUND, IN_THE_BACKGROUND)
    assert causes([], rows, live=True, since=START, until=START + 15 * SECOND) == ["shell-form"]


def test_a_shell_whose_trap_waits_is_told_before_it_counts_as_slow() -> None:
    facts = {"signal": 15, "disposition": "handler", "target_comm": b"sh"}
    asked = [event(1, result=0, **facts), event(1, stage="deliver", result=-1, **facts)]
    report = diagnose(case(asked, trapping(2), since=START, until=START + 4 * SECOND))
    assert [(f.cause, f.confidence) for f in report.findings] == [("shell-form", "possible")]
    assert causes(asked, trapping(2, IN_THE_BACKGROUND), since=START, until=START + 4 * SECOND) == []
    ended = event(1.1, stage="exit", signal=0, target_comm=b"sh")
    assert causes([*asked, ended], trapping(1.05), since=START, until=START + 4 * SECOND) == []
    late = diagnose(case(asked, trapping(2), since=START, until=START + 12 * SECOND))
    assert [(f.cause, f.confidence) for f in late.findings] == [("shell-form", "certain")]


def test_a_package_script_is_not_to_be_edited_by_its_user() -> None:
    script = {"comm": "rabbitmq-server", "cmdline": "sh /usr/sbin/rabbitmq-server"}
    report = diagnose(
        case([event(1, target_comm=b"rabbitmq-server"), KILL, KILLED], snapshot(1.001, script, {}))
    )
    (found,) = report.findings
    assert found.cause == "shell-form"
    assert "/usr/sbin/rabbitmq-server, the script of a package" in found.advice
    assert "its own command" in found.advice
    assert "exec" not in found.advice


def test_what_changes_for_a_program_behind_a_small_init_is_said() -> None:
    rows = snapshot(1.001, {"comm": "app", "caught": f"{1 << 9 | 1 << 1:016x}", "ignored": f"{1 << 12:016x}"})
    (found,) = diagnose(case([event(1), KILL, KILLED], rows)).findings
    assert found.cause == "dropped-at-generate"
    assert found.advice.endswith(
        "not PID 1: SIGHUP, SIGQUIT, SIGUSR2 and SIGALRM, which are dropped now, then end it as well"
    )
    (blind,) = diagnose(case([event(1), KILL, KILLED])).findings
    assert "not PID 1" not in blind.advice
