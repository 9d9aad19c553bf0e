"""Many namespaces: the most stuck first, and what is said of each."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from sigtrace.postmortem import Case
from sigtrace.postmortem.ranking import rank
from sigtrace.postmortem.timeline import timeline_entries
from tests.builders.cases import (
    CAUGHT,
    DROP,
    KILL,
    KILLED,
    case,
    event,
    replace_time,
    snapshot,
)


@pytest.mark.parametrize(
    "sent",
    [
        {"signal": 1, "disposition": "handler", "result": 0},
        {"signal": 1, "flags": ("unkillable", "init", "blocked"), "result": 0},
        {"signal": 10},
        {"signal": 28},
        {"signal": 12, "disposition": "handler", "result": 0},
    ],
    ids=str,
)
def test_a_container_that_nobody_stops_is_listed_as_such(sent: dict[str, Any]) -> None:
    (standing,) = rank([case([event(1, **sent), event(121, signal=17)])])
    assert (standing.signal, standing.outcome, standing.took) == ("-", "not asked", 0)
    told = [entry.text for entry in timeline_entries(standing.report.case)]
    assert not [text for text in told if "stop" in text]
    assert told[0].endswith("from runc[77]")


def half_made(comm: bytes, sender: bytes, *before: npt.NDArray[np.void]) -> Case:
    """An init that is ended before it has run a program."""
    born = {"stage": "init", "signal": 0, "result": -1, "sender_pid": 0, "target_comm": comm}
    killed = event(1, signal=9, result=0, target_comm=comm, sender_comm=sender)
    return case([event(0, **born), *before, killed, event(1.001, stage="exit", signal=0, exit_code=9)])


@pytest.mark.parametrize(("comm", "sender"), [(b"runc:[2:INIT]", b"runc"), (b"crun", b"crun")])
def test_a_container_that_failed_to_start_was_not_asked_to_stop(comm: bytes, sender: bytes) -> None:
    failed = half_made(comm, sender)
    (standing,) = rank([failed])
    assert (standing.signal, standing.outcome) == ("-", "failed to start")
    told = [entry.text for entry in timeline_entries(failed)]
    assert "its runtime ended it before it ran anything: it failed to start" in told
    assert not [text for text in told if "asked" in text]


def test_a_container_that_ran_or_that_another_kills_was_asked_to_stop() -> None:
    ran = event(0.5, stage="exec", signal=0, result=-1)
    for asked in (
        half_made(b"runc", b"runc", ran),
        half_made(b"python3", b"python3"),
        half_made(b"runc:[2:INIT]", b"bash"),
    ):
        assert [standing.outcome for standing in rank([asked])] == ["killed after 1 ms"]


def test_namespaces_are_listed_by_how_stuck_they_were() -> None:
    calm = case([event(1, stage="exit", signal=0)])
    short, long = case([DROP, replace_time(KILL, 3), replace_time(KILLED, 3)]), case([DROP, KILL, KILLED])
    standings = rank([calm, short, long])
    assert [(s.signal, s.outcome) for s in standings] == [
        ("TERM", "killed after 10 s"),
        ("TERM", "killed after 2 s"),
        ("-", "ended by itself"),
    ]


def test_live_nobody_knows_whether_it_was_asked() -> None:
    rows = snapshot(2, {"caught": CAUGHT})
    (live,) = rank([case([], rows, live=True)])
    assert (live.signal, live.outcome) == ("?", "not known")
    (recorded,) = rank([case([event(1, stage="exec", signal=0)], rows)])
    assert (recorded.signal, recorded.outcome) == ("-", "not asked")
