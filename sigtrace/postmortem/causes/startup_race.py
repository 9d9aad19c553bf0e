"""The signal came while the program was starting, before it had installed its handler."""

from __future__ import annotations

from collections.abc import Iterator

from sigtrace.postmortem.case import Case
from sigtrace.postmortem.cause import Cause
from sigtrace.postmortem.checks import by_signal, dropped_requests, lines, masks, severity_of, takes
from sigtrace.postmortem.event import Event
from sigtrace.postmortem.finding import Finding, numbers
from sigtrace.units import SECOND, duration

_YOUNG = 60 * SECOND
"""A program older than this (ns) has usually finished starting: the finding is then only likely."""


def check(case: Case) -> Iterator[Finding]:
    """Report drops after which the same init has a handler for that signal."""
    for events in by_signal(dropped_requests(case)):
        last = events[-1]
        handled = next((e for e in case.to_init if e.number > last.number and _has_handler(e, last)), None)
        snapshot = next(
            (s for s in case.snapshots if s.time > last.time and s.init and takes(s, last.signal)),
            None,
        )
        if handled is None and snapshot is None:
            continue
        age = last.time - _started(case, last)
        yield Finding(
            "startup-race",
            case.nsid,
            severity_of(case, events),
            "certain" if age < _YOUNG else "likely",
            f"{last.signal_name} came {duration(age)} after {last.target} had started and was discarded: its "
            "handler was not installed yet.",
            lines(events) + ((str(handled),) if handled else ()) + masks(snapshot),
            "install the handler first thing in the program, or block the signal before exec until it is there; "
            "a stop so soon after the start is best sent again",
            numbers(*events),
        )


def _has_handler(later: Event, dropped: Event) -> bool:
    return later.signal == dropped.signal and later.disposition == "handler"


def _started(case: Case, drop: Event) -> int:
    """Return the time at which the program started, ns UTC: the init's birth, or its last exec before the signal.

    flush_signal_handlers() resets handlers at exec, so that the window opens again.
    """
    execs = [e.time for e in case.to_init if e.stage == "exec" and e.time < drop.time]
    return max([drop.target_start, *execs])


CAUSE = Cause(
    "startup-race",
    "a handler installed too late",
    check,
    needs=("events",),
    instead_of=("dropped-at-generate", "shell-form", "wrong-stop-signal"),
)
