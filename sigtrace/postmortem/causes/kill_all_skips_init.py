"""`kill -1` inside a namespace reaches every process but PID 1.

`kill_something_info()` in kernel/signal.c skips the init without generating a signal, so there is no event for it: the
check infers the call from a burst of signals to all others.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from sigtrace.events import wire
from sigtrace.events.column_types import flag
from sigtrace.postmortem.case import Case
from sigtrace.postmortem.cause import Cause
from sigtrace.postmortem.checks import lines
from sigtrace.postmortem.event import MEANT_TO_STOP, events
from sigtrace.postmortem.finding import Finding, numbers
from sigtrace.signals import KILL
from sigtrace.units import SECOND

_BURST = SECOND // 10
"""One call sends all of its signals within this time (ns): they are sent in one loop, under tasklist_lock."""
_FEWEST = 2
"""A signal to a single process may just as well be meant for that one."""


def check(case: Case) -> Iterator[Finding]:
    """Report one sender inside that signals every other process at once, but not the init."""
    r = case.batch.records
    sent = (r["stage"] == wire.STAGE["generate"]) & np.isin(r["signal"], [KILL, *MEANT_TO_STOP])
    sent &= (r["sender_nsid"] == case.nsid) & ~(flag(r, "init") & (r["nsid"] == case.nsid))
    which = np.flatnonzero(sent)
    calls, call_of, sizes = np.unique(
        r["sender_pid"][which].astype("i8") << 8 | r["signal"][which], return_inverse=True, return_counts=True
    )
    for call in np.flatnonzero(sizes > 1).tolist():
        sender = int(calls[call]) >> 8
        burst_rows = which[call_of == call]
        burst_rows = burst_rows[r["time"][burst_rows] - r["time"][burst_rows[0]] < _BURST]
        if len(burst_rows) < _FEWEST or sender == _init_pid(case):
            continue
        burst = events(case.batch, burst_rows)
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
            numbers(*burst),
        )


def _init_pid(case: Case) -> int:
    of_init = next(iter(case.to_init), None)
    seen = next((s.init.pid for s in case.snapshots if s.init), 0)
    return of_init.target_pid if of_init else seen


def _everybody(case: Case, time: int, sender: int) -> set[int]:
    """Return the PIDs known to be alive at that time, in the namespace or below it, without its init and the sender."""
    r, times = case.batch.records, case.batch.time.astype("i8")
    then = times - r["time"].astype("i8") + r["target_start"].astype("i8") < time
    gone = then & (r["stage"] == wire.STAGE["exit"]) & (times < time)
    known = {int(pid) for pid in r["target_pid"][then]} - {int(pid) for pid in r["target_pid"][gone]}
    for snapshot in case.snapshots:
        known |= {t.pid for t in snapshot.processes if snapshot.time <= time and t.state not in "ZX"}
    return known - {_init_pid(case), sender}


CAUSE = Cause("kill-all-skips-init", "a kill -1 inside", check, needs=("events", "members"))
