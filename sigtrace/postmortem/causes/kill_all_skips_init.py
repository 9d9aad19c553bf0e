"""`kill -1` inside reaches everybody but PID 1: kill_something_info() passes it over, without any event."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from sigtrace.events import wire
from sigtrace.events.columns import flag
from sigtrace.postmortem.case import Case
from sigtrace.postmortem.cause import Cause
from sigtrace.postmortem.checks import lines
from sigtrace.postmortem.event import MEANT_TO_STOP, events
from sigtrace.postmortem.finding import Finding
from sigtrace.signals import KILL
from sigtrace.units import SECOND

_BURST = SECOND // 10
"""One call sends all of its signals in a row."""
_FEWEST = 2
"""A single signal is nothing special."""


def check(case: Case) -> Iterator[Finding]:
    """One sender inside signals every other process at once, and no event for the init."""
    r = case.batch.records
    sent = (r["stage"] == wire.STAGE["generate"]) & np.isin(r["signal"], [KILL, *MEANT_TO_STOP])
    sent &= (r["sender_nsid"] == case.nsid) & ~(flag(r, "init") & (r["nsid"] == case.nsid))
    which = np.flatnonzero(sent)
    calls, call_of, sizes = np.unique(
        r["sender_pid"][which].astype("i8") << 8 | r["signal"][which], return_inverse=True, return_counts=True
    )
    for call in np.flatnonzero(sizes > 1).tolist():
        sender = int(calls[call]) >> 8
        its = which[call_of == call]
        its = its[r["time"][its] - r["time"][its[0]] < _BURST]
        if len(its) < _FEWEST or sender == _init_pid(case):
            continue
        burst = events(case.batch, its)
        hit = {event.target_pid for event in burst}
        if len(hit) < _FEWEST or not _everybody(case, burst[0].time, sender) <= hit:
            continue
        if any(abs(e.time - burst[0].time) < _BURST and e.sender_pid == sender for e in case.to_init):
            continue
        yield Finding(
            "kill-all-skips-init",
            case.nsid,
            "warning",
            "likely",
            f"{burst[0].signal_name} went from {burst[0].sender} to all {len(hit)} other processes at once and "
            "not to PID 1: kill -1 leaves the init of its own namespace out.",
            lines(burst),
            "stop the container from outside, or signal PID 1 by its number: it needs a handler",
        )


def _init_pid(case: Case) -> int:
    of_init = next(iter(case.to_init), None)
    seen = next((s.init.pid for s in case.sights if s.init), 0)
    return of_init.target_pid if of_init else seen


def _everybody(case: Case, time: int, sender: int) -> set[int]:
    """The processes known to have lived then, in the namespace or below it, but for its init and the sender."""
    r, times = case.batch.records, case.batch.time.astype("i8")
    then = times - r["time"].astype("i8") + r["target_start"].astype("i8") < time
    gone = then & (r["stage"] == wire.STAGE["exit"]) & (times < time)
    known = {int(pid) for pid in r["target_pid"][then]} - {int(pid) for pid in r["target_pid"][gone]}
    for sight in case.sights:
        known |= {t.pid for t in sight.processes if sight.time <= time and t.state not in "ZX"}
    return known - {_init_pid(case), sender}


CAUSE = Cause("kill-all-skips-init", "a kill -1 inside", check, needs=("events", "members"))
