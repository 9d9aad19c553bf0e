"""The commonest of all: an init without a handler, so the kernel discards the signal as it is sent.

`sig_task_ignored()` of kernel/signal.c, by SIGNAL_UNKILLABLE.
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
    """One finding a signal; for a live namespace that nobody asked yet, what a stop would come to."""
    for events in by_signal(dropped_requests(case)):
        first = events[0]
        yield Finding(
            SLUG,
            case.nsid,
            severity_of(case, events),
            "certain",
            f"{stop_signal(case, first)} was sent to {first.target}, PID 1 of its namespace, "
            f"{times(case.count(events))} and discarded: it has no handler for it.",
            lines(events, case.count(events)) + masks(case.sight_after(first.time)),
            install(case),
            numbers(*events),
        )
    sight = would_drop(case)
    if sight is not None and sight.init is not None:
        yield Finding(
            SLUG,
            case.nsid,
            "warning",
            "possible",
            f"A {name(would_ask(case))} to {sight.init.name}, PID 1 of its namespace, is discarded: it has no handler. "
            "If it was asked to stop before sigtrace looked, that is why it did not.",
            masks(sight),
            install(case),
        )


CAUSE = Cause(SLUG, "a signal discarded for want of a handler", check)
