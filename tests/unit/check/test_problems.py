"""What is wrong, from facts alone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sigtrace.check.forecast import Forecast
from sigtrace.check.plan import Plan, Ready
from sigtrace.check.problems import LONG_DEAF, Verdict, judge
from sigtrace.check.settling import Start
from sigtrace.check.subject import End
from sigtrace.check.trial import Trial
from tests.builders.checks import DROPPED, HANGS, READY, STOPS, facts, hung, stopped


def slugs(verdict: Verdict) -> list[tuple[str, str]]:
    return [(each.check, each.severity) for each in verdict.problems]


def test_a_command_that_stops_passes_without_a_word() -> None:
    verdict = judge(facts(early=stopped(), twice=replace(stopped(), sent=2)))
    assert (verdict.result, verdict.problems) == ("passes", ())


def test_one_that_needs_sigkill_fails_with_the_kernels_cause_and_the_predictions_advice() -> None:
    (problem,) = (verdict := judge(facts(hung()))).problems
    assert (verdict.result, problem.check, problem.cause) == ("fails", "does-not-stop", "dropped-at-generate")
    assert problem.because == DROPPED.summary
    assert problem.advice == HANGS.advice


def test_without_the_kernels_records_the_prediction_is_the_reason() -> None:
    (problem,) = judge(facts(hung(replace(DROPPED, source="proc")))).problems
    assert problem.because == HANGS.why
    (problem,) = judge(facts(hung(None))).problems
    assert problem.because == HANGS.why


def test_what_was_most_likely_is_the_reason_once_it_has_happened() -> None:
    doubtful = replace(HANGS, verdict="can't be told", why="most likely waits for KILL; not certain: ...")
    (problem,) = judge(facts(hung(None, forecast=doubtful))).problems
    assert (problem.because, problem.advice) == (HANGS.if_it_hangs, HANGS.advice)


def test_a_handler_that_does_not_end_it_is_the_reason_where_nothing_else_is_known() -> None:
    (problem,) = judge(facts(hung(None, forecast=STOPS))).problems
    assert problem.because == "its handler for SIGTERM does not end it, or not in time"


def test_one_that_not_even_sigkill_ends_is_said() -> None:
    assert slugs(judge(facts(replace(hung(), end=None)))) == [("not-even-killed", "error")]


@pytest.mark.parametrize(("most", "result"), [(0.1, "fails"), (0.5, "passes"), (0.0, "passes")])
def test_a_stop_passes_up_to_the_longest_that_may(most: float, result: str) -> None:
    assert judge(facts(stopped(took=0.2), plan=Plan(most=most))).result == result


@pytest.mark.parametrize(
    ("end", "signal", "problems"),
    [
        (End(), 15, []),
        (End(143), 15, []),
        (End(signal=15), 15, []),
        (End(131), 3, []),
        (End(143), 3, [("exit-code", "warning")]),
        (End(1), 15, [("exit-code", "warning")]),
        (End(signal=11), 15, [("exit-code", "warning")]),
        (End(139), 15, [("exit-code", "warning")]),
    ],
)
def test_an_exit_code_is_a_failure_unless_it_is_0_or_that_of_the_signal(
    end: End, signal: int, problems: list[tuple[str, str]]
) -> None:
    verdict = judge(facts(stopped(end), plan=Plan(signal)))
    assert slugs(verdict) == problems
    assert verdict.result == "passes"


def test_a_fault_is_named() -> None:
    (problem,) = judge(facts(stopped(End(139)))).problems
    assert "exit 139, which is SIGSEGV" in problem.summary


def test_strict_fails_on_warnings_and_not_on_notices() -> None:
    assert judge(facts(stopped(End(1))), strict=True).result == "fails"
    assert judge(facts(reaps="does not reap"), strict=True).result == "passes"


@pytest.mark.parametrize(
    ("deaf", "severity"), [(0.02, "notice"), (None, "notice"), (LONG_DEAF, "warning"), (5.0, "warning")]
)
def test_a_signal_lost_at_the_start_is_a_warning_if_that_lasts_for_long(
    deaf: float | None, severity: str
) -> None:
    main = replace(stopped(), start=Start(6.0, deaf=deaf))
    assert slugs(judge(facts(main, early=hung()))) == [("lost-at-start", severity)]


def test_a_second_signal_that_changes_the_exit_code_or_hangs_is_a_warning() -> None:
    for twice in (replace(stopped(End(1)), sent=2), replace(hung(), sent=2)):
        assert slugs(judge(facts(twice=twice))) == [("second-signal", "warning")]
    assert judge(facts(twice=stopped(End(1)))).problems == ()  # it had ended before a second was sent


def test_processes_left_to_sigkill_and_zombies_are_warnings() -> None:
    left = tuple(f"worker[{pid}]" for pid in range(5))
    main = replace(stopped(), left=left, forecast=replace(STOPS, zombies=2))
    verdict = judge(facts(main, reaps="does not reap"))
    assert slugs(verdict) == [("left-behind", "warning"), ("zombies", "warning")]
    assert verdict.problems[0].summary.endswith("worker[0], worker[1], worker[2] and 2 more")


def test_what_is_not_known_is_no_problem() -> None:
    assert judge(facts(replace(stopped(), left=None, forecast=None), reaps="")).problems == ()


@pytest.mark.parametrize(
    ("main", "forecast", "right"),
    [
        (stopped(), HANGS, False),
        (stopped(), STOPS, True),
        (hung(), STOPS, True),
        (hung(), Forecast("stops at once", "it ends on it"), False),
        (hung(), Forecast("can't be told", "not all could be read"), True),
    ],
)
def test_a_prediction_that_was_wrong_is_said_and_one_that_left_it_open_was_not(
    main: Trial, forecast: Forecast, right: bool
) -> None:
    verdict = judge(facts(replace(main, forecast=forecast)))
    assert ("not-as-predicted", "warning") not in slugs(verdict) or not right
    assert verdict.as_dict()["as_predicted"] is right


def test_a_command_that_ended_by_itself_was_not_checked() -> None:
    verdict = judge(facts(Trial(replace(READY, ended=True), End(2))))
    assert (verdict.result, slugs(verdict)) == ("not checked", [("ended-by-itself", "error")])


def test_the_gravest_come_first() -> None:
    main = replace(stopped(End(1), took=3.0), start=Start(60.0, late=True))
    plan = Plan(most=1.0, ready=Ready("port", port=80))
    found = judge(facts(main, plan=plan, reaps="does not reap"))
    assert [each.severity for each in found.problems] == ["error", "warning", "warning", "notice"]
