"""A prediction in words: the same whichever command says it."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from sigtrace.predict.kernel_rules import Relation, Target, Thread, predict
from sigtrace.predict.words import sentence, word

BIT = 1 << 14


def _init(**facts: Any) -> Target:
    thread = {name: facts.pop(name) for name in ("state", "blocked") if name in facts}
    return Target(pid=7, threads=(Thread(7, **thread),), unkillable=True, ns_pid=1, **facts)


@pytest.mark.parametrize(
    ("target", "signal", "relation", "short", "long"),
    [
        (
            _init(),
            15,
            "ancestor",
            "drop",
            "dropped: kill(2) reports success, and the process never hears of it",
        ),
        (_init(caught=BIT), 15, "ancestor", "handle", "handled: the program's handler runs"),
        (_init(ignored=BIT), 15, "ancestor", "ignore", "ignored: the program asked for that"),
        (_init(), 17, "ancestor", "none", "nothing happens: that is its default action"),
        (_init(), 9, "ancestor", "die", "the process ends"),
        (_init(), 9, "same", "drop", "dropped: kill(2) reports success, and the process never hears of it"),
        (_init(), 19, "ancestor", "stop", "the process stops until SIGCONT"),
        (_init(blocked=BIT), 15, "ancestor", "block", "pending, and nobody acts on it for now; then dropped"),
        (
            _init(blocked=BIT, signalfd=BIT),
            15,
            "ancestor",
            "take",
            "taken: the program can fetch it without a handler",
        ),
        (_init(caught=BIT, frozen="v2"), 15, "ancestor", "frozen", "pending until the cgroup is thawed"),
        (_init(state="T", caught=BIT), 15, "ancestor", "stopped", "pending, and nobody acts on it for now"),
        (
            _init(shared_pending=BIT, caught=BIT),
            15,
            "ancestor",
            "block",
            "pending, and nobody acts on it for now",
        ),
        (_init(core_dumping=True), 15, "ancestor", "dead", "nothing happens: the process is ending already"),
        (_init(), 15, "other", "none", "not sent: kill(2) fails with ESRCH"),
    ],
)
def test_a_prediction_in_a_word_and_in_a_sentence(
    target: Target, signal: int, relation: Relation, short: str, long: str
) -> None:
    prediction = predict(target, signal, relation)
    assert (word(prediction), sentence(prediction)) == (short, long)


def test_a_member_in_an_orphaned_group_is_not_said_to_die_of_what_does_nothing() -> None:
    member = Target(pid=7, threads=(Thread(7),), ns_pid=2, orphaned_group=True)
    assert word(predict(member, "TSTP", "same")) == "none"


def test_doubt_is_said_and_changes_no_word() -> None:
    certain = predict(_init(caught=BIT), 15, "ancestor")
    doubtful = dataclasses.replace(certain, now=dataclasses.replace(certain.now, doubt="not known"))
    assert sentence(doubtful) == f"not certain; most likely {sentence(certain)}"
    assert word(doubtful) == word(certain)
