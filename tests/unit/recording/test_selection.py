"""What users mean by the words that choose a part of a recording, and what is said of words that mean nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import sigtrace
from sigtrace.clock import TICK_NS
from sigtrace.errors import BadInput
from sigtrace.events.container import Container
from sigtrace.events.nskey import HostNs, NsKey
from sigtrace.events.verdict import CODE
from sigtrace.procfs import pidns
from sigtrace.procfs.namespaces import PidNamespace, Survey
from sigtrace.recording import namespace_rows, schema
from sigtrace.recording.namespaces import Namespaces
from sigtrace.recording.selection import Selection, named
from tests.builders.recordings import UTC, Made, made
from tests.builders.records import record
from tests.builders.stories import HOST_NS, INIT, MEMBER, SECOND, WEB, recorded

BOOT = ("web-1", "b" * 32)
REUSED, INSIDE, LOST = 4026532249, 4026532300, 4026532400
FIRST, LAST = HostNs(*BOOT, NsKey(REUSED, 500)), HostNs(*BOOT, NsKey(REUSED, 900))
BELOW, EVENTS_ONLY = HostNs(*BOOT, NsKey(INSIDE, 600)), HostNs(*BOOT, NsKey(LOST, 700))


@pytest.fixture
def spaces(tmp_path: Path) -> Namespaces:
    """web-1 with a namespace in it; another that had its inode later; and one that only events know."""
    later = {"nsid": REUSED, "ns_start": 9 * SECOND, "init_pid": 5151, "born": UTC + 9 * SECOND}
    below = {"nsid": INSIDE, "ns_start": 6 * SECOND, "parent_nsid": REUSED, "born": UTC + 6 * SECOND}
    lost = record(**INIT | {"nsid": LOST, "ns_start": 7 * SECOND, "target_pid": 99}, time=8 * SECOND)
    return sigtrace.open(recorded(tmp_path / "r", [lost], WEB, later, below)).spaces


def chosen(spaces: Namespaces, **only: Any) -> tuple[set[int], set[object]]:
    found = Selection.of(**only).filter(lambda: spaces)
    return set(found.inodes), set(found.namespaces)


def test_without_words_no_namespace_is_looked_at() -> None:
    def not_asked() -> Namespaces:
        pytest.fail("it looked")

    found = Selection.of(signal=["TERM", 9], verdict="dropped", since=UTC, until=UTC + 5).filter(not_asked)
    assert (found.signal, found.since, found.until) == ((15, 9), UTC, UTC + 5)
    assert set(found.verdict) == {CODE["dropped_at_generate"], CODE["dropped_at_deliver"]}
    assert not found.by_namespace
    by_key = Selection.of(ns=[REUSED, (REUSED, 5 * SECOND), NsKey(7, 1)]).filter(not_asked)
    assert (by_key.inodes, set(by_key.namespaces)) == ({REUSED}, {FIRST.key, NsKey(7, 1)})


def test_an_inode_stands_for_all_that_had_it_and_a_pid_for_the_one_whose_init_it_was(
    spaces: Namespaces,
) -> None:
    assert chosen(spaces, ns=REUSED) == ({REUSED}, set())
    assert chosen(spaces, ns=str(REUSED)) == ({REUSED}, {FIRST, LAST})
    assert chosen(spaces, ns=f"pid:[{REUSED}]") == ({REUSED}, {FIRST, LAST})
    assert chosen(spaces, ns="5151") == (set(), {LAST})


def test_one_that_only_events_know_is_meant_by_its_inode_and_by_its_init(spaces: Namespaces) -> None:
    assert chosen(spaces, ns=str(LOST)) == ({LOST}, {EVENTS_ONLY})
    assert chosen(spaces, ns="99") == (set(), {EVENTS_ONLY})


def test_a_container_is_the_namespaces_that_it_had_and_below_it_what_was_made_there(
    spaces: Namespaces,
) -> None:
    assert chosen(spaces, container="web-1") == (set(), {FIRST})
    assert chosen(spaces, container="abab", descendants=True) == (set(), {FIRST, BELOW})
    assert chosen(spaces, ns=[(REUSED, 9 * SECOND)], descendants=True) == (set(), {LAST.key})


def test_a_path_means_the_one_that_lives_now(spaces: Namespaces, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pidns, "nsid_of_path", lambda path: REUSED)
    shown = 900 - NsKey.from_proc(REUSED, 0).start  # the start of the last, as /proc would show it here
    living = Survey((PidNamespace(REUSED, 1, HOST_NS, 5151, shown),), 1, 0, False)
    monkeypatch.setattr(pidns, "survey", lambda: living)
    assert [each.home for each in named(spaces, "/run/ns")] == [LAST]
    monkeypatch.setattr(pidns, "survey", lambda: Survey((), 0, 0, False))
    assert [each.home for each in named(spaces, "/run/ns")] == [FIRST, LAST]


@pytest.mark.parametrize(
    ("only", "says"),
    [
        ({"ns": "4026539999"}, "the recording has no PID namespace '4026539999': it has"),
        ({"ns": "7"}, "the recording has no PID namespace '7': it has"),
        ({"ns": "mnt:[4026531841]"}, r"mnt:\[4026531841\] is .*, not a PID namespace: it has"),
        ({"container": "web-2"}, "no container in the recording is called 'web-2': did you mean web-1"),
        ({"descendants": True}, "--descendants goes with --ns, --container or --pod"),
        ({"descendants": True, "signal": 15}, "--descendants goes with --ns, --container or --pod"),
        ({"verdict": "droped"}, "'droped' is not a verdict: did you mean dropped"),
        ({"verdict": "x"}, "'x' is not a verdict: there are "),
        ({"signal": "NOPE"}, "NOPE"),
        ({"since": "noon"}, "'noon' is not a time"),
    ],
    ids=str,
)
def test_words_that_mean_nothing_are_refused_in_a_sentence(
    only: dict[str, Any], says: str, spaces: Namespaces
) -> None:
    with pytest.raises(BadInput, match=says):
        Selection.of(**only).filter(lambda: spaces)


def test_of_many_namespaces_a_refusal_lists_a_few(tmp_path: Path) -> None:
    rows = [{"nsid": 4026532000 + n, "ns_start": n * TICK_NS} for n in range(20)]
    spaces = sigtrace.open(recorded(tmp_path / "r", [record(**MEMBER, time=1)], *rows)).spaces
    with pytest.raises(BadInput) as refused:
        named(spaces, "7")
    assert str(refused.value).count("40265") == 8
    assert str(refused.value).endswith(f" and {len(spaces.inodes()) - 8} more")


@pytest.mark.parametrize(
    ("only", "timed", "everywhere"),
    [
        ({}, False, True),
        ({"until": 5}, True, True),
        ({"since": 0}, True, True),
        ({"ns": 7}, False, False),
        ({"pod": "shop/web"}, False, False),
        ({"signal": 9}, False, True),
    ],
)
def test_it_knows_whether_it_is_a_part_of_the_time_or_of_the_namespaces(
    only: dict[str, Any], timed: bool, everywhere: bool
) -> None:
    selection = Selection.of(**only)
    assert (selection.timed, selection.everywhere) == (timed, everywhere)


def test_a_reused_inode_is_told_apart_by_the_start_of_its_init(tmp_path: Path) -> None:
    starts = (500 * TICK_NS, 900 * TICK_NS)
    made(tmp_path, *(record(time=place, nsid=7, ns_start=start) for place, start in enumerate(starts)))
    opened = sigtrace.open(tmp_path)
    assert len(opened.events(ns=7)) == 2
    assert opened.batch(ns=[(7, starts[1])]).records["time"].tolist() == [1]


def test_below_a_container_is_not_what_was_below_another_user_of_its_inode(tmp_path: Path) -> None:
    recording = Made(tmp_path)
    reused = 4026532007
    nsids = (
        (reused, 500, 1),
        (8, 510, reused),
        (9, 520, 8),
        (reused, 900, 1),
        (6, 910, reused),
    )  # inode, start, parent
    rows = [
        {"time": 1, "nsid": nsid, "ns_start": start * TICK_NS, "parent_nsid": above, "ns_level": None}
        for nsid, start, above in nsids
    ]
    web = Container("ab" * 32, "web-1", "docker")
    rows += namespace_rows.named(3, [(NsKey(reused, 500), web)])
    recording.writer.rows("namespaces", schema.NAMESPACES, rows)
    recording.close()
    opened = sigtrace.open(tmp_path)
    found = opened.filter(container="web-1", descendants=True)
    assert (set(found.keys), found.inodes) == ({(reused, 500), (8, 510), (9, 520)}, frozenset())
    found = opened.filter(ns=str(reused), descendants=True)
    assert set(found.keys) == {(reused, 500), (reused, 900), (8, 510), (9, 520), (6, 910)}
    assert found.inodes == {reused}
