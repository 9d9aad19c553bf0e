"""A process goes by the name of its group leader, also in recordings that have the name of the thread."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from sigtrace.events.batch import Batch
from sigtrace.events.lanes import lanes, parties
from sigtrace.events.leaders import called_by_leaders
from sigtrace.postmortem.timeline import timeline_entries, title
from sigtrace.stops.attempt import attempts
from tests.builders.cases import case, event, snapshot


def by(tid: int, comm: bytes, at: float = 1, pid: int = 4242, **changes: Any) -> npt.NDArray[np.void]:
    return event(at, target_pid=pid, target_tid=tid, target_comm=comm, **changes)


def names(*records: npt.NDArray[np.void]) -> list[bytes]:
    found: list[bytes] = called_by_leaders(np.concatenate(records))["target_comm"].tolist()
    return found


def test_a_thread_goes_by_the_last_name_that_its_leader_had_before() -> None:
    born, run = by(4242, b"runc:[2:INIT]", 0), by(4242, b"java", 1)
    jit = by(4250, b"C1 CompilerThre", 2)
    assert names(born, run, jit) == [b"runc:[2:INIT]", b"java", b"java"]
    assert names(jit, run, born) == [b"java", b"java", b"runc:[2:INIT]"]  # none before: the first after


def test_a_name_that_the_leader_had_is_kept() -> None:
    born, early, run = by(4242, b"sh", 0), by(4250, b"java", 1), by(4242, b"java", 2)
    assert names(born, early, run) == [b"sh", b"java", b"java"]


def test_processes_are_not_mixed_up() -> None:
    other = by(5000, b"redis", 2, pid=5000)
    reused = by(4242, b"nginx", 3, target_start=7)
    thread = by(4251, b"bio_aof_fsync", 4)
    assert names(by(4242, b"app"), other, reused, thread)[-1] == b"app"
    assert names(other, reused, thread)[-1] == b"bio_aof_fsync"  # nothing tells its leader's name


def test_records_without_threads_are_given_back_as_they_are() -> None:
    records = np.concatenate([by(4242, b"app"), by(4242, b"app2")])
    assert called_by_leaders(records) is records
    assert len(called_by_leaders(records[:0])) == 0


EXIT = by(4242, b"java", 2, stage="exit", signal=0, exit_code=143 << 8)
DIES = by(4250, b"C1 CompilerThre", 2.1, stage="deliver", signal=9, result=-1)
ASKED = by(4250, b"C1 CompilerThre", 1, result=0, disposition="handler")


def test_the_story_and_the_stop_of_an_init_have_its_name_not_that_of_a_thread() -> None:
    own = case([ASKED, EXIT, DIES])
    assert title(own).endswith("init java[4242]")
    assert "CompilerThre" not in str([(entry.text, *entry.detail) for entry in timeline_entries(own)])
    (stop,) = attempts(Batch(np.concatenate([ASKED, EXIT, DIES]), 0, "host"))
    assert stop.init_comm == "java"
    found = lanes(parties(Batch(np.concatenate([EXIT, DIES]), 0, "host")), counted=False)
    assert found.names[found.init] == "init: java[4242]"


def test_without_a_record_of_the_leader_a_snapshot_has_the_name() -> None:
    assert title(case([ASKED], snapshot(0.5, {"comm": "java"}))).endswith("init java[4242]")
    assert title(case([ASKED])).endswith("init C1 CompilerThre[4242]")
