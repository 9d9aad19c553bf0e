"""Facts -> verdict: the kernel's rules, and that no combination of facts is left without an answer."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from sigtrace.events import wire
from sigtrace.events.outcome import OUTCOMES
from sigtrace.events.verdict import CODE, VERDICTS, _judge, classify, is_dropped
from tests.builders.records import record


def _verdict(**facts: object) -> str:
    return VERDICTS[classify(record(**facts))[0]]


@pytest.mark.parametrize(
    ("facts", "verdict"),
    [
        ({}, "dropped_at_generate"),
        ({"signal": 9, "relation": "same"}, "dropped_at_generate"),
        ({"signal": 64}, "dropped_at_generate"),
        ({"disposition": "ignore"}, "ignored"),
        ({"signal": 17}, "default_ignored"),
        ({"signal": 18}, "resumes"),
        ({"flags": ("exiting", "init")}, "dying"),
        ({"flags": ("exiting", "init", "unkillable")}, "dying"),
        ({"flags": ("kthread",), "disposition": "ignore"}, "kernel_thread"),
        ({"flags": (), "signal": 15}, "unknown"),
        ({"result": 0}, "queued"),
        ({"result": 4}, "queued"),
        ({"result": 2}, "coalesced"),
        ({"result": 3, "signal": 34}, "overflowed"),
        ({"result": 77}, "unknown"),
        ({"stage": "deliver", "result": -1}, "dropped_at_deliver"),
        ({"stage": "deliver", "result": -1, "signal": 9}, "default_action"),
        ({"stage": "deliver", "result": -1, "signal": 19}, "default_action"),
        ({"stage": "deliver", "result": -1, "signal": 17}, "default_ignored"),
        ({"stage": "deliver", "result": -1, "signal": 18}, "default_ignored"),
        ({"stage": "deliver", "result": -1, "disposition": "ignore"}, "ignored"),
        ({"stage": "deliver", "result": -1, "disposition": "handler"}, "handled"),
        ({"stage": "deliver", "result": -1, "flags": ()}, "default_action"),
        ({"stage": "exit", "signal": 0, "result": -1, "disposition": ""}, "exited"),
        ({"stage": "init", "signal": 0, "result": -1, "disposition": ""}, "born"),
        ({"stage": "exec", "signal": 0, "result": -1, "disposition": ""}, "executed"),
    ],
)
def test_the_kernels_rules(facts: dict[str, object], verdict: str) -> None:
    assert _verdict(**facts) == verdict


def test_only_init_protection_is_called_dropped() -> None:
    codes = np.arange(len(VERDICTS), dtype=np.uint8)
    assert [VERDICTS[code] for code in codes[is_dropped(codes)]] == [
        "dropped_at_generate",
        "dropped_at_deliver",
    ]


def test_no_combination_of_facts_fails_or_drops_a_process_that_is_no_init() -> None:
    fields = ("stage", "signal", "result", "disposition", "flags")
    few = (0, 1, 9, 15, 17, 18, 19, 23, 28, 34, 64, 65, 200, 255)
    every = np.array(list(itertools.product(range(8), few, range(-2, 8), range(6), range(0, 128, 3))))
    combinations = np.zeros(len(every), wire.COUNT_KEY.dtype())
    for column, field in enumerate(fields):
        combinations[field] = every[:, column]
    verdicts = classify(combinations)
    assert verdicts.dtype == np.uint8
    assert set(np.unique(verdicts).tolist()) <= set(range(len(VERDICTS)))
    killable = combinations["flags"] & wire.FLAG["unkillable"] == 0
    assert not is_dropped(verdicts[killable]).any()
    assert (verdicts == _judge(combinations)).all()  # the table is the rules
    known = combinations["stage"] < len(wire.STAGE)
    assert (verdicts[~known] == CODE["unknown"]).all()


def test_no_records_give_no_verdicts() -> None:
    assert classify(record()[:0]).tolist() == []


def test_every_verdict_has_words_that_fit_their_column() -> None:
    assert OUTCOMES.keys() == set(VERDICTS)
    assert max(len(each.label) for each in OUTCOMES.values()) <= 19
