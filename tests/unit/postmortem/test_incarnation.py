"""Which of the namespaces that a container had one after the other a postmortem is of, and how to ask for another."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

import sigtrace
from sigtrace.clock import TICK_NS
from sigtrace.moments import nanoseconds
from sigtrace.postmortem import incarnation
from sigtrace.recording.namespaces import RecordedNs
from tests.builders.recordings import UTC
from tests.builders.records import record
from tests.builders.stories import INIT, RUNC, SECOND, end, kill, recorded

FIRST, SECOND_LIFE, LAST = 5, 105, 205
"""When the inits of the three lives started, in seconds."""


def life(start: int, *events: Any) -> list[Any]:
    """Events of the life that started then: (seconds after the start, what makes the record of a time and facts)."""
    who = {**INIT, "ns_start": start * SECOND, "target_start": start * SECOND, "target_pid": 4242 + start}
    return [make((start + after) * SECOND, who) for after, make in events]


def dropped(time: int, who: dict[str, Any]) -> Any:
    return record(**{**who, **RUNC, "time": time})


def killed(time: int, who: dict[str, Any]) -> Any:
    return kill(time, {**who, **RUNC})


def exited(time: int, who: dict[str, Any]) -> Any:
    return end(time, 0, who)


def harmless(time: int, who: dict[str, Any]) -> Any:
    return record(**{**who, "time": time, "signal": 17, "sender_pid": 0, "relation": "kernel"})


STOP = ((1, dropped), (11, killed), (11.5, exited))
CALM = ((1, harmless), (2, exited))


def opened(path: Path, *lives: list[Any]) -> tuple[sigtrace.Recording, tuple[RecordedNs, ...]]:
    recording = sigtrace.open(recorded(path / "r", [each for life in lives for each in life]))
    return recording, recording.spaces.with_inode(INIT["nsid"])


def most_relevant(path: Path, *lives: list[Any]) -> int:
    """The second at which the one that is chosen started."""
    return incarnation.most_relevant(*opened(path, *lives)).ns_start // SECOND


@pytest.mark.parametrize(
    ("first", "second", "last", "chosen"),
    [
        (STOP, STOP, CALM, SECOND_LIFE),
        (STOP, CALM, CALM, FIRST),
        (STOP, STOP, STOP, LAST),
        (CALM, CALM, CALM, LAST),
    ],
)
def test_the_last_that_was_asked_to_stop_is_told_or_else_the_last(
    first: Any, second: Any, last: Any, chosen: int, tmp_path: Path
) -> None:
    lives = [life(start, *what) for start, what in ((FIRST, first), (SECOND_LIFE, second), (LAST, last))]
    assert most_relevant(tmp_path, *lives) == chosen


def test_one_alone_is_told_whatever_happened_to_it(tmp_path: Path) -> None:
    assert most_relevant(tmp_path, life(FIRST, *CALM)) == FIRST


def test_the_others_are_asked_for_by_a_moment_at_which_all_of_them_had_happened(tmp_path: Path) -> None:
    _, spaces = opened(tmp_path, *(life(start, *STOP) for start in (FIRST, SECOND_LIFE, LAST)))
    assert list(incarnation.others(spaces, spaces[2])) == [
        "  --at 2023-11-14T22:16:44.999999Z (started 2023-11-14T22:15:05.000000Z)",
        "  --at 2023-11-14T22:15:04.999999Z (started 2023-11-14T22:13:25.000000Z)",
    ]


def test_the_last_is_asked_for_by_now(tmp_path: Path) -> None:
    _, spaces = opened(tmp_path, life(FIRST, *STOP), life(LAST, *CALM))
    before = time.time_ns()
    (line,) = incarnation.others(spaces, spaces[0])
    moment = nanoseconds(line.split()[1])
    assert before // 1000 * 1000 <= moment <= time.time_ns()


def test_of_many_the_last_few_are_listed(tmp_path: Path) -> None:
    lives = (life(10 * number, *CALM) for number in range(1, 13))
    _, spaces = opened(tmp_path, *lives)
    *listed, more = incarnation.others(spaces, spaces[-1])
    assert len(listed) == 8
    assert listed[0].endswith("(started 2023-11-14T22:15:10.000000Z)")
    assert more == "  and 3 before these"


def test_one_that_stood_before_the_recording_is_told_so(tmp_path: Path) -> None:
    rows = [{"nsid": INIT["nsid"], "ns_start": start * TICK_NS, "born": born}
            for start, born in ((100, None), (900, UTC + 9 * SECOND))]  # fmt: skip
    spaces = sigtrace.open(recorded(tmp_path / "r", [record(time=1)], *rows)).spaces.with_inode(INIT["nsid"])
    (line,) = incarnation.others(spaces, spaces[1])
    assert line.endswith("(started before the recording)")


def test_an_inode_means_the_last_that_had_it_on_each_host_and_of_these_the_last_born(tmp_path: Path) -> None:
    lives = {"host-a": (FIRST, LAST), "host-b": (SECOND_LIFE,)}
    paths = [
        recorded(tmp_path / host, [e for start in starts for e in life(start, *CALM)], host=host)
        for host, starts in lives.items()
    ]
    recording = sigtrace.open(paths)
    name = f"pid:[{INIT['nsid']}]"

    def meant(at: int | None = None, host: str = "") -> list[tuple[str, int]]:
        choice = incarnation.by_name(recording, name, at, host)
        return [(each.home.host, each.ns_start // SECOND) for each in choice.meant]

    assert meant() == [("host-b", SECOND_LIFE), ("host-a", LAST)]
    assert meant(UTC + 150 * SECOND) == [("host-a", FIRST), ("host-b", SECOND_LIFE)]
    assert meant(UTC + 50 * SECOND) == [("host-a", FIRST)]
    assert meant(UTC) == meant()
    assert meant(host="host-a") == [("host-a", LAST)]
    assert meant(host="nowhere") == []
