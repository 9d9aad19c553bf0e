"""The handler ran, and the program did not end: it is slow, hangs, restarts, or does not end on this signal."""

from __future__ import annotations

from collections.abc import Iterator

from sigtrace.postmortem.case import Case
from sigtrace.postmortem.cause import Cause
from sigtrace.postmortem.checks import by_signal, lines, takes
from sigtrace.postmortem.event import MEANT_TO_STOP, Event
from sigtrace.postmortem.finding import Finding, numbers
from sigtrace.postmortem.snapshot import Snapshot
from sigtrace.signals import HUP, INT, TERM
from sigtrace.units import SECOND, duration

_HURRY = SECOND
"""A SIGKILL that comes sooner (ns) gave the program no time: it says little about the handler."""
_ONLY_TO_STOP = MEANT_TO_STOP - {INT, HUP}
"""Programs use all others also for other things (a reload, an abandoned command, a log that is opened again) and go on:
only a SIGKILL in the same attempt shows that the program was meant to end."""
_RESTARTS = (
    "it reloads on {}, as some servers do: its documentation names the signal that ends it, or a setting (uWSGI: "
    "die-on-term)"
)


def check(case: Case) -> Iterator[Finding]:
    """Report requests whose handler ran, after which the program did not end before SIGKILL, or for PATIENCE."""
    for events in by_signal(e for e in case.requests if _in_vain(case, e)):
        first = events[0]
        fate, killed, end = case.fate_of(first), case.cut_off(first), case.kill_after(first)
        took = (end.time if end else case.until) - first.time
        hurried = killed is not None and took < _HURRY
        anew = _restart(case, fate, end)
        snapshot = case.snapshot_after(first.time)
        shown = (snapshot.line(str(snapshot.subject)),) if snapshot and snapshot.subject else ()
        yield Finding(
            "slow-handler",
            case.nsid,
            "notice" if hurried else "error" if killed else "warning",
            "possible" if hurried else "certain" if killed else "likely",
            f"{first.target} handled {first.signal_name}, "
            + (f"started anew by exec(2) as {anew.target}, " if anew else "")
            + f"and was not done {duration(took)} later"
            + _until(killed, end),
            lines([e for e in (first, fate, anew, end) if e]) + shown,
            _RESTARTS.format(first.signal_name) if anew else _advice(first, snapshot),
            numbers(*events),
        )


def _restart(case: Case, fate: Event | None, end: Event | None) -> Event | None:
    """Return the exec by which the init started anew after its handler ran; None if it did not."""
    if fate is None or case.subject is not None:
        return None
    ran = (e for e in case.to_init if e.stage == "exec" and e.time > fate.time)
    return next((e for e in ran if end is None or e.time < end.time), None)


def _until(killed: Event | None, end: Event | None) -> str:
    if killed:
        return ", when SIGKILL came."
    return ", when the kernel killed it." if end else ": it is still there."


def _advice(event: Event, snapshot: Snapshot | None) -> str:
    advice = (
        "see what the program does after its handler ran (a full queue, a lock, a request that never ends); "
        "give it a longer grace period if it is only slow"
    )
    if event.signal == TERM:
        return advice
    takes_term = snapshot is not None and takes(snapshot, TERM)
    other = "it does take SIGTERM" if takes_term else "its documentation names the one"
    return f"see whether the program means to end on {event.signal_name} at all ({other}); if so, {advice}"


def _in_vain(case: Case, event: Event) -> bool:
    fate = case.fate_of(event)
    if fate is None or fate.verdict != "handled":
        return False
    stop, cut_off = case.stop_of(event), case.cut_off(event)
    killed = cut_off is not None and cut_off.time > fate.time
    if event.signal not in _ONLY_TO_STOP:
        first = case.subject.rows[0] if case.subject else stop.first.number if stop else None
        return killed and event.number == first
    return killed or case.outlasted(event)


CAUSE = Cause("slow-handler", "a handler that takes too long", process=check, needs=("events",), waits=True)
