"""To whom the requests of an attempt were passed on, from records made by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from sigtrace.postmortem import Case, diagnose
from sigtrace.postmortem.passing import MOST
from sigtrace.postmortem.subject import judged
from tests.builders.cases import KILL, KILLED, SECOND, START, case, causes, event, replace_time, snapshot

HANDLED = {"signal": 15, "disposition": "handler", "result": 0}
MEMBER = {"flags": (), "target_comm": b"app", "relation": "same", "result": 0}


def asked(at: float = 1) -> npt.NDArray[np.void]:
    """SIGTERM to the init, which handles it."""
    return event(at, **HANDLED)


def sent(at: float, pid: int, by: int = 0, **facts: Any) -> npt.NDArray[np.void]:
    """A signal to a member from another, by default from the init."""
    sender = {"sender_pid": by or 4242, "sender_start": START + by, "sender_comm": b"init"}
    target = {"target_pid": pid, "target_ns_pid": pid, "target_start": START + pid}
    return event(at, **MEMBER | sender | target | facts)


def ended(at: float, pid: int) -> npt.NDArray[np.void]:
    """The exit of a member."""
    facts = {"target_pid": pid, "target_ns_pid": pid, "target_start": START + pid, "sender_pid": 0}
    return event(at, **MEMBER | facts | {"stage": "exit", "signal": 0, "result": -1, "relation": 0})


def reached(*records: npt.NDArray[np.void]) -> list[int]:
    return [each.pid for each in case(records).passed]


def hung(its: Case) -> list[int]:
    return [each.subject.pid if each.subject else 1 for each in judged(its)]


def test_what_the_init_sends_after_a_request_passes_it_on() -> None:
    assert reached(asked(), sent(1.1, 5001), sent(1.2, 5002, 5001), KILL) == [5001, 5002]
    assert [each.path for each in case([asked(), sent(1.1, 5001), sent(1.2, 5002, 5001)]).passed] == [
        ("app[4242]",),
        ("app[4242]", "app[5001]"),
    ]


def test_what_is_sent_before_the_request_or_by_strangers_or_much_later_does_not() -> None:
    assert reached(sent(0.5, 5001), asked(), KILL) == []
    assert reached(asked(), sent(1.1, 5001, 5009), KILL) == []
    assert reached(asked(), sent(1.1, 5001, sender_start=START + 1), KILL) == []  # its PID was another's
    assert reached(asked(), sent(92, 5001)) == []
    assert reached(asked(), KILL, sent(12, 5001)) == []
    assert reached(sent(0.9, 5002, 5001), asked(), sent(1.1, 5001)) == [5001]
    assert reached(asked(), sent(1.1, 5002, 5001), sent(1.2, 5001)) == [5001]
    its = case([asked(), sent(1.1, 5002, 5001), sent(1.2, 5001), sent(1.3, 5002, 5001)])
    assert [(each.pid, each.rows) for each in its.passed] == [(5001, (2,)), (5002, (3,))]


def test_a_request_that_the_init_never_got_is_not_passed_on() -> None:
    assert reached(event(1), sent(1.1, 5001)) == []
    assert reached(KILL, sent(11.5, 5001)) == []
    assert reached(event(1), asked(2), sent(2.1, 5001)) == [5001]


def test_only_a_signal_that_asks_for_an_end_passes_a_request_on() -> None:
    for signal in (9, 10, 17, 18, 19):
        assert reached(asked(), sent(1.1, 5001, signal=signal)) == []
    for signal in (1, 2, 3, 15):
        assert reached(asked(), sent(1.1, 5001, signal=signal)) == [5001]
    assert reached(asked(), sent(1.1, 5001, signal=1, disposition="handler")) == []  # a reload
    usr1 = event(1, **HANDLED | {"signal": 10})
    assert reached(usr1, sent(1.1, 5001, signal=10), KILL) == [5001]


def test_those_that_did_not_end_are_judged_instead_of_the_init() -> None:
    passed = [asked(), sent(1.1, 5001), sent(1.1, 5002), sent(1.2, 5003, 5002)]
    assert hung(case([*passed, KILL])) == [5001, 5003]
    assert hung(case([*passed, ended(2, 5001), KILL])) == [5003]
    assert hung(case([*passed, ended(2, 5001), ended(2, 5003), KILL])) == [5002]
    assert hung(case([*passed, ended(2, 5001), ended(2, 5003), ended(2, 5002), KILL])) == [1]
    assert hung(case([*passed, KILL, ended(12, 5001), ended(12, 5003)])) == [5001, 5003]


def test_a_member_that_its_supervisor_had_to_kill_did_not_end() -> None:
    killed = [sent(5, 5001, signal=9), ended(5, 5001), replace_time(KILLED, 12)]
    assert hung(case([asked(), sent(1.1, 5001), *killed])) == [5001]
    assert hung(case([asked(), sent(1.1, 5001), ended(4, 5001), *killed])) == [1]


def test_an_init_that_ended_in_time_was_not_held_up_by_a_member() -> None:
    assert hung(case([asked(), sent(1.1, 5001), replace_time(KILLED, 2), ended(2, 5001)])) == [1]


def test_an_attempt_that_was_not_passed_on_is_still_judged_by_the_init() -> None:
    blocked = {"signal": 15, "result": 0, "flags": ("unkillable", "init", "blocked")}
    later = [event(900, **blocked), event(901, **blocked | {"result": 2}), replace_time(KILL, 910)]
    its = case([asked(), sent(1.1, 5001, result=1, disposition="ignore"), *later])
    assert hung(its) == [5001, 1]
    assert [event.time // SECOND for event in judged(its)[-1].requests] == [1000, 1001, 1010]


def test_several_that_hang_for_the_same_reason_are_one_finding() -> None:
    ignored = {"result": 1, "disposition": "ignore"}
    everybody = [sent(1.1, pid, **ignored) for pid in range(5001, 5101)]
    assert causes([asked(), *everybody, KILL, KILLED]) == ["ignored-by-program"]
    assert len(case([asked(), *everybody]).passed) == MOST


def test_a_storm_of_the_same_signal_is_one_step() -> None:
    storm = [sent(1.1 + n / 1000, 5001, result=2) for n in range(300)]
    its = case([asked(), *storm, KILL])
    assert [len(each.rows) for each in its.passed] == [8]
    assert hung(its) == [5001]


def test_a_member_that_hangs_twice_is_named_once() -> None:
    ignored = {"result": 1, "disposition": "ignore"}
    again = [event(900, **HANDLED), sent(900.1, 5001, **ignored), replace_time(KILL, 910)]
    (finding,) = diagnose(case([asked(), sent(1.1, 5001, **ignored), *again])).findings
    assert finding.path == ("app[4242]", "app[5001]")
    assert "The same" not in finding.summary


def test_an_exit_that_was_lost_is_seen_in_a_snapshot() -> None:
    passed = [asked(), sent(1.1, 5001), KILL, KILLED]
    there, gone = snapshot(2, {}, {"pid": 5001}), snapshot(3, {})
    assert hung(case(passed, there)) == [5001]
    assert hung(case(passed, [*there, *gone])) == [1]
    assert hung(case(passed, [*there, *snapshot(3, {}, problem="it hangs")])) == [5001]
    assert hung(case(passed, [*there, *snapshot(12, {})])) == [5001]
