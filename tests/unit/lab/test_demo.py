"""The demo's story is read off the records, whoever made them and in whatever order they come."""

from __future__ import annotations

import signal

import pytest

from sigtrace.errors import SigtraceError
from sigtrace.lab.demo import read_stop
from tests.builders.demos import SECOND, WHO, Records, batch, ended, generated
from tests.builders.records import record


def test_a_drop_then_a_kill_is_a_stop_that_hung_until_the_end() -> None:
    stop = read_stop(
        batch(
            generated(5 * SECOND, signal.SIGTERM, 1),
            generated(8 * SECOND, signal.SIGKILL, 0),
            ended(9 * SECOND, signal.SIGKILL),
        )
    )
    assert (stop.dropped, stop.init, stop.pid, stop.nsid) == (True, "app", 500, 4026532200)
    assert [(step.signal, step.after, step.verdicts) for step in stop.sent] == [
        (signal.SIGTERM, 0.0, ("dropped_at_generate",)),
        (signal.SIGKILL, 3.0, ("queued",)),
    ]
    assert (stop.sent[0].sender_comm, stop.sent[0].sender_parent_comm) == ("runc", "shim")
    assert (stop.end.after, stop.end.signal, stop.end.exit_code) == (4.0, signal.SIGKILL, 0)


def test_a_handled_signal_is_no_drop_and_the_exit_code_is_told() -> None:
    caught = generated(1, signal.SIGTERM, 0, disposition="handler")
    delivered = record(**WHO, time=2, stage="deliver", result=-1, disposition="handler")
    stop = read_stop(batch(caught, delivered, ended(3, 7 << 8)))
    assert not stop.dropped
    assert stop.sent[0].verdicts == ("queued", "handled")
    assert (stop.end.signal, stop.end.exit_code) == (0, 7)


def test_the_order_of_the_records_and_those_of_other_processes_do_not_matter() -> None:
    member = {"flags": (), "target_pid": 501}
    stop = read_stop(
        batch(
            ended(9, signal.SIGKILL),
            ended(10, 0, **member),
            generated(8, signal.SIGKILL, 0, **member),
            generated(3, signal.SIGCHLD, 1),
            generated(5, signal.SIGTERM, 1),
        )
    )
    assert [step.signal for step in stop.sent] == [signal.SIGTERM]
    assert stop.end.signal == signal.SIGKILL


def test_the_time_is_utc_by_the_offset_of_the_batch() -> None:
    begun = batch(generated(1, signal.SIGTERM, 1), ended(2, 9), boot_to_utc=1_700_000_000 * SECOND)
    assert read_stop(begun).time == "2023-11-14T22:13:20.000000001Z"


@pytest.mark.parametrize(
    "rows", [(), (generated(1, 15, 1),), (ended(1, 9),)], ids=["nothing", "no end", "no signal"]
)
def test_an_incomplete_recording_is_said_to_be_one(rows: tuple[Records, ...]) -> None:
    with pytest.raises(SigtraceError, match="incomplete"):
        read_stop(batch(*rows))
