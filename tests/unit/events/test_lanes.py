"""Who has a lane in a timeline, how it is called, and which event is where."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from sigtrace.events.batch import Batch
from sigtrace.events.lanes import kinds, lanes, parties
from sigtrace.events.outcome import KINDS
from sigtrace.plot.marks import marks
from tests.builders.records import record
from tests.builders.stories import INIT, MEMBER, RUNC, end, stop_of_ten_seconds, storm

KERNEL = {"relation": "kernel", "sender_pid": 0}


def _batch(*records: npt.NDArray[np.void]) -> Batch:
    return Batch(np.concatenate(records), 0, "web-1")


def _shown(batch: Batch, counted: bool = False) -> tuple[list[str], list[str], list[str]]:
    """The lanes, and each event's target's and sender's."""
    found = lanes(parties(batch), counted)
    names = [*found.names, ""]
    return found.names, [names[each] for each in found.target], [names[each] for each in found.sender]


def test_senders_come_by_name_then_the_init_then_members_by_pid() -> None:
    other = {**MEMBER, "target_pid": 4300, "target_comm": b"a"}
    batch = _batch(
        record(**other, sender_pid=4242, sender_comm=b"app"),
        record(**INIT, **RUNC),
        record(**MEMBER, **KERNEL),
        record(**INIT, sender_pid=0),
        end(9),
    )
    names, target, sender = _shown(batch)
    assert names == [
        *("from an unknown sender", "from app", "from runc", "from the kernel"),
        *("init: app[4242]", "worker[4250]", "a[4300]"),
    ]
    assert target == ["a[4300]", "init: app[4242]", "worker[4250]", "init: app[4242]", "init: app[4242]"]
    assert sender == ["from app", "from runc", "from the kernel", "from an unknown sender", ""]


def test_a_process_goes_by_its_last_name() -> None:
    batch = _batch(record(**{**INIT, "target_comm": b"runc:[2:INIT]"}), record(**INIT))
    assert _shown(batch)[0][-1] == "init: app[4242]"


@pytest.mark.parametrize(("counted", "senders", "members"), [(False, 5, 8), (True, 3, 3)])
def test_those_with_few_events_share_a_lane(counted: bool, senders: int, members: int) -> None:
    records = [record(**INIT)]
    for number in range(20):
        who: dict[str, Any] = {**MEMBER, "target_pid": 5000 + number}
        records += [record(**who, sender_pid=9, sender_comm=b"s%02d" % number)] * (20 - number)
    names, target, sender = _shown(_batch(*records), counted)
    first = [f"from s{number:02d}" for number in range(senders)]
    assert names[: senders + 1] == [*first, "from other senders"]
    assert names[-1] == "other members"
    assert len(names) == senders + 1 + 1 + members + 1
    assert (target[-1], sender[-1]) == ("other members", "from other senders")


def test_one_more_than_fits_has_a_lane_rather_than_be_the_others() -> None:
    records = [record(**INIT, sender_pid=9, sender_comm=b"s%d" % number) for number in range(6)]
    assert "from other senders" not in _shown(_batch(*records))[0]


def test_names_are_harmless_and_short() -> None:
    names, *_ = _shown(
        _batch(record(**{**INIT, "target_comm": b"\x1b[31m\xff"}, sender_pid=1, sender_comm=b"\x9b"))
    )
    assert not any("\x1b" in name or "\x9b" in name for name in names)


def test_the_kinds_of_marks_are_those_of_the_words() -> None:
    batch = _batch(*stop_of_ten_seconds())
    order = list(KINDS)
    assert [order[each] for each in kinds(batch.verdicts, batch.records["signal"])] == [
        *("born", "born", "dropped", "sent", "handled", "kill", "acted", "exited", "kill", "exited")
    ]


@pytest.mark.parametrize("batch", [_batch(*stop_of_ten_seconds()), storm(1000), storm(3000)], ids=len)
def test_a_table_of_events_has_the_lanes_of_its_records(batch: Batch) -> None:
    found = marks(batch.to_pandas(), np.zeros(len(batch), bool))
    many = len(batch) > 1500
    names, target, _ = _shown(batch, counted=many)
    assert found.order == names
    if not many:
        assert found.marks["lane"].tolist() == target
    else:
        sums = found.counts.groupby("lane")["count"].sum()
        lane, count = np.unique(target, return_counts=True)
        assert sums[lane].tolist() == count.tolist()
