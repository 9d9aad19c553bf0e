"""The most common cause: the init has no handler for the signal, so the kernel discards it at generation.

`sig_task_ignored()` in kernel/signal.c: the target has SIGNAL_UNKILLABLE, and the disposition is SIG_DFL.
"""

from __future__ import annotations

from collections.abc import Iterator

from sigtrace.postmortem.case import Case
from sigtrace.postmortem.cause import Cause
from sigtrace.postmortem.checks import (
    by_signal,
    dropped_requests,
    install,
    lines,
    masks,
    name,
    severity_of,
    stop_signal,
    times,
    would_ask,
    would_drop,
)
from sigtrace.postmortem.finding import Finding, numbers

SLUG = "dropped-at-generate"


def check(case: Case) -> Iterator[Finding]:
    """Report each signal that was dropped as a request; for a live namespace without requests, one that would be."""
    for events in by_signal(dropped_requests(case)):
        first = events[0]
        seen = case.snapshot_after(first.time)
        yield Finding(
            SLUG,
            case.nsid,
            severity_of(case, events),
            "certain",
            f"{stop_signal(case, first)} was sent to {first.target}, PID 1 of its namespace, "
            f"{times(case.count(events))} and discarded: it has no handler for it.",
            lines(events, case.count(events)) + masks(seen),
            install(case, seen, first.signal),
            numbers(*events),
        )
    snapshot = would_drop(case)
    if snapshot is not None and snapshot.init is not None:
        yield Finding(
            SLUG,
            case.nsid,
            "warning",
            "possible",
            f"A {name(would_ask(case))} to {snapshot.init.name}, PID 1 of its namespace, is discarded: it has no "
            "handler. If it was asked to stop before sigtrace looked, that is why it did not.",
            masks(snapshot),
            install(case, snapshot, would_ask(case)),
        )


CAUSE = Cause(SLUG, "a signal discarded for want of a handler", check)
