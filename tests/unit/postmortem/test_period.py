"""States that snapshots show: from when to when, and when something else shows that they are over."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sigtrace.postmortem import Finding, diagnose
from sigtrace.postmortem.checks import weight
from sigtrace.postmortem.period import Period, all_exit, seen, subject_exits, subject_goes_on
from sigtrace.postmortem.snapshot import Snapshot
from tests.builders.cases import CAUGHT, KILL, KILLED, SECOND, START, case, event, replace_time, snapshot

HANDLED: dict[str, Any] = {"disposition": "handler", "flags": ("init",)}
FROZEN = {"frozen": "v2", "caught": CAUGHT}
ASKED = event(1, result=0, **HANDLED)
TAKEN = event(4, stage="deliver", result=-1, **HANDLED)
EXIT = event(4.5, stage="exit", signal=0, exit_code=0)


def at(seconds: float) -> int:
    return START + int(seconds * SECOND)


def is_frozen(each: Snapshot) -> bool:
    return each.init is not None and each.init.frozen != ""


@given(st.lists(st.tuples(st.booleans(), st.booleans()), max_size=8))
def test_it_is_the_last_unbroken_run_of_snapshots_and_a_later_one_ends_it(
    looks: list[tuple[bool, bool]],
) -> None:
    """looks: for each snapshot, whether the init is frozen, and whether it could not be read in full."""
    rows = [
        row
        for number, (frozen, torn) in enumerate(looks)
        for row in snapshot(number + 1, FROZEN if frozen else {}, problem="late" if torn else "")
    ]
    found = seen(case([], rows), is_frozen)
    shown = [number for number, (frozen, _) in enumerate(looks) if frozen]
    if not shown:
        assert found is None
        return
    assert found is not None
    assert found.last == at(shown[-1] + 1)
    disproved = [number for number, (frozen, torn) in enumerate(looks) if not frozen and not torn]
    before = [number for number in disproved if number < shown[-1]]
    assert found.first == at(min(n for n in shown if n > max(before, default=-1)) + 1)
    after = [number for number in disproved if number > shown[-1]]
    assert found.over == (at(after[0] + 1) if after else 0)
    assert found.past == bool(found.proof)


def test_a_snapshot_that_cannot_tell_ends_nothing() -> None:
    """Of a namespace with very many tasks, a snapshot leaves some out."""
    held = SURVIVORS["survivor-uninterruptible"]
    looks = [row for when in (12, 13) for row in snapshot(when, DYING, held)]
    all_there, too_many = snapshot(14, DYING), snapshot(14, DYING, left_out=9)
    found = [
        only("survivor-uninterruptible", diagnose(case([KILL, KILLED], looks + later)).findings)
        for later in (all_there, too_many)
    ]
    assert [each.past for each in found] == [True, False]


def test_an_event_ends_it_if_that_comes_before_the_next_snapshot() -> None:
    one = case([ASKED, TAKEN, EXIT], [*snapshot(1, FROZEN), *snapshot(9, {})])
    goes_on, exits, nothing = (
        seen(one, is_frozen, e) for e in (subject_goes_on(one), subject_exits(one), all_exit([1]))
    )
    assert goes_on is not None
    assert exits is not None
    assert nothing is not None
    assert [each.over for each in (goes_on, exits, nothing)] == [at(4), at(4.5), at(9)]
    assert "deliver SIGTERM to app[4242]" in goes_on.proof
    assert "snapshot 1 task; init in state S" in nothing.proof


def test_of_several_processes_the_last_exit_ends_it() -> None:
    ends = all_exit([5001, 5002])
    first, last = (event(n, stage="exit", signal=0, target_pid=5000 + n, flags=()) for n in (1, 2))
    events = case([first, last]).events
    assert ends(events) == events[1]
    assert ends(events[:1]) is None


@pytest.mark.parametrize(
    ("until", "over", "records", "severity"),
    [
        (2, 0, [], "error"),  # it lasts
        (2, 11, [KILL, KILLED], "error"),  # until SIGKILL
        (2, 5, [KILL, KILLED], "warning"),  # over before, but the stop hung
        (2, 4, [TAKEN, EXIT], "notice"),  # over, and the stop was quick
        (2, 12, [replace_time(TAKEN, 12), replace_time(EXIT, 12)], "warning"),  # over, and the stop was slow
        (15, 16, [TAKEN, EXIT], "warning"),  # over after more than ten seconds
    ],
)
def test_what_is_over_weighs_less_unless_it_lasted_to_the_end(
    until: float, over: float, records: list[Any], severity: str
) -> None:
    period = Period(at(1), at(until), at(over) if over else 0)
    assert weight(case([ASKED, *records]), period) == (severity, "certain")


def test_one_look_is_not_certain() -> None:
    assert weight(case([ASKED]), Period(at(1), at(1)))[1] == "likely"
    assert weight(case([ASKED]), Period(at(1), at(1.1)))[1] == "likely"
    assert weight(case([ASKED]), Period(at(1), at(2)))[1] == "certain"


ZOMBIE = {"state": "Z", "exiting": True, "parent_comm": "shim", "ppid": 99}
DYING = {"exiting": True, "stack": "do_wait kernel_wait4 zap_pid_ns_processes do_exit"}
EARLY = {"state": "S", "blocked": CAUGHT, "shared_pending": CAUGHT}
STATES: dict[str, tuple[dict[str, Any], ...]] = {
    "survivor-frozen": (FROZEN,),
    "stopped": ({"state": "T"},),
    "traced": ({"state": "t", "tracer_pid": 7, "tracer_comm": "gdb"},),
    "core-dump": ({"core_dumping": True},),
    "blocked-forever": (EARLY,),
    "oom": ({},),
}
"""What two looks show of a namespace whose init was asked to stop, by the cause."""


@pytest.mark.parametrize("slug", STATES)
def test_a_state_is_told_as_what_it_is_and_later_as_what_it_was(slug: str) -> None:
    """The program then takes the signal, and ends by itself."""
    asked = event(1, result=0, flags=("init", "blocked") if slug == "blocked-forever" else ("init",))
    looks = [row for when in (1.1, 2.1) for row in snapshot(when, *STATES[slug], under_oom=slug == "oom")]
    now, once, then = (
        only(slug, diagnose(case([asked, *more], rows)).findings)
        for more, rows in (([], looks), ([], looks[:2]), ([EXIT], looks))
    )
    assert (now.past, then.past) == (False, True)
    assert then.severity == "notice"
    assert once.confidence != "certain"
    assert [word for word in (" is ", " has ", "wait ") if word in now.summary]
    assert [word for word in (" was ", " did ", "waited ") if word in then.summary]
    assert any("exit app[4242]" in line for line in then.evidence)
    assert now.as_dict()["past"] is False


SURVIVORS: dict[str, dict[str, Any]] = {
    "survivor-frozen": {"frozen": "v1"},
    "survivor-uninterruptible": {"state": "D"},
    "zombie-held": {"state": "Z", "exiting": True, "parent_outside": True},
    "traced": {"state": "t", "tracer_pid": 7, "tracer_comm": "gdb"},
    "slow-exit": {"stack": "exit_mmap mmput exit_mm do_exit", "exiting": True},
}
"""What two looks show of a process that outlives its init, by the cause."""


@pytest.mark.parametrize("slug", SURVIVORS)
def test_what_kept_a_namespace_from_ending_is_past_once_it_has_ended(slug: str) -> None:
    looks = [row for when in (12, 13) for row in snapshot(when, DYING, SURVIVORS[slug])]
    gone = snapshot(14)
    now, once, then = (
        only(slug, diagnose(case([KILL, KILLED], rows)).findings) for rows in (looks, looks[3:], looks + gone)
    )
    assert (now.past, then.past, then.severity) == (False, True, "notice")
    assert once.confidence == "likely"
    assert then.evidence[-1].endswith("snapshot nobody is left") or slug in (
        "slow-exit",
        "survivor-uninterruptible",
    )
    if slug != "slow-exit":
        assert now.summary.startswith("The namespace cannot end: ")
        assert then.summary.startswith("The namespace could not end while ")
        assert now.advice != then.advice


def test_what_still_keeps_a_namespace_comes_before_what_explains_the_request() -> None:
    asked = event(1)
    looks = [row for when in (12, 13) for row in snapshot(when, DYING, SURVIVORS["zombie-held"])]
    rows: list[Any] = [*looks]
    slugs = [each.cause for each in diagnose(case([asked, KILL, KILLED], rows)).findings]
    assert slugs == ["zombie-held", "dropped-at-generate"]
    slugs = [each.cause for each in diagnose(case([asked, KILL, KILLED], rows + snapshot(14))).findings]
    assert slugs == ["dropped-at-generate", "zombie-held"]


def test_an_exit_that_was_noticed_late_is_no_trouble() -> None:
    looks = [row for when in (4.6, 5.6) for row in snapshot(when, ZOMBIE)]
    records = [ASKED, TAKEN, EXIT]
    now, then = (
        only("runtime-lost-exit", diagnose(case(records, rows)).findings)
        for rows in (looks, looks + snapshot(6.6))
    )
    assert (now.severity, now.confidence, now.past) == ("error", "certain", False)
    assert (then.severity, then.past) == ("notice", True)


def only(slug: str, findings: tuple[Finding, ...]) -> Finding:
    """The finding of this cause."""
    (found,) = (each for each in findings if each.cause == slug)
    return found
