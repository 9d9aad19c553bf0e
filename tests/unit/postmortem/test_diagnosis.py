"""`recording.postmortem(...)`: whose postmortem it is, and when there is none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import sigtrace
from sigtrace.errors import BadInput
from tests.builders.recordings import UTC
from tests.builders.records import record
from tests.builders.stories import INIT, NSID, RUNC, SECOND, WEB, end, recorded, stop_of_ten_seconds

POD = {**WEB, "container_name": "app", "pod": "checkout-7d4f", "pod_namespace": "shop"}


def calm(at: int) -> list[Any]:
    """A stop at once, of a life that begins at `at` s."""
    who = {**INIT, "ns_start": at * SECOND, "target_start": at * SECOND}
    asked = record(**who, **RUNC, time=(at + 1) * SECOND, disposition="handler", result=0)
    return [asked, end((at + 2) * SECOND, 0, who)]


def causes(report: Any) -> list[str]:
    return [finding.cause for finding in report.findings]


def test_by_namespace_container_or_pod_it_is_the_same(tmp_path: Path) -> None:
    recording = sigtrace.open(recorded(tmp_path / "r", stop_of_ten_seconds(), POD))
    found = [
        recording.postmortem(**asked).findings  # type: ignore[arg-type]
        for asked in (
            {"ns": NSID},
            {"ns": str(NSID)},
            {"ns": "4242"},
            {"container": "app"},
            {"container": "ab" * 8},
            {"pod": "shop/checkout-*"},
            {"pod": "checkout-7d4f", "container": "app"},
        )
    ]
    assert found[0][0].cause == "dropped-at-generate"
    assert all(each == found[0] for each in found)


def test_as_it_was_then_nothing_that_came_later_is_in_it(tmp_path: Path) -> None:
    recording = sigtrace.open(recorded(tmp_path / "r", stop_of_ten_seconds(), WEB))
    before, after = (recording.postmortem(ns=NSID, at=UTC + when * SECOND) for when in (9, 60))
    assert (before.case.exit, causes(before)) == (None, ["dropped-at-generate"])
    assert after.case.exit is not None
    with pytest.raises(BadInput, match=r"no events of PID namespace .* had been recorded"):
        recording.postmortem(ns=NSID, at="2001-01-01")


def test_of_a_container_that_ran_several_times_it_is_the_last_that_was_asked(tmp_path: Path) -> None:
    later = {**INIT, "ns_start": 100 * SECOND, "target_start": 100 * SECOND}
    born = record(**later, time=100 * SECOND, stage="init", signal=0, result=-1, flags=("init", "unkillable"))
    again = {**WEB, "ns_start": 100 * SECOND, "born": UTC + 100 * SECOND, "died": None}
    recording = sigtrace.open(recorded(tmp_path / "r", [*stop_of_ten_seconds(), born], WEB, again))
    assert causes(recording.postmortem(container="web-1")) == ["dropped-at-generate"]
    last = recording.postmortem(ns=NSID)  # of an inode, the last that had it
    assert ([event.stage for event in last.case.events], last.case.exit) == (["init"], None)


def test_what_is_on_two_hosts_is_not_guessed(tmp_path: Path) -> None:
    paths = [
        recorded(tmp_path / host, events, WEB, host=host)
        for host, events in (("host-a", stop_of_ten_seconds()), ("host-b", calm(5)))
    ]
    recording = sigtrace.open(paths)
    with pytest.raises(BadInput, match="web-1 may be web-1 on host-a, web-1 on host-b: say which"):
        recording.postmortem(container="web-1")
    with pytest.raises(BadInput, match=f"{NSID} may be that of host-a, that of host-b: say which"):
        recording.postmortem(ns=NSID)
    assert causes(recording.postmortem(ns=NSID, host="host-a")) == ["dropped-at-generate"]
    assert causes(recording.postmortem(container="web-1", host="host-b")) != ["dropped-at-generate"]


@pytest.mark.parametrize("asked", [{}, {"ns": NSID, "container": "web-1"}])
def test_it_must_be_said_whose(tmp_path: Path, asked: dict[str, Any]) -> None:
    recording = sigtrace.open(recorded(tmp_path / "r", stop_of_ten_seconds(), WEB))
    for ask in (recording.postmortem, sigtrace.postmortem.live):
        with pytest.raises(BadInput, match="a postmortem is of one namespace or container"):
            ask(**asked)
