"""The namespaces of a recording: who had an inode when, what was below what, and those that only events know."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import sigtrace
from sigtrace.clock import TICK_NS
from sigtrace.errors import BadInput
from sigtrace.events.nskey import HostNs, NsKey
from sigtrace.recording.namespaces import Namespaces, RecordedNs
from tests.builders.recordings import UTC, Made
from tests.builders.records import record
from tests.builders.stories import INIT, MEMBER, NSID, SECOND, recorded

BOOT = ("web-1", "b" * 32)
REUSED, A, B, C = 4026532007, 8, 9, 6


def home(inode: int, start: int) -> HostNs:
    return HostNs(*BOOT, NsKey(inode, start))


def space(nsid: int, start: int, above: int | None, **facts: Any) -> dict[str, Any]:
    """A row of the namespaces table; start: in clock ticks."""
    born = UTC + start * TICK_NS
    return {"nsid": nsid, "ns_start": start * TICK_NS, "parent_nsid": above, "born": born, **facts}


@pytest.fixture
def spaces(tmp_path: Path) -> Namespaces:
    """REUSED has A in it, which has B; then another has its inode, with C in it."""
    rows = [
        *(space(REUSED, 500, 1), space(A, 510, REUSED), space(B, 520, A)),
        *(space(REUSED, 900, 1), space(C, 910, REUSED)),
    ]
    return sigtrace.open(recorded(tmp_path / "r", [record(time=1)], *rows)).spaces


def test_below_is_all_that_was_made_in_it_and_in_that(spaces: Namespaces) -> None:
    assert spaces.below([home(REUSED, 500)]) == {home(A, 510), home(B, 520)}
    assert spaces.below([home(REUSED, 900)]) == {home(C, 910)}
    assert spaces.below([home(REUSED, 500), home(A, 510)]) == {home(B, 520)}
    assert spaces.below([home(B, 520)]) == set()
    assert spaces.below([]) == set()


def test_the_holder_of_an_inode_is_the_last_that_was_born_by_then(spaces: Namespaces) -> None:
    def holder(ticks: int) -> NsKey | None:
        found = spaces.holder(BOOT, REUSED, UTC + ticks * TICK_NS)
        return found.key if found else None

    assert [holder(ticks) for ticks in (499, 500, 899, 900, 5000)] == [
        *(None, (REUSED, 500), (REUSED, 500), (REUSED, 900), (REUSED, 900)),
    ]
    assert spaces.holder(("web-2", "b" * 32), REUSED, UTC + 5000 * TICK_NS) is None


def test_all_that_had_an_inode_are_found_in_the_order_of_their_births(spaces: Namespaces) -> None:
    assert [each.key for each in spaces.with_inode(REUSED)] == [(REUSED, 500), (REUSED, 900)]
    assert spaces.with_inode(1 << 31) == ()


def test_a_parent_is_who_had_its_inode_when_the_child_was_made(spaces: Namespaces) -> None:
    parents = {each.key: each.parent for each in spaces}
    assert parents[NsKey(A, 510)] == home(REUSED, 500)
    assert parents[NsKey(C, 910)] == home(REUSED, 900)


def test_one_is_found_by_its_identity_alone(spaces: Namespaces) -> None:
    found = spaces.find(home(REUSED, 900))
    assert found is not None
    assert (found.nsid, found.boot, found.ns_start) == (REUSED, BOOT, 900 * TICK_NS)
    assert spaces.find(home(REUSED, 901)) is None


def test_one_that_only_events_know_is_named_by_its_inode_and_its_init_but_not_listed(tmp_path: Path) -> None:
    unannounced = {"nsid": 77, "ns_start": 5 * SECOND, "target_pid": 99}
    found = sigtrace.open(recorded(tmp_path / "r", [record(**INIT | unannounced, time=8 * SECOND)])).spaces
    (its,) = found.with_inode(77)
    assert (its.key, its.init_pid, its.born) == (NsKey.of(77, 5 * SECOND), 99, UTC + 5 * SECOND)
    assert found.with_init(99) == (its,)
    assert 77 in found.inodes()
    assert 77 not in [each.nsid for each in found]


def test_events_tell_the_init_of_one_of_which_it_is_not_known(tmp_path: Path) -> None:
    row = {"nsid": NSID, "ns_start": 5 * SECOND, "born": UTC + 5 * SECOND}
    events = [record(**MEMBER, time=8 * SECOND), record(**INIT, time=9 * SECOND)]
    (its,) = sigtrace.open(recorded(tmp_path / "r", events, row)).spaces.with_inode(NSID)
    assert its.init_pid == 4242


def test_events_of_members_alone_tell_no_init(tmp_path: Path) -> None:
    found = sigtrace.open(recorded(tmp_path / "r", [record(**MEMBER, time=8 * SECOND)])).spaces
    assert [(each.key, each.init_pid) for each in found.with_inode(NSID)] == [(NsKey.of(NSID, 5 * SECOND), 0)]
    assert found.with_init(4250) == ()


def test_hosts_do_not_share_inodes(tmp_path: Path) -> None:
    paths = [recorded(tmp_path / host, [record(**INIT, time=8 * SECOND)], space(NSID, 500, 1), host=host)
             for host in ("web-1", "web-2")]  # fmt: skip
    found = sigtrace.open(paths).spaces
    assert [each.home.host for each in found.with_inode(NSID)] == ["web-1", "web-2"]
    assert found.inodes().count(NSID) == 1


def test_while_a_recorder_adds_namespaces_one_object_gives_answers_that_agree(tmp_path: Path) -> None:
    """Each question used to read the events anew: a namespace was denied, and listed in the same sentence."""
    made = Made(tmp_path / "r")
    made.add(record(**INIT, time=8 * SECOND))
    recording = sigtrace.open(tmp_path / "r")
    before = recording.spaces
    assert before.with_inode(77) == ()
    made.add(record(**INIT | {"nsid": 77}, time=9 * SECOND))
    assert 77 not in before.inodes()
    assert before.with_inode(77) == ()
    after = recording.spaces
    assert 77 in after.inodes()
    assert [each.nsid for each in after.with_inode(77)] == [77]
    assert recording.spaces is after
    made.close()


def test_a_refusal_does_not_list_what_it_denies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The namespace is recorded between the search for it and the list of those that there are."""
    made = Made(tmp_path / "r")
    made.add(record(**INIT, time=8 * SECOND))
    recording = sigtrace.open(tmp_path / "r")
    search = Namespaces.with_inode

    def meanwhile(self: Namespaces, inode: int) -> tuple[RecordedNs, ...]:
        found = search(self, inode)
        made.add(record(**INIT | {"nsid": 77}, time=9 * SECOND))
        return found

    monkeypatch.setattr(Namespaces, "with_inode", meanwhile)
    with pytest.raises(BadInput, match=rf"no PID namespace 'pid:\[77\]': it has {NSID}$"):
        recording.filter(ns=["pid:[77]"])
    made.close()
