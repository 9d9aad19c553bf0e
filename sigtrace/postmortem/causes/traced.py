"""A tracer (a debugger, strace) is attached: it sees each signal first, and may suppress it (ptrace(2))."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sigtrace.postmortem.case import Case
from sigtrace.postmortem.cause import Cause
from sigtrace.postmortem.checks import lines, weight
from sigtrace.postmortem.event import Event
from sigtrace.postmortem.finding import Finding, numbers
from sigtrace.postmortem.period import Period, seen, subject_exits, subject_goes_on
from sigtrace.postmortem.snapshot import Snapshot, Task
from sigtrace.postmortem.survivors import held
from sigtrace.text import shorten

_ADVICE = "detach the tracer, or end it; then send the signal again"
_LATER = "find out who attached it, and detach a tracer before a stop"


def of_process(case: Case) -> Iterator[Finding]:
    """Report requests that a tracer holds back, and a process in a ptrace-stop."""
    traced = [e for e in case.requests if e.traced and e.verdict in ("queued", "coalesced")]
    late = [f for e in traced if (f := case.fate_of(e)) and f.verdict == "dropped_at_deliver"]
    discarded = [e for e in traced if case.fate_of(e) in late]
    snapshot = next((each for each in reversed(case.snapshots) if _tracee(each)), None)
    shown = (snapshot.line(str(snapshot.subject)),) if snapshot else ()
    tracer = _tracer(snapshot.subject) if snapshot and snapshot.subject else "a tracer"
    if discarded:
        yield Finding(
            "traced",
            case.nsid,
            "error",
            "certain",
            f"{discarded[0].signal_name} to {discarded[0].target} went to {tracer}, which traced it; it was discarded "
            "at delivery: no handler.",
            lines([*discarded, *late]) + shown,
            f"{_ADVICE}, and install a handler for it",
            numbers(*discarded, *late),
        )
    stop = seen(case, lambda each: bool((task := _tracee(each)) and task.state == "t"), subject_goes_on(case))
    lost = [e for e in traced if case.fate_of(e) is None and (stop or case.outlasted(e))]
    if not discarded and (lost or (stop and (case.live or case.requests))):
        yield _held_back(case, stop or _attached(case, lost), lost, tracer, shown)


def _held_back(
    case: Case, period: Period, lost: Sequence[Event], tracer: str, shown: tuple[str, ...]
) -> Finding:
    """Return the finding about requests that went to the tracer, or about a process in a tracing stop."""
    last = next((s.subject for s in reversed(case.snapshots) if s.subject), None)
    if lost:
        what = f"{lost[0].signal_name} to {lost[0].target} went to {tracer}, which {period.tell('traces', 'traced')} it"
    else:
        what = f"{last.name if last else ''} {period.tell('is', 'was')} held in a tracing stop by {tracer}"
    severity, _ = weight(case, period)
    return Finding(
        "traced",
        case.nsid,
        severity,
        "likely",
        f"{what}; it {period.tell('has not acted', 'did not act')} on it.",
        lines(lost) + shown + period.evidence,
        period.tell(_ADVICE, _LATER),
        numbers(*lost),
        period=period,
    )


def _attached(case: Case, lost: Sequence[Event]) -> Period:
    """Return the period in which a tracer was attached, by snapshots, or else by the requests that it got."""
    period = seen(case, lambda each: _tracee(each) is not None, subject_goes_on(case))
    if period:
        return period
    exit = subject_exits(case)(case.events)
    over = (exit.time, str(exit)) if exit else (0, "")
    return Period(lost[0].time, lost[-1].time, *over)


def _tracee(snapshot: Snapshot) -> Task | None:
    """Return the subject if it is alive and traced."""
    task = snapshot.subject
    return task if task and task.tracer_pid and not task.exiting else None


def _tracer(task: Task) -> str:
    return f"{shorten(task.tracer_comm, 16)}[{task.tracer_pid}]"


def survivors_in_a_stop(case: Case) -> Iterator[Finding]:
    """Report survivors in a ptrace-stop."""
    found = held(case, "traced")
    if found is None:
        return
    severity, confidence = weight(case, found.period)
    yield Finding(
        "traced",
        case.nsid,
        severity,
        confidence,
        found.period.tell("The namespace cannot end: ", "The namespace could not end while ")
        + f"{found.first.name} {found.period.tell('is', 'was')} held in a tracing stop by {_tracer(found.first)}.",
        found.evidence,
        found.period.tell(_ADVICE, _LATER),
        period=found.period,
    )


CAUSE = Cause(
    "traced",
    "a tracer",
    survivors_in_a_stop,
    of_process,
    instead_of=("dropped-at-deliver", "blocked-forever"),
)
