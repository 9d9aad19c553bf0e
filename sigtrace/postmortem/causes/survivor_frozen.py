"""A frozen process does not act on signals; under the cgroup v1 freezer not even on SIGKILL."""

from __future__ import annotations

from collections.abc import Iterator

from sigtrace.postmortem.case import Case
from sigtrace.postmortem.cause import Cause
from sigtrace.postmortem.checks import lines
from sigtrace.postmortem.finding import Finding, numbers
from sigtrace.postmortem.survivors import ending, held, why_gone

_ADVICE = (
    "thaw it: docker unpause, podman unpause, lxc-unfreeze; or 0 into cgroup.freeze (v2), THAWED into "
    "freezer.state (v1)"
)


def check(case: Case) -> Iterator[Finding]:
    """Report frozen processes that keep the namespace from ending."""
    survivors, end = held(case, "frozen"), ending(case)
    if survivors and end:
        first = survivors[0].task
        more = f" and {len(survivors) - 1} more are" if len(survivors) > 1 else " is"
        yield Finding(
            "survivor-frozen",
            case.nsid,
            "error",
            "certain",
            f"The namespace cannot end: {first.name}{more} frozen by cgroup {first.frozen} and cannot die.",
            why_gone(end) + tuple(end.snapshot.line(str(s.task)) for s in survivors[:5]),
            _ADVICE,
            numbers(*case.requests),
        )


def of_process(case: Case) -> Iterator[Finding]:
    """Report a frozen process that was asked to end, or a frozen init of a live namespace."""
    snapshot = case.snapshot_of_subject()
    if (
        held(case, "frozen")
        or snapshot is None
        or snapshot.subject is None
        or not snapshot.subject.frozen
        or not (case.requests or case.live)
    ):
        return
    yield Finding(
        "survivor-frozen",
        case.nsid,
        "error" if case.requests else "warning",
        "certain" if case.requests else "possible",
        f"{snapshot.subject.name} is frozen by cgroup {snapshot.subject.frozen}: it acts on a signal once it is "
        "thawed.",
        (*lines(case.requests), snapshot.line(str(snapshot.subject))),
        _ADVICE,
        numbers(*(e for e in case.requests if e.verdict == "queued")),
    )


CAUSE = Cause("survivor-frozen", "a frozen cgroup", check, of_process, needs=("snapshot",))
