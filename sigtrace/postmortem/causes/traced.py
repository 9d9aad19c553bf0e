"""A tracer (a debugger, strace) is attached: it sees each signal first, and may suppress it (ptrace(2))."""

from __future__ import annotations

from collections.abc import Iterator

from sigtrace.postmortem.case import Case
from sigtrace.postmortem.cause import Cause
from sigtrace.postmortem.checks import lines
from sigtrace.postmortem.finding import Finding, numbers
from sigtrace.postmortem.survivors import ending, held, why_gone
from sigtrace.text import shorten

_ADVICE = "detach the tracer, or end it; then send the signal again"


def of_process(case: Case) -> Iterator[Finding]:
    """Report requests that a tracer holds back, and a process in a ptrace-stop."""
    snapshot = case.snapshot_of_subject()
    init = snapshot.subject if snapshot and snapshot.subject and snapshot.subject.tracer_pid else None
    held_up = init is not None and init.state == "t"
    traced = [e for e in case.requests if e.traced and e.verdict in ("queued", "coalesced")]
    late = [f for e in traced if (f := case.fate_of(e)) and f.verdict == "dropped_at_deliver"]
    lost = [e for e in traced if case.fate_of(e) is None and (held_up or case.outlasted(e))]
    held_back = [e for e in traced if case.fate_of(e) in late] + lost
    if not held_back and not (held_up and (case.live or case.requests)):
        return
    tracer = f"{shorten(init.tracer_comm, 16)}[{init.tracer_pid}]" if init else "a tracer"
    target = held_back[0].target if held_back else init.name if init else ""
    what = (
        f"{held_back[0].signal_name} to {target} went to {tracer}, which traces it"
        if held_back
        else (f"{target} is held in a tracing stop by {tracer}")
    )
    yield Finding(
        "traced",
        case.nsid,
        "error",
        "certain" if late else "likely",
        f"{what}; " + ("it was discarded at delivery: no handler." if late else "it has not acted on it."),
        lines([*held_back, *late]) + ((snapshot.line(str(init)),) if snapshot and init else ()),
        _ADVICE + (", and install a handler for it" if late else ""),
        numbers(*held_back, *late),
    )


def survivors_in_a_stop(case: Case) -> Iterator[Finding]:
    """Report survivors in a ptrace-stop."""
    survivors, end = held(case, "traced"), ending(case)
    if not survivors or end is None:
        return
    first = survivors[0].task
    yield Finding(
        "traced",
        case.nsid,
        "error",
        "certain",
        f"The namespace cannot end: {first.name} is held in a tracing stop by "
        f"{shorten(first.tracer_comm, 16)}[{first.tracer_pid}].",
        why_gone(end) + tuple(end.snapshot.line(str(s.task)) for s in survivors[:5]),
        _ADVICE,
    )


CAUSE = Cause(
    "traced",
    "a tracer",
    survivors_in_a_stop,
    of_process,
    instead_of=("dropped-at-deliver", "blocked-forever"),
)
