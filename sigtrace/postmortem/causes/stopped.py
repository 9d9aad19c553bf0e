"""The init is stopped (SIGSTOP): it acts on no signal until SIGCONT, except on SIGKILL from outside."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sigtrace.postmortem.case import Case
from sigtrace.postmortem.cause import Cause
from sigtrace.postmortem.checks import lines, weight
from sigtrace.postmortem.event import Event
from sigtrace.postmortem.finding import Finding, numbers
from sigtrace.postmortem.period import Period, seen, subject_goes_on
from sigtrace.postmortem.snapshot import Snapshot
from sigtrace.signals import CONT, KILL, STOP


def check(case: Case) -> Iterator[Finding]:
    """Report a process in state T, or requests that came while it was stopped."""
    asked = [e for e in case.requests if e.verdict in ("queued", "coalesced") and e.signal != KILL]
    unanswered = [e for e in asked if case.stopped_at(e.time) and _undelivered(case, e.time, e.signal)]
    snapshot = next((each for each in reversed(case.snapshots) if _is_stopped(each)), None)
    period = _period(case, unanswered)
    if period is None or not (unanswered or case.live or case.requests):
        return
    waiting = [e for e in asked if snapshot and _lasts(case, e, snapshot.time)] or unanswered
    stops = [
        e for e in case.to_subject if e.signal == STOP and e.stage == "generate" and e.time <= period.last
    ]
    name = snapshot.subject.name if snapshot and snapshot.subject else waiting[0].target
    severity, confidence = weight(case, period, "error" if waiting else "warning")
    yield Finding(
        "stopped",
        case.nsid,
        severity,
        "certain" if unanswered else confidence,
        f"{name} {period.tell('is', 'was')} stopped: it acts on a signal once SIGCONT resumes it"
        + period.tell(".", ", and not before."),
        lines([*stops[-1:], *waiting])
        + ((snapshot.line(str(snapshot.subject)),) if snapshot else ())
        + period.evidence,
        period.tell(
            "resume it: kill -CONT from outside the container; see who stopped it", "see who stopped it"
        ),
        numbers(*waiting),
        period=period,
    )


def _period(case: Case, unanswered: Sequence[Event]) -> Period | None:
    """Return when it was stopped: by snapshots, and by requests that were sent between SIGSTOP and SIGCONT."""
    period = seen(case, _is_stopped, subject_goes_on(case, _goes_on))
    times = [each.time for each in unanswered] + ([period.first, period.last] if period else [])
    if not times or (period and not case.stopped_at(period.last)):
        return period
    last = max(times)
    began = [
        e.time for e in case.to_subject if e.signal == STOP and e.time <= min(times) and e.stage == "deliver"
    ]
    over = next((e for e in case.to_subject if e.time > last and _goes_on(e)), None)
    proof = (
        (period.over, period.proof) if period and period.past else (over.time, str(over)) if over else (0, "")
    )
    return Period(max(began, default=min(times)), last, *proof)


def _lasts(case: Case, request: Event, time: int) -> bool:
    """Whether a request was sent before that time, and its attempt had not ended by then."""
    stop = case.stop_of(request)
    return request.time <= time and stop is not None and (stop.exit is None or stop.exit.time >= time)


def _is_stopped(snapshot: Snapshot) -> bool:
    task = snapshot.subject
    return task is not None and not task.exiting and task.state == "T"


def _goes_on(event: Event) -> bool:
    """Whether an event of a process shows that it is not stopped any more.

    prepare_signal() in kernel/signal.c resumes the target as SIGCONT is sent, complete_signal() as SIGKILL is queued.
    """
    if event.stage == "generate":
        return event.signal == CONT or (event.signal == KILL and event.verdict == "queued")
    return event.stage in ("deliver", "exit")


def _undelivered(case: Case, time: int, signal: int) -> bool:
    """Whether the signal was not delivered before SIGCONT or SIGKILL."""
    for event in case.to_subject:
        if event.time >= time and event.stage == "deliver" and event.signal == signal:
            return False
        if event.time > time and event.stage == "generate" and _goes_on(event):
            return event.signal == KILL
    return True


CAUSE = Cause(
    "stopped",
    "a stopped process",
    process=check,
    instead_of=("blocked-forever", "synchronous-consumer", "slow-handler", "not-delivered"),
)
