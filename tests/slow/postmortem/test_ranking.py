"""Many namespaces with many events, ranked."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sigtrace.events import wire
from sigtrace.events.batch import Batch
from sigtrace.postmortem import Case, Window
from sigtrace.postmortem.ranking import rank
from tests.builders.cases import NSID, SECOND, START
from tests.builders.steps import counting


def test_of_a_million_events_of_500_namespaces_few_become_objects() -> None:
    rng, size, spaces = np.random.default_rng(1), 1_000_000, 500
    records = np.zeros(size, wire.EVENT.dtype())
    records["time"] = np.sort(rng.integers(START, START + 600 * SECOND, size))
    space = rng.integers(0, spaces, size)
    records["nsid"], records["ns_start"], records["ns_level"] = NSID + space, START, 1
    of_init = rng.random(size) < 0.1
    records["flags"] = np.where(of_init, wire.FLAG["unkillable"] | wire.FLAG["init"], 0)
    records["target_pid"] = np.where(of_init, 1000 + space, rng.integers(5000, 1 << 20, size))
    records["stage"] = np.where(of_init, 0, rng.choice([0, 1, 2], size, p=[0.5, 0.4, 0.1]))
    signals = rng.choice([17, 15, 10, 14, 9, 2], size, p=[0.6, 0.2, 0.1, 0.05, 0.03, 0.02])
    records["signal"] = np.where(records["stage"] < 2, signals, 0)
    records["result"] = np.where(records["stage"] == 0, rng.choice([0, 1], size), -1)
    records["disposition"] = rng.choice([1, 2, 3], size)
    records["relation"], records["sender_pid"] = rng.choice([1, 2], size), rng.integers(1, 1 << 20, size)
    batch = Batch(records, 0, "host")
    with counting() as steps:
        order = np.argsort(records["nsid"], kind="stable")
        edges = np.flatnonzero(np.diff(records["nsid"][order])) + 1
        window = Window.of(batch)
        cases = (
            Case.from_batch(batch[which], ns=int(records["nsid"][which[0]]), window=replace(window))
            for which in np.split(order, edges)
        )
        standings = rank(cases)
    assert len(standings) == spaces
    assert sum(len(each.report.case.events) for each in standings) < size // 3
    assert steps.count < 20 * size
