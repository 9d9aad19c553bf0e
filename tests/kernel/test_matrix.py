"""The truth matrix: every signal, disposition, target and sender, on the live kernel.

What became of the target is observed without tracing and without sigtrace's rules: the wait status its
parent collected, its state in /proc, the handler's own evidence, the pending sets of /proc/PID/status.
Against that stand the recorded verdicts, and what `predict` said before the signal was sent.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from sigtrace import signals
from sigtrace.lab.actor import Actor, Namespace
from sigtrace.lab.stage import Stage
from sigtrace.predict.kernel_rules import Prediction, predict
from sigtrace.procfs.target import read_target
from tests.kernel.recording import EventLog, by_target

pytestmark = pytest.mark.kernel

SETUPS = ("default", "ignore", "handler", "blocked", "blocked+handler")
SIGKILL, SIGSTOP = 9, 19
KERNEL_ONLY = (SIGKILL, SIGSTOP)  # sigaction(2): EINVAL; sigprocmask(2): silently left out
HARMLESS = (17, 18, 23, 28)  # signal(7): "Ign", and "Cont" for a process that is not stopped
STOPPING = (19, 20, 21, 22)  # signal(7): "Stop"


@dataclass(frozen=True)
class Case:
    setup: str
    target: str
    sender: str

    def __str__(self) -> str:
        return f"{self.setup}, to the {self.target} from {self.sender}"


CASES = [Case(*values) for values in itertools.product(SETUPS, ("init", "member"), ("inside", "outside"))]


@dataclass(frozen=True)
class MatrixResult:
    """One case as it was played: the process, the forecast, and what became of it."""

    case: Case
    actor: Actor
    forecast: Prediction
    effect: str


@pytest.mark.parametrize("number", range(1, 65), ids=signals.name)
def test_recorded_and_predicted_verdicts_are_what_the_kernel_did(
    stage: Stage, recorded: EventLog, number: int
) -> None:
    results = [run_case(stage, recorded.watch(stage.namespace()), case, number) for case in CASES]
    rows = by_target(recorded.rows(*(one.actor for one in results)))
    wrong = [
        f"{one.case}: {problem}" for one in results for problem in problems(one, number, rows[one.actor.pid])
    ]
    assert not wrong, f"{signals.name(number)}:\n" + "\n".join(wrong)


def run_case(stage: Stage, namespace: Namespace, case: Case, number: int) -> MatrixResult:
    """Set a process up in the fresh namespace, ask for a forecast, send the signal, see what became of it."""
    target = namespace.init if case.target == "init" else namespace.member()
    target("os.setpgid(0, 0)")  # a group with its parent outside is not orphaned: terminal stops act on it
    set_up(target, case.setup, number)
    relation = "same" if case.sender == "inside" else "ancestor"
    forecast = predict(read_target(target.pid), number, relation)
    sender = namespace.member() if case.sender == "inside" else stage.outside
    sender.kill(target, number)
    return MatrixResult(case, target, forecast, effect_on(target, number))


def set_up(target: Actor, setup: str, number: int) -> None:
    wanted = setup.rpartition("+")[2]
    if wanted in ("ignore", "handler"):
        if number in KERNEL_ONLY:
            with pytest.raises(OSError, match="Invalid argument"):
                target.set(wanted, number)
        else:
            target.set(wanted, number)
    if setup.startswith("blocked"):
        target(f"block({number})")
        assert (number in target.mask("SigBlk")) == (number not in KERNEL_ONLY)


def effect_on(target: Actor, number: int) -> str:
    """What happened, by evidence that owes nothing to sigtrace."""
    fate = target.settle()
    if fate.state == "killed":
        return "killed" if fate.code == number else f"killed by {fate.code}"
    if fate.state != "running":
        return fate.state
    caught = target.caught()
    if caught:
        return "handler" if caught == [number] else f"handlers {caught}"
    pending = target.mask("ShdPnd") + target.mask("SigPnd")
    if pending:
        return "pending" if pending == [number] else f"pending {pending}"
    return "nothing"


EFFECT_OF_PREDICTION = {
    "none": "nothing",
    "pending": "pending",
    "handler": "handler",
    "terminate": "killed",
    "core": "killed",
    "stop": "stopped",
}


def problems(result: MatrixResult, number: int, rows: list[dict[str, Any]]) -> Iterator[str]:
    """Every way in which theory, record and forecast differ from what happened."""
    case, effect = result.case, result.effect
    theory = effect_in_theory(case, number)
    if effect != theory:
        yield f"{effect} instead of {theory}"
    generated = [row["verdict"] for row in rows if row["stage"] == "generate" and row["signal"] == number]
    delivered = [(row["verdict"], row["signal"]) for row in rows if row["stage"] == "deliver"]
    if generated != [verdict_at_generate(case, number, effect)]:
        yield f"{effect}, but recorded at generate: {generated}"
    if [verdict for verdict, _ in delivered] != verdict_at_deliver(effect):
        yield f"{effect}, but recorded at deliver: {delivered}"
    forecast = result.forecast
    # A program with a handler may unblock the signal at any moment: of that, nothing is certain.
    may_change = case.setup == "blocked+handler" and number not in KERNEL_ONLY
    if forecast.certain == may_change:
        yield f"predicted with certainty: {forecast.certain}: {forecast.doubt}"
    if EFFECT_OF_PREDICTION[forecast.effect] != effect:
        yield f"{effect}, but predicted: {forecast.effect}"
    if [forecast.generate] != generated:
        yield f"recorded {generated}, but predicted {forecast.generate}"
    if ([(forecast.deliver, forecast.deliver_signal)] if forecast.deliver else []) != delivered:
        yield f"recorded {delivered}, but predicted {forecast.deliver} of {forecast.deliver_signal}"


def effect_in_theory(case: Case, number: int) -> str:
    """signal(7) and pid_namespaces(7), in the words of `effect_on`."""
    if number not in KERNEL_ONLY:
        if case.setup.startswith("blocked"):
            return "pending"
        if case.setup != "default":
            return "handler" if case.setup == "handler" else "nothing"
    protected = case.target == "init" and not (number in KERNEL_ONLY and case.sender == "outside")
    if protected or number in HARMLESS:
        return "nothing"
    return "stopped" if number in STOPPING else "killed"


def verdict_at_generate(case: Case, number: int, effect: str) -> str:
    """What the record has to say, given what happened: whatever had an effect was queued first."""
    if effect != "nothing":
        return "queued"
    if case.setup == "ignore" and number not in KERNEL_ONLY:
        return "ignored"
    if number == signals.CONT:
        return "resumes"
    return "default_ignored" if number in HARMLESS else "dropped_at_generate"


def verdict_at_deliver(effect: str) -> list[str]:
    return {"handler": ["handled"], "killed": ["default_action"], "stopped": ["default_action"]}.get(
        effect, []
    )
