"""What a check consists of: a stop, and the other trials that only make sense if that works."""

from __future__ import annotations

from dataclasses import dataclass

from sigtrace.check.plan import Plan
from sigtrace.check.subject import Subject
from sigtrace.check.trial import Reaps, Trial, leave_orphan, stop, stop_at_start, stop_twice
from sigtrace.check.witness import Source, Witness


@dataclass(frozen=True)
class Facts:
    """All that was observed of one subject."""

    name: str
    plan: Plan
    main: Trial
    source: Source = "proc"
    """Where an explanation comes from."""
    early: Trial | None = None
    """The stop right after the start; None: not tried."""
    twice: Trial | None = None
    """The stop with a second signal; None: not tried."""
    reaps: Reaps = ""


def examine(subject: Subject, plan: Plan, witness: Witness) -> Facts:
    """Check a subject. Raises BadInput if it cannot be started, SigtraceError if this host cannot run it."""
    with subject:
        main = stop(subject, plan, witness)
        if plan.quick or not main.sent:
            return Facts(subject.name, plan, main, witness.source)
        reaps = leave_orphan(subject, plan)
        if main.killed:
            return Facts(subject.name, plan, main, witness.source, reaps=reaps)
        early = stop_at_start(subject, plan, main.took)
        twice = stop_twice(subject, plan)
        return Facts(subject.name, plan, main, witness.source, early, twice, reaps)
