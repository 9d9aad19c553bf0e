"""The process that was asked to stop is not PID 1 (hostPID, shareProcessNamespace): it has no init protection."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sigtrace.postmortem.case import PATIENCE, SETTLED, Case
from sigtrace.postmortem.cause import Cause
from sigtrace.postmortem.checks import lines
from sigtrace.postmortem.event import Event
from sigtrace.postmortem.finding import Finding, numbers
from sigtrace.signals import KILL
from sigtrace.units import duration

_WHY = {
    "ignored": "it ignores that signal (SIG_IGN)",
    "handled": "its handler ran, and it did not end",
    "blocked": "it blocks that signal",
}


def check(case: Case) -> Iterator[Finding]:
    """Report members that were asked to end from outside and did not before SIGKILL; the init was not asked."""
    if case.requests or case.exit:
        return
    asked = [e for e in case.to_others if e.asks and e.relation == "ancestor" and not e.is_init]
    for pid in dict.fromkeys(e.target_pid for e in asked if e.signal != KILL):
        requests = [e for e in asked if e.target_pid == pid]
        first = next(e for e in requests if e.signal != KILL)
        kill = next((e for e in requests if e.signal == KILL and e.time - first.time > SETTLED), None)
        fates = [e for e in case.to_others if e.target_pid == pid and e.time >= first.time]
        ended = next((e for e in fates if e.stage == "exit"), None)
        if not (kill or first.verdict == "ignored") or (ended and kill and ended.time < kill.time):
            continue
        late = ended.time - first.time if ended else 0
        if ended and not kill and late < PATIENCE:
            continue  # it ended without SIGKILL after all, for another reason
        until = f" until {duration(late)} later" if ended else ""
        yield Finding(
            "not-an-init",
            case.nsid,
            "error" if kill else "warning",
            "certain",
            f"{first.signal_name} went to {first.target}, which is not PID 1 but number {first.target_ns_pid} of its "
            f"namespace; it did not end{until}: {_WHY[_reason(first, fates)]}.",
            lines([each for each in (first, kill, ended) if each]),
            "look at the program itself: PID 1 and its protection have no part in this (hostPID, "
            "shareProcessNamespace, or a process started by exec)",
            numbers(*requests),
        )


def _reason(asked: Event, after: Sequence[Event]) -> str:
    if asked.verdict == "ignored":
        return "ignored"
    delivered = any(e.stage == "deliver" and e.signal == asked.signal for e in after)
    return "handled" if delivered else "blocked"


CAUSE = Cause("not-an-init", "a stop sent to a process that is not PID 1", check, needs=("events", "members"))
