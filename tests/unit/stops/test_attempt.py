"""What a stop is: who asked, what became of it, how long it took."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from sigtrace.events import wire
from sigtrace.events.batch import Batch
from sigtrace.events.container import Container
from sigtrace.events.residents import Residents
from sigtrace.stops.attempt import Attempt, attempts
from sigtrace.stops.request import AT_ONCE_NS
from tests.builders.recordings import UTC
from tests.builders.records import record
from tests.builders.stories import HOST_NS, INIT, NSID, RUNC, SECOND, end, kill, stop_of_ten_seconds

MINUTE = 60 * SECOND
ALIVE = ("init", "unkillable")


def _stops(*records: Any) -> list[Attempt]:
    return attempts(Batch(np.concatenate(records), UTC, "web-1"))


def _term(time: int, **changes: Any) -> Any:
    return record(**{**INIT, **RUNC, "time": time, **changes})


def test_a_stop_has_its_first_request_its_grace_period_and_its_end() -> None:
    (stop,) = _stops(*stop_of_ten_seconds())
    assert (stop.asked, stop.signal, stop.asked_by, stop.asked_by_parent) == (
        UTC + 8 * SECOND,
        15,
        "runc",
        "containerd-shim",
    )
    assert (stop.verdict, stop.requests, stop.dropped) == ("dropped_at_generate", 2, 1)
    assert (stop.grace, stop.duration, stop.killed) == (10 * SECOND, 10 * SECOND + 400_000, True)
    assert stop.exited == UTC + 18 * SECOND + 400_000


def test_a_stop_without_an_exit_has_no_end() -> None:
    (stop,) = _stops(_term(SECOND))
    assert (stop.exited, stop.duration, stop.grace, stop.killed) == (None, None, None, False)
    assert np.isnan(stop.seconds)


def test_a_sigkill_right_away_is_a_request_without_a_grace_period() -> None:
    (stop,) = _stops(kill(SECOND), end(SECOND + 1000))
    assert (stop.signal, stop.grace, stop.duration, stop.killed) == (9, None, 1000, True)


def test_an_exit_that_nobody_asked_for_is_no_stop() -> None:
    assert _stops(end(SECOND, 0)) == []


def test_a_reload_does_not_begin_a_stop() -> None:
    reload = _term(SECOND, signal=1, result=0, disposition="handler")
    (stop,) = _stops(reload, _term(2 * SECOND), end(3 * SECOND))
    assert stop.asked == UTC + 2 * SECOND
    (stop,) = _stops(_term(SECOND, signal=1), end(3 * SECOND))  # without a handler it means what it says
    assert stop.signal == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"relation": "self"},
        {"signal": 10},
        {"flags": ()},
        {"flags": ("init", "exiting")},
        {"nsid": HOST_NS},
        {"signal": 9, "relation": "kernel", "result": 0},
        {"stage": "deliver", "result": -1, "disposition": "handler"},
    ],
    ids=str,
)
def test_what_nobody_meant_as_a_request_is_none(changes: dict[str, Any]) -> None:
    assert _stops(_term(SECOND, **changes)) == []


def test_a_stop_is_counted_from_the_request_that_sigkill_follows_up() -> None:
    first, second = _term(SECOND, sender_pid=5901), _term(18 * SECOND, sender_pid=6140)
    (stop,) = _stops(first, second, kill(19 * SECOND, **RUNC), end(19 * SECOND + 5))
    assert (stop.asked, stop.asked_by_pid, stop.requests, stop.dropped) == (UTC + 18 * SECOND, 6140, 3, 2)
    assert (stop.grace, stop.duration) == (SECOND, SECOND + 5)


def test_another_partys_request_does_not_shorten_a_runtimes_grace_period() -> None:
    person = {"sender_pid": 9, "sender_comm": b"bash", "sender_parent_pid": 8, "sender_parent_comm": b"sshd"}
    (stop,) = _stops(_term(SECOND), _term(6 * SECOND, **person), kill(11 * SECOND, **RUNC))
    assert (stop.asked_by, stop.grace) == ("runc", 10 * SECOND)


def test_who_asked_is_told_of_a_storm_of_requests() -> None:
    storm = [_term(SECOND + number, sender_pid=number) for number in range(1, 2000)]
    (stop,) = _stops(*storm, _term(5 * SECOND, sender_pid=6140), kill(6 * SECOND, **RUNC))
    assert (stop.asked_by_pid, stop.grace, stop.requests) == (6140, SECOND, 2001)


def test_a_signal_that_the_same_partys_sigkill_follows_soon_was_a_stop() -> None:
    (stop,) = _stops(_term(SECOND, signal=10), kill(11 * SECOND, **RUNC), end(12 * SECOND))
    assert (stop.signal, stop.grace) == (10, 10 * SECOND)
    (stop,) = _stops(_term(SECOND, signal=10), kill(200 * SECOND, **RUNC), end(201 * SECOND))
    assert (stop.signal, stop.grace) == (9, None)


def _half_made(*ran: Any) -> list[Any]:
    its = {**INIT, "target_comm": b"runc:[2:INIT]"}
    born = record(**{**its, "time": 5 * SECOND, "stage": "init", "signal": 0, "result": -1, "flags": ALIVE})
    return [born, *ran, kill(6 * SECOND, its, **RUNC), end(6 * SECOND + 5, who=its)]


def test_an_init_that_its_runtime_ends_before_it_ran_anything_is_no_stop() -> None:
    assert _stops(*_half_made()) == []
    exec_ = record(**INIT, time=5 * SECOND + 9, stage="exec", signal=0, result=-1, flags=ALIVE)
    assert len(_stops(*_half_made(exec_))) == 1
    assert len(_stops(*_half_made()[1:])) == 1  # whether it ran, nobody saw


def test_a_ctrl_c_on_the_containers_terminal_is_a_request() -> None:
    (stop,) = _stops(record(**INIT, time=SECOND, signal=2, relation="kernel", code=128))
    assert (stop.signal, stop.asked_by) == (2, "")


def test_requests_more_than_ten_minutes_apart_are_two_attempts() -> None:
    first, second = _stops(_term(SECOND), _term(9 * MINUTE), _term(20 * MINUTE), end(21 * MINUTE))
    assert (first.requests, first.exited) == (2, None)
    assert (second.requests, second.duration) == (1, MINUTE)


def test_a_reused_inode_is_another_namespace() -> None:
    second = {"ns_start": MINUTE, "target_start": MINUTE}
    first, other = _stops(_term(SECOND), end(2 * SECOND), _term(2 * MINUTE, **second))
    assert (first.exited, other.exited) == (UTC + 2 * SECOND, None)
    assert (first.ns_start, other.ns_start) == (5 * SECOND, MINUTE)


def test_a_request_dropped_at_delivery_counts_as_dropped() -> None:
    queued = _term(SECOND, result=0, flags=(*ALIVE, "blocked"))
    late = _term(2 * SECOND, stage="deliver", result=-1)
    (stop,) = _stops(queued, late, end(3 * SECOND))
    assert (stop.verdict, stop.requests, stop.dropped) == ("queued", 1, 1)


def test_what_was_dropped_late_before_anybody_asked_is_nobodys() -> None:
    late = _term(SECOND, stage="deliver", result=-1, nsid=7)
    queued = {"result": 0, "flags": (*ALIVE, "blocked")}
    found = _stops(_term(SECOND, nsid=5, **queued), late, _term(2 * SECOND, nsid=7, **queued))
    assert [(stop.nsid, stop.dropped) for stop in found] == [(5, 0), (7, 0)]


def test_a_sigkill_from_inside_asks_for_no_stop_and_ends_no_grace_period() -> None:
    inside = kill(2 * SECOND, relation="same", result=1, flags=ALIVE)
    (stop,) = _stops(_term(SECOND), inside, kill(5 * SECOND), end(6 * SECOND))
    assert (stop.grace, stop.requests) == (4 * SECOND, 2)


def test_a_containers_own_stop_signal_is_a_request() -> None:
    def of(container: Container | None) -> list[Attempt]:
        batch = Batch(_term(SECOND, signal=10), UTC, "web-1", Residents(np.zeros(1, "i8"), [container]))
        return attempts(batch)

    (stop,) = of(Container("ab" * 32, "web-1", stop_signal="SIGUSR1"))
    assert (stop.signal, stop.container and stop.container.name) == (10, "web-1")
    assert of(Container("ab" * 32, "web-1", stop_signal="SIG\x1bUSR1")) == []
    assert of(None) == []


def test_spans_are_of_the_kernels_clock_whatever_the_wall_clock_did() -> None:
    records = np.concatenate([_term(SECOND), end(3 * SECOND)])
    (stop,) = attempts(Batch(records, np.array([UTC, UTC - 3600 * SECOND]), "web-1"))
    assert stop.duration == 2 * SECOND


def _by_kernel(time: int, **changes: Any) -> Any:
    return kill(time, relation="kernel", sender_pid=0, code=128, **changes)


def test_a_sigkill_of_the_kernels_own_ends_a_stop_and_no_grace_period() -> None:
    (stop,) = _stops(_term(SECOND, result=0, disposition="handler"), _by_kernel(4 * SECOND), end(5 * SECOND))
    assert (stop.signal, stop.requests, stop.grace, stop.until_kill) == (15, 1, None, 3 * SECOND)
    assert (stop.by_kernel, stop.needed_kill, stop.killed) == (True, False, True)
    (stop,) = _stops(
        _term(SECOND), _by_kernel(4 * SECOND), kill(5 * SECOND, result=2, **RUNC), end(6 * SECOND)
    )
    assert (stop.by_kernel, stop.grace, stop.requests) == (True, None, 2)


def test_a_sigkill_of_the_kernels_own_that_nobody_asked_for_is_no_stop() -> None:
    assert _stops(_by_kernel(SECOND), end(2 * SECOND)) == []


def test_a_stop_whose_sigkill_needs_time_was_killed_though_it_has_not_ended() -> None:
    (stop,) = _stops(_term(SECOND), kill(11 * SECOND, **RUNC))
    assert (stop.grace, stop.killed, stop.needed_kill, stop.duration) == (10 * SECOND, True, True, None)


def test_an_exit_ends_a_stop_and_what_comes_after_it_is_none() -> None:
    (stop,) = _stops(_term(SECOND), end(2 * SECOND, 0), _term(3 * SECOND), kill(4 * SECOND), end(5 * SECOND))
    assert (stop.requests, stop.duration, stop.status, stop.killed) == (1, SECOND, 0, False)
    assert _stops(end(SECOND), _term(2 * SECOND), kill(3 * SECOND)) == []


def test_an_inode_that_is_used_again_within_a_tick_is_another_inits() -> None:
    next_one = {"ns_start": 5 * SECOND + 1, "target_start": 5 * SECOND + 1, "target_pid": 5000}
    first, other = _stops(_term(6 * SECOND), end(7 * SECOND), _term(8 * SECOND, **next_one))
    assert (first.init_pid, first.exited, other.init_pid, other.exited) == (
        4242,
        UTC + 7 * SECOND,
        5000,
        None,
    )


def test_a_runtimes_request_is_found_in_the_midst_of_a_storm_of_anothers() -> None:
    other = {"sender_pid": 9, "sender_comm": b"probe", "sender_parent_pid": 8, "sender_parent_comm": b"cron"}
    storm = [_term(SECOND + number, **other) for number in range(2000)]
    asked, late = [_term(SECOND + 1500)], [_term(2 * SECOND + number, **other) for number in range(2000)]
    (stop,) = _stops(*storm[:1500], *asked, *storm[1500:], *late, kill(11 * SECOND, **RUNC))
    assert (stop.asked_by, stop.grace, stop.requests) == ("runc", 10 * SECOND - 1500, 4002)


def test_rows_are_places_in_the_batch_that_was_given() -> None:
    records = [end(SECOND, who={**INIT, "nsid": 7}), _term(2 * SECOND), kill(3 * SECOND), end(4 * SECOND)]
    (stop,) = _stops(*records)
    assert (stop.rows.tolist(), stop.first, stop.kill, stop.exit) == ([1, 2], 1, 2, 3)


def test_a_reboot_ends_an_attempt_as_was_asked_and_only_if_it_came_first() -> None:
    asked = _term(SECOND, result=0, disposition="handler")
    reboot = _by_kernel(3 * SECOND, flags=ALIVE, context_pid=77, context_comm=b"busybox", context_nsid=NSID)
    (stop,) = _stops(asked, reboot, end(4 * SECOND))
    assert (stop.killed, stop.needed_kill, stop.by_kernel, stop.grace) == (False, False, False, None)
    assert (str(stop.rebooted), stop.duration) == ("reboot(2) by busybox[77]", 3 * SECOND)
    dying = reboot.copy()
    dying["result"], dying["flags"] = 1, dying["flags"] | wire.FLAG["exiting"]
    (stop,) = _stops(asked, kill(2 * SECOND, **RUNC), dying, end(4 * SECOND))
    assert (stop.killed, stop.needed_kill, stop.rebooted) == (True, True, None)


USR1: dict[str, Any] = {"signal": 10, "result": 0, "disposition": "handler"}


@pytest.mark.parametrize(
    ("records", "asked"),
    [
        ([_term(SECOND, **USR1), end(SECOND + AT_ONCE_NS, 0)], [10]),
        ([_term(SECOND, **USR1), end(SECOND + AT_ONCE_NS + 1, 0)], []),
        ([_term(SECOND, **USR1), end(2 * SECOND, 11)], []),  # a fault
        ([_term(SECOND, **{**USR1, "disposition": "default"}), end(2 * SECOND, 0)], []),
        ([_term(SECOND, **{**USR1, "relation": "same"}), end(2 * SECOND, 0)], []),
        ([_term(SECOND, **{**USR1, "signal": 17}), end(2 * SECOND, 0)], []),
        ([_term(SECOND, **USR1), _term(SECOND + 1, result=0), end(2 * SECOND, 0)], [15]),
        ([_term(SECOND, **USR1), _term(SECOND + 1, **{**USR1, "signal": 12}), end(2 * SECOND, 0)], [12]),
    ],
)
def test_a_handled_signal_right_before_the_exit_asked_for_it(records: list[Any], asked: list[int]) -> None:
    assert [stop.signal for stop in _stops(*records)] == asked
    assert all(stop.requests == 1 for stop in _stops(*records))
