"""A signal was queued, and the process never came to the point where signals are delivered: it slept uninterruptibly.

`get_signal()` in kernel/signal.c runs on the way back to user space. A process in state D (NFS, FUSE, a disk that does
not answer) does not get there, nor does one that gets no CPU.
"""

from __future__ import annotations

from collections.abc import Iterator

from sigtrace.postmortem.case import Case
from sigtrace.postmortem.cause import Cause
from sigtrace.postmortem.checks import by_signal, lines, severity_of
from sigtrace.postmortem.event import Event
from sigtrace.postmortem.finding import Finding, numbers
from sigtrace.postmortem.snapshot import Snapshot, Task
from sigtrace.postmortem.survivors import held
from sigtrace.signals import KILL
from sigtrace.text import printable
from sigtrace.units import SECOND

_HURRY = SECOND
"""A SIGKILL that comes sooner (ns) says little: on a busy machine a process may not have run until then."""


def check(case: Case) -> Iterator[Finding]:
    """Report requests that were queued, not blocked or traced, and not delivered until SIGKILL, or for PATIENCE."""
    holding = held(case, "uninterruptible")
    surviving = {each.task.pid for each in holding.survivors} if holding else set()
    for events in by_signal(e for e in case.requests if _is_left(case, e)):
        first = events[0]
        if first.target_pid in surviving:
            continue  # `survivor-uninterruptible`: not even SIGKILL reaches it
        snapshot = case.last_snapshot_after(first.time)
        threads = snapshot.subject_threads if snapshot else ()
        asleep = next((t for t in threads if t.state == "D"), None)
        where = f" in {printable(asleep.wchan)}" if asleep and asleep.wchan not in ("", "0") else ""
        why = f"it slept uninterruptibly{where}" if asleep else "it slept uninterruptibly, or did not run"
        yield Finding(
            "not-delivered",
            case.nsid,
            severity_of(case, events),
            "certain" if asleep else "likely",
            f"{first.signal_name} was queued for {first.target}, and never delivered: {why}.",
            (*lines(events), *(_shown(snapshot, asleep or threads[0]) if snapshot and threads else ())),
            "mend what it waits for: its stack says where (a disk, NFS, FUSE); see whether it gets CPU time",
            numbers(*events),
        )


def _shown(snapshot: Snapshot, task: Task) -> Iterator[str]:
    yield snapshot.line(str(task))
    if task.stack:
        yield snapshot.line(f"stack of {task.name}: {' < '.join(task.stack.split()[:8])}")


def _is_left(case: Case, event: Event) -> bool:
    if event.verdict not in ("queued", "coalesced") or event.signal == KILL or event.blocked or event.traced:
        return False
    cut_off = case.cut_off(event)
    hurried = cut_off is not None and cut_off.time - event.time < _HURRY
    return case.fate_of(event) is None and case.outlasted(event) and not hurried


CAUSE = Cause(
    "not-delivered",
    "a process that does not get to its signals",
    process=check,
    needs=("events",),
    waits=True,
)
