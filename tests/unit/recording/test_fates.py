"""What became of signals: generations and deliveries joined, by counting."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sigtrace
from sigtrace.events import verdict, wire
from sigtrace.events.batch import Batch
from sigtrace.events.counts import Counts
from sigtrace.recording.fates import fates
from sigtrace.recording.selection import Selection
from sigtrace.recording.sent import of_events
from sigtrace.recording.summary import summarise
from tests.builders.recordings import UTC, Made, made
from tests.builders.records import counted, record

SECOND = 10**9
_QUEUED = {"result": 0, "disposition": "handler", "flags": (), "signal": 10, "sender_pid": 9, "nsid": 7}
_TAKEN = {"stage": "deliver", "result": -1, "relation": 0, "flags": (), "signal": 10, "nsid": 7}
Line = tuple[str | None, str, int]


def _queued(times: int, sender: bytes = b"bash") -> list[npt.NDArray[np.void]]:
    return [record(**_QUEUED, sender_comm=sender)] * times


def _handled(times: int) -> list[npt.NDArray[np.void]]:
    return [record(**_TAKEN, disposition="handler")] * times


def _ignored(times: int) -> list[npt.NDArray[np.void]]:
    return [record(**_TAKEN, disposition="ignore")] * times


def _told(path: Path, records: Sequence[npt.NDArray[np.void]]) -> list[Line]:
    """The lines of the summary: sender, fate, count."""
    lines = summarise(sigtrace.open(made(path / "r", *records)), Selection()).lines
    return [(line.sender_comm, line.verdict, line.count) for line in lines]


@pytest.mark.parametrize(
    ("records", "told"),
    [
        ([*_queued(43), *_handled(43)], [("bash", "handled", 43)]),
        ([*_queued(5), *_handled(3)], [("bash", "handled", 3), ("bash", "queued", 2)]),
        ([*_queued(5)], [("bash", "queued", 5)]),
        (
            [*_queued(4), *_handled(1), *_ignored(2)],
            [("bash", "ignored", 2), ("bash", "handled", 1), ("bash", "queued", 1)],
        ),
        ([*_queued(3), *_queued(2, b"cron"), *_handled(5)], [("bash", "handled", 3), ("cron", "handled", 2)]),
        ([*_queued(3), *_queued(2, b"cron"), *_handled(4)], [(None, "handled", 4), (None, "queued", 1)]),
        ([*_queued(3), *_handled(5)], [("bash", "handled", 3), (None, "handled", 2)]),
        ([*_handled(5)], [(None, "handled", 5)]),
        ([*_queued(2), *_handled(2), *_ignored(2)], [(None, "ignored", 2), (None, "handled", 2)]),
    ],
)  # fmt: skip
def test_a_signal_that_is_queued_and_taken_is_one(
    records: list[npt.NDArray[np.void]], told: list[Line], tmp_path: Path
) -> None:
    assert sorted(_told(tmp_path, records), key=str) == sorted(told, key=str)


def test_a_sigkill_is_what_was_sent_not_what_each_thread_of_the_dying_takes(tmp_path: Path) -> None:
    sent = record(**{**_QUEUED, "signal": 9}, sender_comm=b"runc")
    thread = record(**{**_TAKEN, "signal": 9}, disposition="default")
    assert _told(tmp_path, [sent, *[thread] * 8]) == [("runc", "default_action", 1)]


def test_signals_to_the_init_are_not_mixed_up_with_those_to_its_members(tmp_path: Path) -> None:
    to_init = record(**{**_QUEUED, "flags": ("init",)}, sender_comm=b"bash")
    told = _told(tmp_path, [to_init, *_queued(1, b"cron"), *_handled(1)])
    assert sorted(told, key=str) == [("bash", "queued", 1), ("cron", "handled", 1)]


def test_counts_without_an_event_are_joined_too(tmp_path: Path) -> None:
    recording = Made(tmp_path / "r")
    (sent,), (taken,) = _queued(1), _handled(1)
    recording.add(sent, taken)
    recording.writer.counts(Counts(np.concatenate([counted(sent, 10), counted(taken, 9)])), UTC + SECOND)
    recording.close()
    lines = summarise(sigtrace.open(recording.path), Selection()).lines
    assert {line.verdict: line.count for line in lines} == {"handled": 9, "queued": 1}


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(7, 9), st.sampled_from([b"bash", b"cron", b""]), st.integers(1, 4)), max_size=8
    ),
    st.lists(
        st.tuples(st.integers(7, 9), st.sampled_from(["handler", "ignore"]), st.integers(1, 4)), max_size=8
    ),
)
def test_nothing_is_counted_twice_and_nothing_is_left_out(
    sent: list[tuple[int, bytes, int]], taken: list[tuple[int, str, int]]
) -> None:
    records = [
        record(**{**_QUEUED, "nsid": nsid}, sender_comm=comm) for nsid, comm, n in sent for _ in range(n)
    ]
    records += [
        record(**{**_TAKEN, "nsid": nsid}, disposition=kind) for nsid, kind, n in taken for _ in range(n)
    ]
    none = [np.zeros(0, wire.EVENT.dtype())]
    found = fates(of_events(Batch(np.concatenate([*none, *records]), 0, ""), {}).assign(boot=0))
    for nsid in (7, 8, 9):
        own = found[found["nsid"] == nsid]
        queued = sum(n for each, _, n in sent if each == nsid)
        by_kind = {
            kind: sum(n for each, k, n in taken if each == nsid and k == kind)
            for kind in ("handler", "ignore")
        }
        fate = {
            name: int(own["count"][own["verdict"] == verdict.CODE[name]].sum())
            for name in ("handled", "ignored", "queued")
        }
        delivered = by_kind["handler"] + by_kind["ignore"]
        assert fate == {
            "handled": by_kind["handler"],
            "ignored": by_kind["ignore"],
            "queued": max(queued - delivered, 0),
        }
        for code, comm in enumerate(dict.fromkeys(comm for _, comm, _ in sent)):
            its = sum(n for each, c, n in sent if each == nsid and c == comm)
            assert own["count"][own["sender"] == code].sum() <= its
