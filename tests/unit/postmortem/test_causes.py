"""The causes, on facts made by hand: what they say, and what they keep silent about."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from sigtrace.postmortem import all_causes, diagnose
from tests.builders.cases import (
    KILL,
    KILLED,
    NSID,
    SECOND,
    START,
    case,
    causes,
    event,
    replace_time,
    snapshot,
)

SLUGS = """
dropped-at-generate startup-race kill-from-inside ignored-by-program blocked-forever dropped-at-deliver traced
not-delivered
raised-again shell-form slow-handler synchronous-consumer wrong-stop-signal not-an-init nested-init survivor-frozen
survivor-uninterruptible zombie-held unreaped-zombies core-dump slow-exit oom stopped runtime-lost-exit
queue-overflow kill-all-skips-init nobody-signalled
""".split()


def test_there_is_one_module_for_each_cause() -> None:
    assert [cause.slug for cause in all_causes()] == sorted(SLUGS)


def test_each_cause_is_in_the_documentation() -> None:
    page = (Path(__file__).parents[3] / "docs" / "postmortem.md").read_text()
    assert [slug for slug in SLUGS if f"| `{slug}` |" not in page] == []


def test_a_cause_that_another_replaces_exists() -> None:
    assert {name for cause in all_causes() for name in cause.instead_of} <= set(SLUGS)


def test_a_reload_that_is_handled_is_nobodys_wish_to_stop_it() -> None:
    facts = {"signal": 1, "disposition": "handler", "target_pid": 4242}
    reload = [event(1, result=0, **facts), event(1, stage="deliver", result=-1, **facts)]
    assert causes([*reload, event(900, signal=17, disposition="default")]) == ["nobody-signalled"]


def test_a_handler_has_the_time_that_docker_gives_before_it_is_called_slow() -> None:
    facts = {"signal": 15, "disposition": "handler"}
    asked = [event(1, result=0, **facts), event(1, stage="deliver", result=-1, **facts)]
    assert causes(asked, since=START, until=START + 9 * SECOND) == []
    assert causes(asked, since=START, until=START + 12 * SECOND) == ["slow-handler"]


def test_a_handler_that_was_given_no_time_is_only_possibly_slow() -> None:
    facts = {"signal": 15, "disposition": "handler"}
    asked = [event(1, result=0, **facts), event(1, stage="deliver", result=-1, **facts)]
    for grace, severity in ((0.1, "notice"), (10, "error")):
        end = [replace_time(KILL, 1 + grace), replace_time(KILLED, 1 + grace)]
        report = diagnose(case([*asked, *end]))
        assert [(f.cause, f.severity) for f in report.findings] == [("slow-handler", severity)]


def test_a_window_change_is_no_wrong_stop_signal_unless_a_kill_follows() -> None:
    winch = event(1, signal=28)
    taking_term = snapshot(1.5, {"caught": f"{1 << 14:016x}"})
    assert causes([winch], taking_term) == ["nobody-signalled"]
    assert causes([winch, KILL, KILLED], taking_term) == ["wrong-stop-signal"]


def test_what_is_left_a_moment_after_the_exit_is_no_survivor_yet() -> None:
    zombie = {"state": "Z", "exiting": True, "parent_outside": True}
    early, late = (snapshot(at, {"state": "S", "exiting": True}, zombie) for at in (11.05, 12))
    assert causes([KILL, KILLED], early) == []
    assert causes([KILL, KILLED], late) == ["zombie-held"]


def test_a_slow_exit_is_told_by_its_stack() -> None:
    unmapping = {"state": "D", "exiting": True, "stack": "exit_mmap mmput exit_mm do_exit", "rss_kib": 4096}
    waiting = {"exiting": True, "stack": "do_wait kernel_wait4 zap_pid_ns_processes do_exit"}
    assert causes([KILL, KILLED], snapshot(13, waiting, unmapping)) == ["slow-exit"]


def test_all_that_wait_for_memory_are_told_from_the_cgroup() -> None:
    assert causes([], snapshot(1, {}, under_oom=True, oom_kills=0), live=True) == [
        "oom",
        "dropped-at-generate",
    ]


def test_a_kill_by_the_kernel_is_for_want_of_memory_only_if_the_cgroup_counts_one() -> None:
    by_kernel = event(11, signal=9, result=0, relation="kernel", code=128, sender_pid=0)
    exit = event(11, stage="exit", signal=0, exit_code=9)
    assert causes([by_kernel, exit], snapshot(0.5, {}, oom_kills=0)) == []
    assert causes([by_kernel, exit], snapshot(0.5, {}, oom_kills=1)) == ["oom"]


def test_a_reboot_in_a_cgroup_that_counts_a_kill_is_not_for_want_of_memory() -> None:
    facts = {"signal": 9, "result": 0, "relation": "kernel", "code": 128, "sender_pid": 0}
    facts |= {"flags": ("unkillable", "init"), "context_pid": 4250, "context_nsid": NSID}
    asked = event(1, result=0, disposition="handler")
    done = case(
        [asked, event(2, **facts), replace_time(KILLED, 2)],
        snapshot(0.5, {}, oom_kills=1),
        has_members=True,
        since=START,
    )
    assert diagnose(done).findings == ()


def test_a_recording_of_inits_has_the_count_of_kills_for_want_of_memory_only() -> None:
    exit = event(11, stage="exit", signal=0, exit_code=1 << 8)
    report = diagnose(case([exit], snapshot(0.5, {}, oom_kills=1)))
    assert [(f.cause, f.severity, f.confidence) for f in report.findings] == [("oom", "warning", "possible")]
    everybody = {"since": START, "until": START + 12 * SECOND, "has_members": True}
    assert causes([exit], snapshot(0.5, {}, oom_kills=1), **everybody) == []


def reload(at: float, **changes: Any) -> list[npt.NDArray[np.void]]:
    """SIGHUP, and its handler runs; or another signal."""
    facts = {"signal": 1, "disposition": "handler"} | changes
    return [event(at, result=0, **facts), event(at + 0.0001, stage="deliver", result=-1, **facts)]


@pytest.mark.parametrize("signal", [1, 2, 10, 12])
def test_what_was_handled_long_before_a_stop_is_not_called_slow(signal: int) -> None:
    stop = [event(130), replace_time(KILL, 131), replace_time(KILLED, 131)]
    assert causes([*reload(1, signal=signal), *stop]) == ["dropped-at-generate"]
    taking_term = snapshot(130.5, {"caught": f"{1 << 14 | 1 << signal - 1:016x}"})
    assert causes([*reload(1, signal=signal), *stop], taking_term) == ["startup-race"]


@pytest.mark.parametrize("signal", [1, 2, 10])
def test_what_was_handled_right_before_the_same_askers_sigkill_was_to_end_it(signal: int) -> None:
    asked = [*reload(1, signal=signal), KILL, KILLED]
    assert [e.signal for e in case(asked).requests] == [signal, 9]
    assert causes(asked, snapshot(2, {"caught": f"{1 << 14 | 1 << signal - 1:016x}"})) != []
    late = [*reload(1, signal=12), replace_time(KILL, 131), replace_time(KILLED, 131)]
    assert [e.signal for e in case(late).requests] == [9]
    other = [*reload(1, signal=12, sender_comm=b"logrotate"), KILL, KILLED]
    assert [e.signal for e in case(other).requests] == [9]


def test_a_killall_inside_that_hits_the_init_in_vain_is_no_kill_1() -> None:
    member = {
        "target_ns_pid": 5,
        "flags": (),
        "signal": 9,
        "result": 0,
        "relation": "same",
        "sender_nsid": NSID,
    }
    hits = [event(1, target_pid=pid, **member) for pid in (5001, 5002)]
    futile = event(1, signal=9, relation="same", sender_nsid=NSID)
    assert causes([futile, *hits]) == ["kill-from-inside"]


def test_a_signal_whose_thread_was_just_woken_for_it_is_not_called_blocked_for_ever() -> None:
    sent = event(1, result=0, flags=("unkillable", "init", "blocked"))
    waiting = {"blocked": f"{1 << 14:016x}", "shared_pending": f"{1 << 14:016x}"}
    woken = snapshot(1.001, waiting | {"state": "R"})
    assert "blocked-forever" not in causes([sent], woken)
    assert "blocked-forever" in causes([sent], woken + snapshot(2, waiting | {"state": "R"}))
    assert "blocked-forever" in causes([sent], snapshot(1.001, waiting))


@pytest.mark.parametrize(
    ("ends", "kill", "told"),
    [
        (None, None, "it did not end: it ignores"),
        (3, None, None),  # for another reason, but soon enough
        (15, None, "it did not end until 14 s later: it ignores"),
        (11, 11, "it did not end until 10 s later: it ignores"),
    ],
)
def test_a_member_that_ended_after_all_is_not_said_to_be_there(
    ends: float | None, kill: float | None, told: str | None
) -> None:
    member: dict[str, Any] = {"target_ns_pid": 5, "target_pid": 5001, "flags": (), "target_start": START + 1}
    records = [event(1, disposition="ignore", **member)]
    records += [event(kill, signal=9, result=0, **member)] if kill else []
    records += [event(ends, stage="exit", signal=0, result=-1, **member)] if ends else []
    findings = diagnose(case(records)).findings
    assert [each.cause for each in findings] == (["not-an-init"] if told else [])
    assert all(told and told in each.summary for each in findings)


QUEUED = {"result": 0, "disposition": "handler"}


def test_what_was_queued_and_never_delivered_met_a_process_that_did_not_run() -> None:
    asked = event(1, **QUEUED)
    asleep = {
        "state": "D",
        "wchan": "request_wait_answer",
        "stack": "request_wait_answer fuse_simple_request",
    }
    assert causes([asked, KILL, KILLED]) == ["not-delivered"]
    (finding,) = diagnose(case([asked, KILL, KILLED], snapshot(2, asleep))).findings
    assert (finding.cause, finding.confidence) == ("not-delivered", "certain")
    assert "slept uninterruptibly in request_wait_answer" in finding.summary
    assert causes([asked, replace_time(KILL, 1.5), replace_time(KILLED, 1.5)], snapshot(1.2, asleep)) == []
    assert causes([asked, event(900, signal=17)], since=START, until=START + 9 * SECOND) == []


@pytest.mark.parametrize(
    ("state", "cause"), [({"state": "T"}, "stopped"), ({"state": "D", "frozen": "v1"}, "survivor-frozen")]
)
def test_a_process_that_is_stopped_or_frozen_is_that_and_nothing_else(
    state: dict[str, Any], cause: str
) -> None:
    asked = event(1, **QUEUED)
    assert causes([asked, KILL, KILLED], snapshot(2, state)) == [cause]
