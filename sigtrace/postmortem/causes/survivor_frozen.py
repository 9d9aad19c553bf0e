"""A frozen process does not act on signals; under the cgroup v1 freezer not even on SIGKILL."""

from __future__ import annotations

from collections.abc import Iterator

from sigtrace.postmortem.case import Case
from sigtrace.postmortem.cause import Cause
from sigtrace.postmortem.checks import lines, weight
from sigtrace.postmortem.event import Event
from sigtrace.postmortem.finding import Finding, numbers
from sigtrace.postmortem.period import Period, seen, subject_goes_on
from sigtrace.postmortem.snapshot import Snapshot
from sigtrace.postmortem.survivors import held

_ADVICE = (
    "thaw it: docker unpause, podman unpause, lxc-unfreeze; or 0 into cgroup.freeze (v2), THAWED into "
    "freezer.state (v1)"
)
_LATER = "find out who froze it, and thaw a container before it is stopped"


def check(case: Case) -> Iterator[Finding]:
    """Report frozen processes that keep the namespace from ending."""
    found = held(case, "frozen")
    if found is None:
        return
    first, period = found.first, found.period
    are = (
        f" and {found.more} more {period.tell('are', 'were')}"
        if found.more
        else f" {period.tell('is', 'was')}"
    )
    severity, confidence = weight(case, period)
    yield Finding(
        "survivor-frozen",
        case.nsid,
        severity,
        confidence,
        period.tell(
            f"The namespace cannot end: {first.name}{are} frozen by cgroup {first.frozen} and cannot die.",
            f"The namespace could not end while {first.name}{are} frozen by cgroup {first.frozen}.",
        ),
        found.evidence,
        period.tell(_ADVICE, _LATER),
        period=period,
    )


def of_process(case: Case) -> Iterator[Finding]:
    """Report a frozen process that was asked to end, or a frozen init of a live namespace."""
    period = seen(case, _is_frozen, subject_goes_on(case))
    if period is None or held(case, "frozen") or not (case.requests or case.live):
        return
    snapshot = next(each for each in reversed(case.snapshots) if _is_frozen(each))
    assert snapshot.subject is not None
    waiting = [event for event in case.requests if _waits(case, event, period)]
    severity, confidence = weight(case, period, "error" if case.requests else "warning")
    yield Finding(
        "survivor-frozen",
        case.nsid,
        severity,
        confidence if case.requests else "possible",
        f"{snapshot.subject.name} {period.tell('is', 'was')} frozen by cgroup {snapshot.subject.frozen}: it acts on a "
        f"signal once it is thawed{period.tell('', ', and not before')}.",
        (*lines(waiting), snapshot.line(str(snapshot.subject)), *period.evidence),
        period.tell(_ADVICE, _LATER),
        numbers(*waiting),
        period=period,
    )


def _is_frozen(snapshot: Snapshot) -> bool:
    task = snapshot.subject
    return task is not None and not task.exiting and task.frozen != ""


def _waits(case: Case, event: Event, period: Period) -> bool:
    """Whether a request was queued, not delivered before the process was seen frozen, nor sent after it was thawed."""
    fate = case.fate_of(event)
    late = period.past and event.time > period.over
    return (
        event.verdict in ("queued", "coalesced") and not late and (fate is None or fate.time > period.first)
    )


CAUSE = Cause(
    "survivor-frozen",
    "a frozen cgroup",
    check,
    of_process,
    needs=("snapshot",),
    instead_of=("not-delivered",),
)
