"""Whoever tells of stops tells of the same ones, whatever happened to the inits."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

import sigtrace
from sigtrace import frames, signals
from sigtrace.events import wire
from sigtrace.postmortem import stops
from sigtrace.postmortem.from_recording import all_recorded
from sigtrace.recording.reader import Recording
from sigtrace.recording.selection import Selection
from sigtrace.recording.summary import summarise
from sigtrace.report.gather import gather
from tests.builders.recordings import UTC
from tests.builders.records import record
from tests.builders.stories import HOST_NS, NSID, RUNC, SECOND, recorded

MINUTE = 60 * SECOND
Record = npt.NDArray[np.void]

KERNEL: dict[str, Any] = {"relation": "kernel", "code": 128, "sender_pid": 0, "sender_comm": b""}
SHELL: dict[str, Any] = {
    **{"sender_pid": 3400, "sender_comm": b"bash", "sender_parent_pid": 3300, "sender_parent_comm": b"sshd"},
}
SENDERS: tuple[dict[str, Any], ...] = (
    RUNC,
    {**RUNC, "sender_pid": 1810},
    SHELL,
    {**SHELL, "relation": "same"},
    {**SHELL, "relation": "self", "sender_pid": 4242},
    KERNEL,
)


class Stopped(NamedTuple):
    """What everybody is to say of one attempt; ns."""

    nsid: int
    asked: int
    signal: str
    grace: int | None
    duration: int | None
    killed: bool


class Init(NamedTuple):
    """One init: an inode and its start may be those of another before, but for the process."""

    nsid: int
    start: int
    pid: int
    level: int

    @property
    def facts(self) -> dict[str, Any]:
        about = {
            "nsid": self.nsid,
            "ns_level": self.level,
            "ns_start": self.start,
            "target_start": self.start,
        }
        return {**about, "target_pid": self.pid, "target_ns_pid": 1}


INITS = (
    Init(NSID, 5 * SECOND, 4242, 1),
    Init(NSID + 1, 6 * SECOND, 4300, 2),
    Init(NSID, 30 * MINUTE, 5242, 1),  # the inode of the first again
    Init(NSID, 30 * MINUTE + 1_000_000, 5300, 1),  # and again, in the same tick
)


ENDED: dict[str, Any] = {**INITS[0].facts, "stage": "exit", "signal": 0, "result": -1, "flags": ("init",)}


@st.composite
def happenings(draw: st.DrawFn, its: dict[str, Any]) -> dict[str, Any]:
    """What happens to an init, but for when."""
    stage = draw(st.sampled_from(["generate"] * 8 + ["deliver", "deliver", "exit", "init", "exec"]))
    own = {**its, "stage": stage, "target_comm": draw(st.sampled_from([b"app", b"runc:[2:INIT]"]))}
    if stage in ("exit", "init", "exec"):
        status = draw(st.sampled_from([0, 9, 15, 143 << 8]))
        nothing = {"signal": 0, "result": -1, "relation": 0, "disposition": 0, "flags": ("init",)}
        return {**own, **nothing, "exit_code": status if stage == "exit" else 0}
    flags = draw(st.sets(st.sampled_from(["unkillable", "blocked", "exiting"])))
    signal = draw(st.sampled_from([15, 15, 9, 9, 2, 3, 1, 10, 28, 17, 30, 34]))
    said = {
        "signal": signal,
        "disposition": draw(st.sampled_from(["default", "handler", "ignore"])),
        "flags": ("init", *sorted(flags)),
        "result": draw(st.sampled_from([0, 0, 1, 2, 3])) if stage == "generate" else -1,
    }
    return {**own, **said, **(draw(st.sampled_from(SENDERS)) if stage == "generate" else {})}


PAUSES = st.sampled_from([0, 1, 1_000, 3 * SECOND, 10 * SECOND, 9 * MINUTE, 11 * MINUTE])


@st.composite
def histories(draw: st.DrawFn) -> list[Record]:
    """What happened to some of the inits, in the order of time."""
    found: list[dict[str, Any]] = []
    for init in draw(st.sets(st.sampled_from(INITS), min_size=1)):
        time, its = init.start, draw(st.lists(happenings(init.facts), min_size=3, max_size=12))
        if draw(st.booleans()):
            its.insert(draw(st.integers(len(its) // 2, len(its))), {**ENDED, **init.facts, "exit_code": 9})
        for what in its:
            time += draw(PAUSES)
            found.append({**what, "time": time})
            if what["stage"] == "generate" and draw(st.integers(0, 9)) == 0:  # a storm
                found += [{**what, "time": time + number * MINUTE} for number in range(1, 100)]
    return [record(**each) for each in sorted(found, key=lambda each: each["time"])]


def _number(value: Any) -> int | None:
    return None if pd.isna(value) else int(value.value)


def of_table(table: pd.DataFrame) -> list[Stopped]:
    columns = [table[name] for name in ("nsid", "asked", "signal_name", "grace", "duration", "killed")]
    return sorted(
        (
            Stopped(nsid, asked.value, name, _number(grace), _number(duration), killed)
            for nsid, asked, name, grace, duration, killed in zip(*columns, strict=True)
        ),
        key=str,
    )


def of_postmortems(recording: Recording) -> list[Stopped]:
    found = []
    for case in all_recorded(recording):
        for stop in stops(case):
            row = stop.as_dict()
            assert row["grace_seconds"] == (None if stop.grace is None else round(stop.grace / 1e9, 6))
            found.append(
                Stopped(
                    case.nsid, stop.first.time, stop.first.signal_name, stop.grace, stop.took, row["killed"]
                )
            )
    return sorted(found, key=str)


def of_report(recording: Recording) -> tuple[list[tuple[Any, ...]], dict[str, tuple[str, str]]]:
    """Its rows of stops, less what they do not say; and its figures."""
    page = gather(recording, Selection())
    rows = [(each.asked, each.signal, each.grace, each.took) for each in page.attempts.rows]
    return sorted(rows, key=str), {name: (value, remark) for name, value, remark in page.figures}


def agreed(path: Path, records: Sequence[Record], stop_signal: str = "") -> list[Stopped]:
    """What they all say of these records; fails where they do not say the same."""
    rows = [
        {"nsid": init.nsid, "ns_start": init.start, "ns_level": init.level, "parent_nsid": HOST_NS}
        | {"init_pid": init.pid, "container_id": f"{init.pid:064x}", "runtime": "docker"}
        | {"container_name": f"web-{init.pid}", "container_stop_signal": stop_signal}
        for init in INITS
    ]
    recording = sigtrace.open(recorded(path, records, *rows))
    table = recording.stops()
    found = of_table(table)
    if not stop_signal:  # which the event table does not have
        assert of_table(frames.df_stops(recording.events())) == found
    assert of_postmortems(recording) == found
    ended = [each for each in found if each.duration is not None]
    summed = summarise(recording, Selection())
    its = [
        Stopped(each.nsid, each.asked, signals.name(each.signal), each.grace, each.duration, each.killed)
        for each in summed.stops
    ]
    assert sorted(its, key=str) == ended
    assert summed.as_dict()["stops"] == len(ended)
    assert summed.as_dict()["stops_killed"] == sum(each.killed for each in ended)
    told, figures = of_report(recording)
    assert told == sorted(((each.asked, each.signal, each.grace, each.duration) for each in found), key=str)
    count, how = figures["Attempts to stop"]
    assert int(count.replace(",", "")) == len(found)
    needed = re.match(r"([\d,]+) needed SIGKILL", how)
    assert needed
    assert int(needed[1]) >= sum(each.grace is not None for each in found)
    return found


def sent(records: Iterable[Record], nsid: int, begin: int, end: int) -> list[Record]:
    """The SIGKILLs that were queued for an init in a stretch of time, in ns UTC; both ends included."""
    return [
        each
        for each in records
        if each["nsid"][0] == nsid
        and each["stage"][0] == wire.STAGE["generate"]
        and each["signal"][0] == 9
        and each["result"][0] == 0
        and begin <= each["time"][0] + UTC <= end
    ]


# Every example is a recording that is written: to shrink one takes minutes.
@settings(max_examples=60, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(histories(), st.sampled_from(["", "", "SIGUSR1", "SIGWINCH"]))
def test_all_who_tell_of_stops_agree(records: list[Record], stop_signal: str) -> None:
    with tempfile.TemporaryDirectory() as directory:
        found = agreed(Path(directory) / "r", records or [_unrelated()], stop_signal)
    for stop in found:
        if stop.grace is not None:
            end = stop.asked + stop.grace
            assert any(
                each["relation"][0] not in (wire.RELATION["kernel"], wire.RELATION["self"])
                for each in sent(records, stop.nsid, end, end)
            )


def _unrelated() -> Record:
    return record(**INITS[0].facts, time=6 * SECOND, signal=17)


HANDLED: dict[str, Any] = {**INITS[0].facts, **RUNC, "signal": 15, "result": 0, "disposition": "handler"}


def test_a_kernels_sigkill_after_a_slow_sigterm_is_no_grace_period_for_anybody(tmp_path: Path) -> None:
    killed = {**INITS[0].facts, **KERNEL, "signal": 9, "result": 0}
    records = [
        record(**HANDLED, time=10 * SECOND),
        record(**{**HANDLED, "stage": "deliver", "result": -1}, time=10 * SECOND + 1),
        record(**killed, time=13 * SECOND),
        record(**ENDED, time=13 * SECOND + 5, exit_code=9),
    ]
    (stop,) = agreed(tmp_path / "r", records)
    assert (stop.grace, stop.duration, stop.killed) == (None, 3 * SECOND + 5, True)
    _, figures = of_report(sigtrace.open(tmp_path / "r"))
    assert figures["Attempts to stop"] == ("1", "0 needed SIGKILL, 1 killed by the kernel")


def test_a_sigkill_that_meets_one_that_is_pending_ends_no_grace_period(tmp_path: Path) -> None:
    again = {**INITS[0].facts, **RUNC, "signal": 9, "result": 2}
    records = [
        record(**HANDLED, time=10 * SECOND),
        record(**again, time=13 * SECOND),
        record(**ENDED, time=14 * SECOND, exit_code=9),
    ]
    (stop,) = agreed(tmp_path / "alone", records)
    assert (stop.signal, stop.grace, stop.duration, stop.killed) == ("SIGTERM", None, 4 * SECOND, True)
    first = record(**{**again, "result": 0}, time=12 * SECOND)
    (stop,) = agreed(tmp_path / "both", [records[0], first, *records[1:]])
    assert (stop.grace, stop.duration, stop.killed) == (2 * SECOND, 4 * SECOND, True)


def test_two_hundred_requests_nine_minutes_apart_are_one_stop_for_everybody(tmp_path: Path) -> None:
    times = [10 * SECOND + number * 9 * MINUTE for number in range(200)]
    (stop,) = agreed(tmp_path / "r", [record(**INITS[0].facts, **RUNC, time=time) for time in times])
    assert (stop.asked, stop.grace, stop.duration, stop.killed) == (UTC + 10 * SECOND, None, None, False)


def test_a_summary_of_one_signal_tells_the_same_stops(tmp_path: Path) -> None:
    killed = {**INITS[0].facts, **RUNC, "signal": 9, "result": 0}
    records = [
        record(**HANDLED, time=10 * SECOND),
        record(**killed, time=20 * SECOND),
        record(**ENDED, time=21 * SECOND, exit_code=9),
    ]
    agreed(tmp_path / "r", records)
    recording = sigtrace.open(tmp_path / "r")
    (stop,) = summarise(recording, Selection(signal=("TERM",))).stops
    assert (stop.grace, stop.requests) == (10 * SECOND, 2)
    assert summarise(recording, Selection(signal=("KILL",))).stops == []
    assert {line.signal for line in summarise(recording, Selection(signal=("TERM",))).lines} == {15}
