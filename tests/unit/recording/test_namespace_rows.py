"""What a recording says of namespaces: those that stand at its beginning, and what happens to them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sigtrace.clock import TICK_NS
from sigtrace.events.batch import Batch
from sigtrace.events.container import Container
from sigtrace.events.nskey import NsKey
from sigtrace.procfs.namespaces import PidNamespace, Survey
from sigtrace.recording import namespace_rows
from tests.builders.recordings import UTC
from tests.builders.records import record
from tests.builders.stories import HOST_NS, INIT, MEMBER, NSID, SECOND, end

MADE = {"sender_nsid": HOST_NS, "sender_ns_level": 0}


def changes(*records: Any) -> list[dict[str, Any]]:
    return list(namespace_rows.changes(Batch(np.concatenate(records), UTC, "web-1")))


def moment(stage: str, time: int, **facts: Any) -> Any:
    return record(**{**INIT, "time": time, "stage": stage, "signal": 0, "result": -1, **facts})


def test_a_namespace_has_its_parent_from_its_birth_and_its_end_from_the_exit() -> None:
    born, ran, died = changes(
        moment("init", 5 * SECOND, **MADE),
        moment("exec", 6 * SECOND, target_comm=b"nginx"),
        end(18 * SECOND),
    )
    its = {"nsid": NSID, "ns_start": 5 * SECOND, "ns_level": 1, "init_pid": 4242, "born": UTC + 5 * SECOND}
    assert born == {**its, "time": UTC + 5 * SECOND, "init_comm": "app", "parent_nsid": HOST_NS}
    assert ran == {**its, "time": UTC + 6 * SECOND, "init_comm": "nginx"}
    assert died == {**its, "time": UTC + 18 * SECOND, "init_comm": "app", "died": UTC + 18 * SECOND}


def test_who_made_it_from_two_levels_above_is_not_in_its_parent() -> None:
    (born,) = changes(moment("init", 5 * SECOND, ns_level=2, sender_nsid=HOST_NS, sender_ns_level=0))
    assert "parent_nsid" not in born


def test_signals_and_what_happens_to_members_change_no_namespace() -> None:
    assert changes(record(**INIT, time=6 * SECOND), end(7 * SECOND, who=MEMBER)) == []
    assert changes(record(**MEMBER, time=6 * SECOND)) == []


def test_names_of_programs_are_text() -> None:
    (ran,) = changes(moment("exec", 6 * SECOND, target_comm=b"\xff\x1b"))
    assert ran["init_comm"] == "\\xff\x1b"


def test_those_that_stand_are_recorded_as_proc_shows_them(monkeypatch: pytest.MonkeyPatch) -> None:
    gone = 1 << 30
    seen = [
        PidNamespace(HOST_NS, 0, None, os.getpid(), 100),
        PidNamespace(NSID, 1, HOST_NS, gone, 500),
        PidNamespace(
            7, 1, HOST_NS, None, None
        ),  # without an init it can't be told from who has its inode later
        PidNamespace(None, 1, None, 8, 600),
    ]
    monkeypatch.setattr(namespace_rows, "survey", lambda: Survey(tuple(seen), 4, 1, False))
    host, ended = namespace_rows.standing(UTC + 9 * SECOND, UTC)
    start = NsKey.from_proc(NSID, 500).start_ns
    assert host["init_comm"] == Path("/proc/self/comm").read_text().strip()
    assert ended == {
        **{"time": UTC + 9 * SECOND, "nsid": NSID, "ns_start": start, "born": start + UTC},
        **{"parent_nsid": HOST_NS, "ns_level": 1, "init_pid": gone, "init_comm": None},
    }


def test_a_name_that_is_found_out_later_is_a_row_of_its_own() -> None:
    web = Container("ab" * 32, "web-1", "docker", "nginx", stop_signal="SIGQUIT")
    (row,) = namespace_rows.named(UTC, [(NsKey(7, 500), web)])
    assert (row["time"], row["nsid"], row["ns_start"]) == (UTC, 7, 500 * TICK_NS)
    assert (row["container_name"], row["container_stop_signal"]) == ("web-1", "SIGQUIT")
