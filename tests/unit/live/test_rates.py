"""What is known of a namespace at a moment: how long ago its last drop was, and its init's state."""

from __future__ import annotations

import os

import pytest

from sigtrace import clock
from sigtrace.events.nskey import NsKey
from sigtrace.live import rates
from sigtrace.live.rates import Drop, RateRow, state_of
from sigtrace.procfs import process


def test_a_drop_is_as_long_ago_in_a_time_namespace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "boottime_offset", lambda: 10**15)
    monkeypatch.setattr(rates.time, "clock_gettime_ns", lambda clock: 3 * 10**9)
    before = 3 * 10**9 - 10**15 - 5 * 10**9  # as the kernel has it
    assert Drop(15, "sh", before).ago == 5


def test_states_are_those_of_proc() -> None:
    ticks = clock.kernel_ticks(process.read_stat(os.getpid()).start_ticks)
    assert state_of(RateRow(NsKey(1, ticks), os.getpid())) == "runs"
    assert state_of(RateRow(NsKey(1, ticks + 1), os.getpid())) == "ended"
    assert state_of(RateRow(NsKey(1, ticks), None)) == ""
