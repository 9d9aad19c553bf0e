"""Running checks: one that breaks is alone, and what could not be looked at is not ruled out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from sigtrace.postmortem import Case, Cause, Finding, all_causes, diagnose
from tests.builders.cases import (
    CAUGHT,
    DROP,
    KILL,
    KILLED,
    NSID,
    SECOND,
    START,
    case,
    causes,
    event,
    snapshot,
)


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


def test_hostile_names_reach_no_terminal() -> None:
    nasty = event(1, target_comm=b"\x1b[2J\xff", sender_comm=b"a\nb")
    report = diagnose(case([nasty, KILL, KILLED]))
    said = report.findings[0].summary + "".join(report.findings[0].evidence)
    assert "\x1b" not in said
    assert "\n" not in said


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


def test_a_finding_has_the_moment_its_episode_began() -> None:
    (row,) = diagnose(case([DROP, event(2), KILL, KILLED])).rows()
    assert row["time"] == "1970-01-01T00:01:41.000000Z"
    (live,) = diagnose(case([], snapshot(1, {}), live=True)).rows()
    assert (live["cause"], live["time"]) == ("dropped-at-generate", None)


def test_a_finding_about_events_that_are_too_many_to_be_kept_has_their_moment() -> None:
    member = {"target_ns_pid": 9, "flags": (), "relation": "same", "sender_nsid": NSID}
    one = {**member, "target_pid": 6000, "sender_pid": 78}
    before = [event(0.5, signal=9, result=0, **one)] * 20
    gone = event(0.6, stage="exit", signal=0, result=-1, **one)
    burst = [event(1 + n / 1000, signal=9, result=0, target_pid=5001 + n, **member) for n in range(40)]
    there = case([*before, gone, *burst])
    assert 21 not in [each.number for each in there.events]
    assert [(row["cause"], row["time"]) for row in diagnose(there).rows()] == [
        ("kill-all-skips-init", "1970-01-01T00:01:41.000000Z")
    ]
