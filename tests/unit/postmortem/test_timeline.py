"""The story of a case, from the first signal to the exit."""

from __future__ import annotations

from sigtrace.postmortem.timeline import timeline_entries
from tests.builders.cases import (
    DROP,
    KILL,
    KILLED,
    case,
    event,
    snapshot,
)


def test_the_story_tells_the_stop_from_the_first_signal_to_the_exit() -> None:
    told = [(entry.text, *entry.detail) for entry in timeline_entries(case([DROP, event(2), KILL, KILLED]))]
    assert told == [
        (
            "SIGTERM from runc[77], 2 times",
            "DROPPED: the init has no handler for it: discarded as it was sent",
            "the last time 1 s later",
        ),
        (
            "asked to stop by runc[77]",
            "SIGTERM, then SIGKILL after a grace period of 9 s",
            "first asked 1 s before, by SIGTERM from runc[77]",
        ),
        ("SIGKILL from runc[77]", "queued, and obeyed"),
        (
            "app[4242] killed by SIGKILL",
            "9 s after that SIGTERM, 10 s after the first signal that asked it to",
        ),
    ]


def test_the_story_has_the_first_and_the_last_of_snapshots_that_are_the_same() -> None:
    rows = [each for at in (1, 2, 3, 4) for each in snapshot(at, {"state": "S" if at < 4 else "D"})]
    told = [(entry.text, *entry.detail) for entry in timeline_entries(case([], rows, live=True))]
    asleep, stuck = "1 task; init in state S", "1 task; init in state D"
    assert told == [
        ("snapshot (on request)", asleep),
        ("snapshot (on request)", "the same; 1 in between too"),
        ("snapshot (on request)", stuck),
    ]
