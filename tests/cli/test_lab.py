"""What `sigtrace lab` prints and how it exits, for experiments made up here and for the names of the real ones."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from click.testing import CliRunner, Result

from sigtrace.cli.lab import lab
from sigtrace.errors import BadInput
from sigtrace.lab import catalogue
from sigtrace.lab.channel import NoNamespaces
from sigtrace.lab.experiment import Experiment, ExperimentOutcome, Verification

NONE = Experiment("none", "nothing is done", "Nothing comes of nothing.", lambda lab: None)
GOOD = Verification("speak", "an echo", "an echo", "queued", "queued")
BAD = Verification("speak again", "an echo", "silence", "queued", "no record")
UNRECORDED = Verification("speak", "an echo", "an echo")


@pytest.fixture
def outcomes(monkeypatch: pytest.MonkeyPatch) -> list[ExperimentOutcome]:
    """What the experiments will have found, one by one."""
    coming: list[ExperimentOutcome] = []

    @contextmanager
    def recording() -> Iterator[tuple[None, str]]:
        yield None, "this kernel has no BTF."

    monkeypatch.setattr(catalogue, "recording", recording)
    monkeypatch.setattr(catalogue, "choose", lambda name: [outcome.experiment for outcome in coming])
    found = iter(coming)
    monkeypatch.setattr(catalogue, "run", lambda experiment, recorder: next(found))
    return coming


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(lab, arguments)


def test_a_check_that_fails_is_shown_beside_what_was_expected_and_fails_the_command(
    outcomes: list[ExperimentOutcome],
) -> None:
    outcomes += [
        ExperimentOutcome(NONE, (GOOD, BAD)),
        ExperimentOutcome(NONE, (UNRECORDED,)),
        ExperimentOutcome(NONE, (), skipped="takes root"),
    ]
    shown = invoke()
    assert shown.output == (
        "Nothing is recorded: this kernel has no BTF.\n"
        "\n"
        "none: nothing is done\n"
        "  theory   Nothing comes of nothing.\n"
        "  did      speak\n"
        "           ok  an echo\n"
        "           ok  recorded: queued\n"
        "  did      speak again\n"
        "           BAD silence BUT THEORY SAYS: an echo\n"
        "           BAD recorded: no record BUT SHOULD BE: queued\n"
        "  FAIL     1 of 2 checks failed\n"
        "\n"
        "none: nothing is done\n"
        "  theory   Nothing comes of nothing.\n"
        "  did      speak\n"
        "           ok  an echo\n"
        "  PASS     1 check\n"
        "\n"
        "none: nothing is done\n"
        "  theory   Nothing comes of nothing.\n"
        "  SKIP     takes root\n"
        "\n"
        "1 of 3 experiments pass; FAIL: none; SKIP: none\n"
    )
    assert shown.exit_code == 1


def test_json_has_the_same_keys_for_every_experiment(outcomes: list[ExperimentOutcome]) -> None:
    outcomes += [ExperimentOutcome(NONE, (BAD,)), ExperimentOutcome(NONE, (), error="it broke off")]
    shown = invoke("--format", "json")
    first, second = map(json.loads, shown.output.splitlines())
    assert first == {
        "experiment": "none",
        "title": "nothing is done",
        "theory": "Nothing comes of nothing.",
        "passed": False,
        "error": "",
        "skipped": "",
        "not_recorded_because": "this kernel has no BTF.",
        "checks": [
            {
                "did": "speak again",
                "theory": "an echo",
                "happened": "silence",
                "expected_record": "queued",
                "recorded": "no record",
                "passed": False,
            }
        ],
    }
    assert (second["error"], second["passed"], second["checks"]) == ("it broke off", False, [])
    assert shown.exit_code == 1


def test_what_was_skipped_for_lack_of_privilege_fails_nothing(outcomes: list[ExperimentOutcome]) -> None:
    outcomes += [ExperimentOutcome(NONE, (GOOD,)), ExperimentOutcome(NONE, (), skipped="takes root")]
    assert invoke().exit_code == 0


def test_an_experiment_without_a_single_check_does_not_pass(outcomes: list[ExperimentOutcome]) -> None:
    outcomes.append(ExperimentOutcome(NONE, ()))
    assert invoke().exit_code == 1


def test_where_no_namespace_can_be_made_that_is_said_once(monkeypatch: pytest.MonkeyPatch) -> None:
    class Refusing:
        def __enter__(self) -> None:
            raise NoNamespaces("cannot create a PID namespace: run as root.")

        def __exit__(self, *details: object) -> None: ...

    monkeypatch.setattr(catalogue, "Stage", Refusing)
    with pytest.raises(NoNamespaces):
        catalogue.run(NONE, None)


def test_the_list_names_every_experiment_within_80_columns() -> None:
    shown = invoke("--list")
    lines = shown.output.splitlines()
    assert [line.split()[0] for line in lines] == [experiment.name for experiment in catalogue.EXPERIMENTS]
    assert max(map(len, lines)) <= 80
    rows = [json.loads(line) for line in invoke("--list", "--format", "json").output.splitlines()]
    assert [row["name"] for row in rows] == [experiment.name for experiment in catalogue.EXPERIMENTS]
    assert all(row["theory"].endswith(".") and row["title"] for row in rows)


def test_an_unknown_name_is_refused_with_the_nearest() -> None:
    with pytest.raises(BadInput, match="no experiment is called 'nest': did you mean nested"):
        catalogue.choose("nest")
    with pytest.raises(BadInput, match="`sigtrace lab --list` lists them all"):
        catalogue.choose("xyzzy")
    assert [experiment.name for experiment in catalogue.choose("nested")] == ["nested"]
