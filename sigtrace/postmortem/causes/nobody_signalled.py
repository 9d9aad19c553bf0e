"""The namespace was not asked to stop: the process that should have asked hangs (a preStop hook, the kubelet)."""

from __future__ import annotations

from collections.abc import Iterator

from sigtrace.postmortem.case import Case
from sigtrace.postmortem.cause import Cause
from sigtrace.postmortem.finding import Finding
from sigtrace.units import duration


def check(case: Case) -> Iterator[Finding]:
    """Report a namespace that still exists although no request came to its init, nor from outside to a member."""
    outside = (e for e in case.to_others if e.asks and e.relation != "same")
    if case.requests or case.exit or any(outside) or _is_ending(case):
        return
    yield Finding(
        "nobody-signalled",
        case.nsid,
        "notice",
        "certain",
        f"In the {duration(case.until - case.since)} that were recorded nobody asked this namespace to stop.",
        (f"no signal that asks its init to end among {len(case.batch)} events",),
        "look at who should have stopped it: a preStop hook that runs, the kubelet or the runtime that hangs, a "
        "volume that cannot be unmounted",
    )


def _is_ending(case: Case) -> bool:
    last = case.last
    return last is not None and (last.init is None or last.init.exiting)


CAUSE = Cause(
    "nobody-signalled",
    "a stop that was never sent",
    check,
    needs=("history",),
    residual=True,
    by_absence=True,
)
