"""The lab's experiments in a notebook: run now, or with the results that ship with the notebooks."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from sigtrace.errors import SigtraceError
from sigtrace.lab.catalogue import choose, recording, run
from sigtrace.lab.channel import NoNamespaces
from sigtrace.lab.experiment import ExperimentOutcome
from sigtrace.notebook.staged import choice, shipped
from sigtrace.notebook.table import table, text

FILE = "lab.jsonl"
"""The output of `sigtrace lab all --format json`."""
_KEYS = ("did", "theory", "happened", "expected_record", "recorded", "passed")


@dataclass(frozen=True)
class Lesson:
    """An experiment and its result. checks: dicts with did, theory, happened, expected_record, recorded, passed."""

    name: str
    title: str
    theory: str
    checks: tuple[Mapping[str, object], ...]
    passed: bool
    origin: str

    def _repr_html_(self) -> str:
        rows = [(each["did"], each["happened"], each["recorded"] or "", _mark(each)) for each in self.checks]
        heads = ("what was done", "what happened", "what sigtrace recorded", "as the rules say")
        drops = ["dropped" in str(each["recorded"]) for each in self.checks]
        return (
            f"<div><b>{text(self.title, 200)}</b>{table(heads, rows, drops, width=300)}"
            f"<small>{text(self.origin, 600)}</small></div>"
        )


def experiment(name: str) -> Lesson:
    """Run one of the experiments that `sigtrace lab --list` names, on real processes in PID namespaces of its own.

    It touches nothing else. If such namespaces cannot be created, or SIGTRACE_NOTEBOOK is `shipped`, the result that
    ships with the notebooks is returned. Raises BadInput for an unknown name.
    """
    wanted = choice()
    (chosen,) = choose(name)
    if wanted == "shipped":
        return _as_it_went(name, "")
    try:
        with recording() as (recorder, why_not):
            outcome = run(chosen, recorder)
    except NoNamespaces as err:
        if wanted == "live":
            raise
        return _as_it_went(name, str(err))
    if wanted == "live" and why_not:
        raise SigtraceError(why_not)
    if outcome.skipped or outcome.error:
        return _as_it_went(name, outcome.skipped or outcome.error)
    return _from_outcome(outcome, f"Nothing is recorded: {why_not}" if why_not else "")


def _from_outcome(outcome: ExperimentOutcome, why_not: str) -> Lesson:
    of = outcome.experiment
    checks = tuple({key: getattr(check, key) for key in _KEYS} for check in outcome.checks)
    origin = f"Run just now. {why_not}".strip()
    return Lesson(of.name, of.title, of.theory, checks, outcome.passed, origin)


def _as_it_went(name: str, why: str) -> Lesson:
    lines = map(json.loads, shipped(FILE).read_text().splitlines())
    row = next((row for row in lines if row["experiment"] == name), None)
    if row is None:
        raise SigtraceError(f"{FILE} has no experiment {name}: record it again.")
    origin = f"This result ships with the notebooks. {why}".strip()
    return Lesson(name, row["title"], row["theory"], tuple(row["checks"]), row["passed"], origin)


def _mark(check: Mapping[str, object]) -> str:
    if check["passed"]:
        return "✓ yes"
    return f"✗ no: {check['theory']} {check['expected_record']}".rstrip()
