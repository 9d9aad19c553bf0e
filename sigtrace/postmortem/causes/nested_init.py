"""The init of a PID namespace inside this one (Docker in Docker, bwrap, unshare) drops the signal."""

from __future__ import annotations

from collections.abc import Iterator

from sigtrace.postmortem.case import Case
from sigtrace.postmortem.cause import Cause
from sigtrace.postmortem.checks import lines
from sigtrace.postmortem.finding import Finding, numbers
from sigtrace.signals import KILL, STOP


def check(case: Case) -> Iterator[Finding]:
    """Report requests that were dropped for the init of a namespace below."""
    below = [e for e in case.to_others if e.is_init and e.nsid != case.nsid and e.signal not in (KILL, STOP)]
    dropped = [e for e in below if e.verdict == "dropped_at_generate" and e.asks]
    dropped += [e for e in below if e.verdict == "dropped_at_deliver"]
    for nsid in dict.fromkeys(e.nsid for e in dropped):
        events = [e for e in dropped if e.nsid == nsid]
        first = events[0]
        yield Finding(
            "nested-init",
            case.nsid,
            "error",
            "certain",
            f"{first.signal_name} went to {first.target}, the init of the namespace {nsid} inside this one, and "
            "was discarded: it has no handler for it.",
            lines(events),
            "install a handler for it in that program, or start it under a small init; "
            f"`sigtrace postmortem --ns {nsid}` looks at that namespace",
            numbers(*events),
        )


CAUSE = Cause("nested-init", "an init of a namespace inside", check, needs=("events",))
