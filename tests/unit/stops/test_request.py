"""Which signals ask an init to end, and from which of them its stop is counted."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from sigtrace.events.batch import Batch
from sigtrace.events.container import Container
from sigtrace.stops.own_signal import own_stop_signal, own_stop_signals
from sigtrace.stops.request import (
    SignalRequest,
    asking,
    counted,
    failed_starts,
    inits,
)
from sigtrace.stops.sender import INSIDE, Asker
from tests.builders.records import record
from tests.builders.stories import INIT, MEMBER, RUNC, SECOND, end, kill

DOCKER, PERSON, INNER = Asker("dockerd", "docker"), Asker("bash"), Asker(INSIDE)
SHELL: dict[str, Any] = {"sender_pid": 9, "sender_comm": b"bash", "sender_parent_comm": b"sshd"}


def asks(*records: Any, container: Container | None = None) -> list[int]:
    """The rows that ask."""
    batch = Batch(np.concatenate(records), 0, "web-1", lambda key: container)
    return np.flatnonzero(asking(batch, own_stop_signals(batch))).tolist()


def term(time: int = SECOND, **changes: Any) -> Any:
    return record(**{**INIT, **RUNC, "time": time, **changes})


@pytest.mark.parametrize("number", [1, 2, 3, 9, 15])
def test_what_means_to_end_a_program_asks(number: int) -> None:
    assert asks(term(signal=number, result=0)) == [0]


@pytest.mark.parametrize("number", [10, 12, 17, 18, 19, 28])
def test_what_means_something_else_asks_only_where_the_container_says_so(number: int) -> None:
    assert asks(term(signal=number)) == []
    own = Container("ab" * 32, "web-1", stop_signal=str(number))
    assert asks(term(signal=number), container=own) == [0]


@pytest.mark.parametrize("facts", [{"disposition": "handler"}, {"flags": ("init", "blocked")}], ids=str)
def test_a_hangup_that_is_waited_for_is_a_reload_unless_it_is_the_containers_own(
    facts: dict[str, Any],
) -> None:
    assert asks(term(signal=1, result=0, **facts)) == []
    own = Container("ab" * 32, "web-1", stop_signal="SIGHUP")
    assert asks(term(signal=1, result=0, **facts), container=own) == [0]


@pytest.mark.parametrize("number", [1, 9, 15])
def test_what_the_kernel_sends_does_not_ask(number: int) -> None:
    assert asks(term(signal=number, result=0, relation="kernel", sender_pid=0)) == []


@pytest.mark.parametrize("number", [2, 3])
def test_but_keys_of_a_terminal_do(number: int) -> None:
    assert asks(term(signal=number, relation="kernel", sender_pid=0)) == [0]


def test_a_sigkill_asks_unless_it_is_dropped() -> None:
    inside = {"relation": "same", "flags": ("init", "unkillable"), "result": 1}
    assert asks(kill(SECOND, **RUNC), kill(SECOND, **{**RUNC, **inside}), kill(SECOND, result=2)) == [0, 2]


def test_an_init_that_dies_or_has_exited_is_asked_no_more() -> None:
    dying = term(2 * SECOND, flags=("init", "exiting"))
    assert asks(term(), dying, end(3 * SECOND), term(4 * SECOND), term(4 * SECOND, result=0)) == [0]


def test_one_inits_exit_does_not_silence_the_next_that_has_its_inode() -> None:
    later = {"ns_start": 9 * SECOND, "target_pid": 5000}
    same_tick = {"ns_start": 5 * SECOND + 1, "target_pid": 5000}
    assert asks(term(), end(2 * SECOND), term(10 * SECOND, **later)) == [0, 2]
    assert asks(term(), end(2 * SECOND), term(3 * SECOND, **same_tick)) == [0, 2]


def test_inits_are_told_apart_by_inode_and_start_however_short_a_time_there_is_between_them() -> None:
    records = [term(), term(nsid=7), term(ns_start=9 * SECOND), term(ns_start=5 * SECOND + 1), term(time=2)]
    codes = inits(np.concatenate(records)).tolist()
    assert codes[0] == codes[4]
    assert len(set(codes)) == 4


def test_a_member_is_asked_too_but_its_exit_is_not_its_inits() -> None:
    assert asks(record(**MEMBER, time=1, result=0), end(2, who=MEMBER), term(3)) == [0, 2]


@pytest.mark.parametrize(
    ("between", "found"),
    [
        ([], [0, 1]),
        ([term(2 * SECOND, signal=15)], [1, 2]),  # SIGKILL does not come next
        ([term(2 * SECOND, signal=17)], [0, 2]),
    ],
    ids=["next", "after another request", "after what nobody stops with"],
)
def test_any_signal_asks_that_the_same_partys_sigkill_follows_next(
    between: list[Any], found: list[int]
) -> None:
    assert asks(term(signal=10), *between, kill(10 * SECOND, **RUNC)) == found


def test_not_one_that_sigkill_follows_late_or_by_another() -> None:
    assert asks(term(signal=10), kill(92 * SECOND, **RUNC)) == [1]
    assert asks(term(signal=10), kill(2 * SECOND, **SHELL)) == [1]
    assert asks(term(signal=10), kill(2 * SECOND, nsid=7, **RUNC)) == [1]


def test_the_end_of_what_never_ran_is_a_failed_start() -> None:
    its = {**INIT, "target_comm": b"runc:[2:INIT]", "flags": ("init",)}
    stage = {"signal": 0, "result": -1}
    born = record(**{**its, **stage, "time": 5 * SECOND, "stage": "init"})
    ran = record(**{**its, **stage, "time": 5 * SECOND, "stage": "exec"})
    ended = kill(6 * SECOND, its, **RUNC)
    for records, failed in (
        ([born, ended], [1]),
        ([born, ran, ended], []),
        ([ended], []),
        ([born, kill(6 * SECOND, its, **SHELL)], []),
    ):
        assert failed_starts(Batch(np.concatenate(records), 0, "web-1")) == failed
        assert (asks(*records) == []) == bool(failed)


@pytest.mark.parametrize(
    ("text", "number"), [("SIGQUIT", 3), ("RTMIN+3", 37), ("", -1), ("SIG\x1bUSR1", -1), ("0x7f", -1)]
)
def test_a_containers_stop_signal_is_its_number_or_not_known(text: str, number: int) -> None:
    assert own_stop_signal(Container("ab", stop_signal=text)) == number
    assert own_stop_signal(None) == -1


def sent(who: Asker, signal: int = 15, verdict: str = "dropped_at_generate") -> SignalRequest:
    return SignalRequest(who, signal, verdict)


@pytest.mark.parametrize(
    ("requests", "which"),
    [
        ([sent(PERSON), sent(DOCKER), sent(PERSON), sent(DOCKER, 9, "queued")], 1),
        ([sent(PERSON), sent(INNER), sent(DOCKER, 9, "queued")], 0),
        ([sent(INNER), sent(DOCKER, 9, "queued")], 1),
        ([sent(DOCKER), sent(PERSON, 9, "coalesced"), sent(DOCKER, 9, "queued")], 0),
        ([sent(DOCKER), sent(DOCKER, 9, "coalesced")], 0),
        ([sent(DOCKER), sent(PERSON), sent(DOCKER), sent(PERSON)], 0),
        ([sent(INNER), sent(PERSON), sent(INNER)], 1),
        ([sent(DOCKER), sent(DOCKER, 3), sent(DOCKER), sent(DOCKER, 15, "queued"), sent(DOCKER)], 3),
        ([sent(INNER)], 0),
    ],
)
def test_a_stop_is_counted_from(requests: list[SignalRequest], which: int) -> None:
    assert counted(requests) == which
