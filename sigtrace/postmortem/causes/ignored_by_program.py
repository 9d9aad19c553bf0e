"""SIG_IGN: the program set it, or inherited it through exec, as from `nohup` or from `&` in a script."""

from __future__ import annotations

from collections.abc import Iterator

from sigtrace.postmortem.case import Case
from sigtrace.postmortem.cause import Cause
from sigtrace.postmortem.checks import (
    by_signal,
    lines,
    masks,
    name,
    sent_to_itself,
    severity_of,
    times,
    unasked,
    would_ask,
)
from sigtrace.postmortem.event import MEANT_TO_STOP
from sigtrace.postmortem.finding import Finding, numbers

_ADVICE = (
    "find out who set SIG_IGN: the program, or whoever started it (nohup, a trap '' in a script, & in a "
    "non-interactive shell: exec keeps it); have the program reset it to its own handler"
)


def check(case: Case) -> Iterator[Finding]:
    """Report requests that met SIG_IGN; for a live namespace, an init that would ignore its stop signal."""
    for events in by_signal(e for e in case.requests if e.verdict == "ignored"):
        first = events[0]
        yield Finding(
            "ignored-by-program",
            case.nsid,
            severity_of(case, events),
            "certain",
            f"{first.signal_name} was sent to {first.target} {times(case.count(events))}, and it ignores that signal "
            "(SIG_IGN).",
            lines(events, case.count(events)) + masks(case.snapshot_after(first.time)),
            _ADVICE,
            numbers(*events),
        )
    yield from _at_delivery(case)
    snapshot = unasked(case)
    if (
        snapshot is not None
        and snapshot.subject is not None
        and snapshot.subject.in_mask("ignored", would_ask(case))
    ):
        yield Finding(
            "ignored-by-program",
            case.nsid,
            "warning",
            "possible",
            f"{snapshot.subject.name} ignores {name(would_ask(case))} (SIG_IGN). If it was asked to stop before "
            "sigtrace looked, that is why it did not.",
            masks(snapshot),
            _ADVICE,
        )


def _at_delivery(case: Case) -> Iterator[Finding]:
    """Report requests that were pending while SIG_IGN was set: a blocked or traced process discards nothing before."""
    asked = {event.signal for event in case.requests} | MEANT_TO_STOP
    late = [
        e for e in case.to_subject if e.stage == "deliver" and e.verdict == "ignored" and e.signal in asked
    ]
    for events in by_signal(e for e in late if not sent_to_itself(case, e)):
        first = events[0]
        sent = [
            e
            for e in case.requests
            if (fate := case.fate_of(e)) and fate in events and e.verdict != "ignored"
        ]
        yield Finding(
            "ignored-by-program",
            case.nsid,
            severity_of(case, sent or events),
            "certain",
            f"{first.signal_name} was pending for {first.target}, which ignored that signal (SIG_IGN) by the time it "
            "was delivered.",
            lines([*sent, *events]) + masks(case.snapshot_after(first.time)),
            _ADVICE,
            numbers(*sent, *events),
        )


CAUSE = Cause("ignored-by-program", "a signal the program ignores", process=check)
