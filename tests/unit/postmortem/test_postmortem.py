"""Checks on facts made by hand: what they say, what they keep silent about, and that one that breaks is alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from sigtrace.events.batch import Batch
from sigtrace.events.nskey import NsKey
from sigtrace.postmortem import Case, Cause, Finding, all_causes, diagnose
from sigtrace.postmortem.ranking import rank
from sigtrace.postmortem.timeline import story
from sigtrace.snapshot.columns import Row
from tests.builders.cases import (
    DROP,
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
shell-form slow-handler synchronous-consumer wrong-stop-signal not-an-init nested-init survivor-frozen
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


def test_a_check_that_fails_is_reported_and_the_rest_go_on() -> None:
    def broken(case: Case) -> list[Finding]:
        raise ZeroDivisionError("oh")

    checks = [Cause("broken", "nothing", broken), *all_causes()]
    report = diagnose(case([DROP, KILL, KILLED]), checks)
    assert [(cause.slug, error) for cause, error in report.failed] == [("broken", "ZeroDivisionError: oh")]
    assert [finding.cause for finding in report.findings] == ["dropped-at-generate"]


def test_a_check_is_not_run_without_what_it_needs() -> None:
    report = diagnose(case([], snapshot(1, {"caught": f"{1 << 14:016x}"}), live=True))
    unchecked = {cause.slug: why for cause, why in report.unchecked}
    assert unchecked["nobody-signalled"] == "nothing is known of the time before"
    assert unchecked["kill-from-inside"] == "no signals were recorded"
    assert "survivor-frozen" not in unchecked
    assert report.findings == ()


def test_a_cause_that_explains_more_takes_the_place_of_another_but_not_for_other_events() -> None:
    handled = event(2, signal=15, result=0, disposition="handler")
    other = event(3, signal=2)
    assert causes([DROP, handled]) == ["startup-race"]
    assert causes([DROP, handled, other]) == ["dropped-at-generate", "startup-race"]


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


def test_a_shell_that_was_just_forking_is_told_as_a_shell() -> None:
    sent = event(1, result=0, flags=("unkillable", "init", "blocked"), target_comm=b"sh")
    late = event(1.0001, stage="deliver", result=-1, target_comm=b"sh")
    shell = snapshot(1.001, {"comm": "sh"}, {"comm": "sleep"})
    assert causes([sent, late, KILL, KILLED], shell) == ["shell-form"]
    assert causes([sent, late, KILL, KILLED], snapshot(1.001, {"comm": "sh"})) == ["dropped-at-deliver"]


def test_a_shell_that_would_end_by_sigterm_is_told_to_be_sent_another_signal() -> None:
    power = event(1, signal=30, target_comm=b"sh")  # SIGPWR, as lxc-stop sends it
    trapping = snapshot(1.001, {"comm": "sh", "caught": f"{1 << 14:016x}"}, {"comm": "sleep"})
    assert causes([power, KILL, KILLED], trapping) == ["wrong-stop-signal"]
    plain = snapshot(1.001, {"comm": "sh"}, {"comm": "sleep"})
    assert causes([power, KILL, KILLED], plain) == ["shell-form"]


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


def test_of_namespaces_with_the_same_inode_the_last_counts_or_the_one_that_is_meant() -> None:
    later = {"ns_start": 500 * SECOND, "target_start": 500 * SECOND, "target_pid": 5000, "time": 501 * SECOND}
    second = event(0, **later | {"signal": 2})
    records = [DROP, KILL, KILLED, second]
    assert [e.signal_name for e in case(records).requests] == ["SIGINT"]
    first = case(records, since=1, ns_start=START)
    assert [e.signal_name for e in first.requests] == ["SIGTERM", "SIGKILL"]


def test_a_signal_to_a_dying_init_is_no_request() -> None:
    dying = event(11.1, flags=("unkillable", "init", "group", "exiting"))
    assert len(case([KILL, KILLED, dying]).requests) == 1


def test_the_story_tells_the_stop_from_the_first_signal_to_the_exit() -> None:
    told = [(entry.text, *entry.detail) for entry in story(case([DROP, event(2), KILL, KILLED]))]
    assert told == [
        (
            "SIGTERM from runc[77], 2 times",
            "DROPPED: the init has no handler for it: discarded as it was sent",
            "the last time 1.00 s later",
        ),
        (
            "asked to stop by runc[77]",
            "SIGTERM, then SIGKILL after a grace period of 9.00 s",
            "first asked 1.00 s before, by SIGTERM from runc[77]",
        ),
        ("SIGKILL from runc[77]", "queued, and obeyed"),
        (
            "app[4242] killed by SIGKILL",
            "9.00 s after that SIGTERM, 10.00 s after the first signal that asked it to",
        ),
    ]


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
    told = [entry.text for entry in story(standing.report.case)]
    assert not [text for text in told if "stop" in text]
    assert told[0].endswith("from runc[77]")


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
    told = [entry.text for entry in story(failed)]
    assert "its runtime ended it before it ran anything: it failed to start" in told
    assert not [text for text in told if "asked" in text]


def test_a_container_that_ran_or_that_another_kills_was_asked_to_stop() -> None:
    ran = event(0.5, stage="exec", signal=0, result=-1)
    for asked in (
        half_made(b"runc", b"runc", ran),
        half_made(b"python3", b"python3"),
        half_made(b"runc:[2:INIT]", b"bash"),
    ):
        assert [standing.outcome for standing in rank([asked])] == ["killed after 1.0 ms"]


def test_namespaces_are_listed_by_how_stuck_they_were() -> None:
    calm = case([event(1, stage="exit", signal=0)])
    short, long = case([DROP, replace_time(KILL, 3), replace_time(KILLED, 3)]), case([DROP, KILL, KILLED])
    standings = rank([calm, short, long])
    assert [(s.signal, s.outcome) for s in standings] == [
        ("TERM", "killed after 10.00 s"),
        ("TERM", "killed after 2.00 s"),
        ("-", "ended by itself"),
    ]


def test_hostile_names_reach_no_terminal() -> None:
    nasty = event(1, target_comm=b"\x1b[2J\xff", sender_comm=b"a\nb")
    report = diagnose(case([nasty, KILL, KILLED]))
    said = report.findings[0].summary + "".join(report.findings[0].evidence)
    assert "\x1b" not in said
    assert "\n" not in said


def test_a_signal_whose_thread_was_just_woken_for_it_is_not_called_blocked_for_ever() -> None:
    sent = event(1, result=0, flags=("unkillable", "init", "blocked"))
    waiting = {"blocked": f"{1 << 14:016x}", "shared_pending": f"{1 << 14:016x}"}
    woken = snapshot(1.001, waiting | {"state": "R"})
    assert "blocked-forever" not in causes([sent], woken)
    assert "blocked-forever" in causes([sent], woken + snapshot(2, waiting | {"state": "R"}))
    assert "blocked-forever" in causes([sent], snapshot(1.001, waiting))


CAUGHT = f"{1 << 14:016x}"
IN_THE_BACKGROUND = f"{1 << 1 | 1 << 2:016x}"


def trapping(
    at: float, child: str = f"{0:016x}", shell: str = f"{0:016x}", wchan: str = "do_wait"
) -> list[Row]:
    """A shell with a trap for SIGTERM that waits for a child; with these masks of ignored signals."""
    waiting = {"comm": "sh", "caught": CAUGHT, "ignored": shell, "wchan": wchan}
    return snapshot(at, waiting, {"comm": "sleep", "ignored": child})


def test_a_shell_whose_trap_waits_is_told_live_though_nobody_saw_the_signal() -> None:
    report = diagnose(
        case([], trapping(14) + trapping(15), live=True, since=START, until=START + 15 * SECOND)
    )
    assert [(f.cause, f.confidence) for f in report.findings] == [("shell-form", "possible")]
    assert "runs its trap for SIGTERM only when that has ended" in report.findings[0].summary
    assert "sleep[4243]" in report.findings[0].summary


@pytest.mark.parametrize(
    "rows", [trapping(14, IN_THE_BACKGROUND), trapping(14, wchan="__do_sys_rt_sigsuspend")]
)
def test_a_shell_that_waits_for_the_background_takes_its_trap_at_once(rows: list[Row]) -> None:
    assert causes([], rows, live=True, since=START, until=START + 15 * SECOND) == []


def test_a_script_that_a_shell_runs_is_a_shell_whatever_its_name() -> None:
    script = {"comm": "entrypoint.sh", "cmdline": "/bin/sh /entrypoint.sh"}
    assert causes([event(1, target_comm=b"entrypoint.sh")], snapshot(2, script, {"comm": "sleep"})) == [
        "shell-form"
    ]
    program = script | {"cmdline": "/usr/bin/python3 /entrypoint.sh"}
    found = causes([event(1, target_comm=b"entrypoint.sh")], snapshot(2, program, {"comm": "sleep"}))
    assert found == ["dropped-at-generate"]


def test_a_shell_that_was_started_in_the_background_itself_is_suspected_all_the_same() -> None:
    rows = trapping(14, IN_THE_BACKGROUND, IN_THE_BACKGROUND)
    assert causes([], rows, live=True, since=START, until=START + 15 * SECOND) == ["shell-form"]


def test_a_shell_whose_trap_waits_is_told_before_it_counts_as_slow() -> None:
    facts = {"signal": 15, "disposition": "handler", "target_comm": b"sh"}
    asked = [event(1, result=0, **facts), event(1, stage="deliver", result=-1, **facts)]
    report = diagnose(case(asked, trapping(2), since=START, until=START + 4 * SECOND))
    assert [(f.cause, f.confidence) for f in report.findings] == [("shell-form", "possible")]
    assert causes(asked, trapping(2, IN_THE_BACKGROUND), since=START, until=START + 4 * SECOND) == []
    ended = event(1.1, stage="exit", signal=0, target_comm=b"sh")
    assert causes([*asked, ended], trapping(1.05), since=START, until=START + 4 * SECOND) == []
    late = diagnose(case(asked, trapping(2), since=START, until=START + 12 * SECOND))
    assert [(f.cause, f.confidence) for f in late.findings] == [("shell-form", "certain")]


def unchecked(records: Sequence[npt.NDArray[np.void]], **scene: Any) -> dict[str, str]:
    report = diagnose(case(records, snapshot(2, {"caught": CAUGHT}), **scene))
    return {cause.slug: why for cause, why in report.unchecked}


def test_what_only_time_can_tell_is_not_ruled_out_before() -> None:
    facts = {"signal": 15, "disposition": "handler"}
    asked = [event(1, result=0, **facts), event(1, stage="deliver", result=-1, **facts)]
    early = unchecked(asked, since=START, until=START + 4 * SECOND)
    waiting = ("slow-handler", "synchronous-consumer", "shell-form")
    assert {early.get(slug) for slug in waiting} == {"it is too early to tell"}
    ended = event(2.5, stage="exit", signal=0)
    assert not unchecked([*asked, ended], since=START, until=START + 4 * SECOND).keys() & set(waiting)


def test_what_was_before_a_live_look_is_not_ruled_out() -> None:
    live = unchecked([], live=True, since=START, until=START + 3 * SECOND)
    for slug in ("slow-handler", "kill-from-inside", "startup-race"):
        assert live[slug] == "nothing is known of the time before"
    assert "survivor-frozen" not in live


def test_live_nobody_knows_whether_it_was_asked() -> None:
    rows = snapshot(2, {"caught": CAUGHT})
    (live,) = rank([case([], rows, live=True)])
    assert (live.signal, live.outcome) == ("?", "not known")
    (recorded,) = rank([case([event(1, stage="exec", signal=0)], rows)])
    assert (recorded.signal, recorded.outcome) == ("-", "not asked")


def test_the_story_has_the_first_and_the_last_of_snapshots_that_are_the_same() -> None:
    rows = [each for at in (1, 2, 3, 4) for each in snapshot(at, {"state": "S" if at < 4 else "D"})]
    told = [(entry.text, *entry.detail) for entry in story(case([], rows, live=True))]
    asleep, stuck = "1 task; init in state S", "1 task; init in state D"
    assert told == [
        ("snapshot (on request)", asleep),
        ("snapshot (on request)", "the same; 1 in between too"),
        ("snapshot (on request)", stuck),
    ]


def test_a_finding_has_the_moment_its_episode_began() -> None:
    (row,) = diagnose(case([DROP, event(2), KILL, KILLED])).rows()
    assert row["time"] == "1970-01-01T00:01:41.000000Z"
    (live,) = diagnose(case([], snapshot(1, {}), live=True)).rows()
    assert (live["cause"], live["time"]) == ("dropped-at-generate", None)


NESTED = {"nsid": NSID + 1, "ns_level": 2, "target_comm": b"inner"}


def test_what_happened_before_a_namespace_was_born_is_none_of_its() -> None:
    unrelated = event(0, **NESTED | {"time": START - 4 * SECOND, "ns_start": 7 * SECOND, "signal": 3})
    inside = event(2, **NESTED | {"ns_start": START + SECOND})
    its = case([unrelated, event(1, signal=17), inside])
    assert [e.number for e in its.to_others] == [1]
    assert causes([unrelated, event(1, signal=17)]) == ["nobody-signalled"]
    assert "nested-init" in causes([event(1, signal=17), inside])


@pytest.mark.parametrize(
    "foreign",
    [
        {"ns_start": START - SECOND},  # born before, though it was signalled meanwhile
        {"ns_start": START + 20 * SECOND},  # born after its init had gone
        {"ns_start": START + SECOND, "ns_level": 1},  # beside it
    ],
    ids=str,
)
def test_a_namespace_that_was_not_born_inside_is_none_of_its(foreign: dict[str, Any]) -> None:
    its = case([DROP, event(2, **NESTED | foreign), KILL, KILLED, event(21, **NESTED | foreign)])
    assert its.to_others == ()
    assert len(its.batch) == 3


def test_a_case_is_of_the_namespace_that_is_meant() -> None:
    later = {"ns_start": 500 * SECOND, "target_start": 500 * SECOND, "target_pid": 5000, "time": 501 * SECOND}
    records = [DROP, KILL, KILLED, event(0, **later)]
    batch = Batch(np.concatenate(records), 0, "host")
    first = Case.from_batch(batch, ns=NsKey.of(NSID, START))
    last = Case.from_batch(batch, ns=NSID)
    assert (first.key, len(first.batch)) == (NsKey.of(NSID, START), 3)
    assert (last.key, len(last.batch)) == (NsKey.of(NSID, 500 * SECOND), 1)
