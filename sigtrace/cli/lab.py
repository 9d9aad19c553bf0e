"""`sigtrace lab`: choose experiments, run them one by one, and show the result of each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from sigtrace.cli.interrupt import terminated_like_ctrl_c
from sigtrace.cli.options import format_option
from sigtrace.cli.output import echo_json
from sigtrace.units import number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sigtrace.lab.experiment import Experiment, ExperimentOutcome, Verification

_INDENT = 11


@click.command(short_help="Run the classic experiments on container signals.")
@click.argument("name", default="all")
@click.option("--list", "only_list", is_flag=True, help="List the experiments without running them.")
@format_option
def lab(name: str, only_list: bool, output: str) -> None:
    """Run the classic experiments on container signals, live and checked.

    Each experiment creates its own PID namespaces, acts on the processes in
    them, and compares the prediction of theory with what the kernel did (wait
    status, /proc) and with what sigtrace recorded. Nothing outside these
    namespaces is touched. The exit code is 1 if any check fails. Where sigtrace
    cannot trace, the experiments still run, unrecorded; without root, most do.

    \b
    Examples:
      sigtrace lab --list             list the experiments
      sigtrace lab kill-inside        run one experiment
      sigtrace lab all --format json  run all, one JSON line each
    """
    from sigtrace.lab.catalogue import choose, recording, run

    chosen = choose(name)
    if only_list:
        _list(chosen, output)
        return
    with terminated_like_ctrl_c(), recording() as (recorder, why_not):
        if why_not and output == "table":
            click.echo(click.wrap_text(f"Nothing is recorded: {why_not}", 80) + "\n")
        outcomes = []
        for experiment in chosen:
            outcomes.append(run(experiment, recorder))
            _show(outcomes[-1], why_not, output)
    if output == "table" and len(outcomes) > 1:
        _summarise(outcomes)
    if any(not outcome.passed and not outcome.skipped for outcome in outcomes):
        raise click.exceptions.Exit(1)


def _list(chosen: Sequence[Experiment], output: str) -> None:
    for experiment in chosen:
        if output == "json":
            echo_json({"name": experiment.name, "title": experiment.title, "theory": experiment.theory})
        else:
            click.echo(f"{experiment.name:<17}{experiment.title}")


def _summarise(outcomes: Sequence[ExperimentOutcome]) -> None:
    marks = [(_mark_of(outcome), outcome.experiment.name) for outcome in outcomes]
    passed = sum(mark == "PASS" for mark, _ in marks)
    rest = "".join(f"; {mark}: {name}" for mark, name in marks if mark != "PASS")
    click.echo(click.wrap_text(f"{passed} of {len(outcomes)} experiments pass{rest}", 80))


def _mark_of(outcome: ExperimentOutcome) -> str:
    return "PASS" if outcome.passed else "SKIP" if outcome.skipped else "FAIL"


def _show(outcome: ExperimentOutcome, why_not: str, output: str) -> None:
    if output == "json":
        echo_json(_row(outcome, why_not))
        return
    experiment = outcome.experiment
    click.echo(f"{experiment.name}: {experiment.title}")
    _say("theory", experiment.theory)
    for check in outcome.checks:
        _show_check(check)
    if outcome.error:
        _say("error", outcome.error)
    click.echo(f"  {_mark_of(outcome)}     {outcome.skipped or _tally(outcome.checks)}\n")


def _show_check(check: Verification) -> None:
    _say("did" if check.happened or check.theory else "record", check.did)
    if check.happened or check.theory:
        wrong = "" if check.theory == check.happened else f" BUT THEORY SAYS: {check.theory}"
        _say("", f"{_mark(not wrong)} {check.happened}{wrong}")
    if check.recorded is not None:
        wrong = "" if check.recorded == check.expected_record else f" BUT SHOULD BE: {check.expected_record}"
        _say("", f"{_mark(not wrong)} recorded: {check.recorded}{wrong}")


def _mark(good: bool) -> str:
    return "ok " if good else "BAD"


def _tally(checks: Sequence[Verification]) -> str:
    bad = sum(not check.passed for check in checks)
    total = number(len(checks), "check")
    return total if not bad else f"{bad} of {total} failed"


def _say(label: str, text: str) -> None:
    """Print a label and the text beside it, wrapped to 80 columns."""
    lead = f"  {label:<{_INDENT - 2}}"
    click.echo(click.wrap_text(text, 80, lead, " " * _INDENT))


def _row(outcome: ExperimentOutcome, why_not: str) -> dict[str, object]:
    return {
        "experiment": outcome.experiment.name,
        "title": outcome.experiment.title,
        "theory": outcome.experiment.theory,
        "passed": outcome.passed,
        "error": outcome.error,
        "skipped": outcome.skipped,
        "not_recorded_because": why_not,
        "checks": [
            {
                "did": check.did,
                "theory": check.theory,
                "happened": check.happened,
                "expected_record": check.expected_record,
                "recorded": check.recorded,
                "passed": check.passed,
            }
            for check in outcome.checks
        ],
    }
