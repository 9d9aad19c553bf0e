"""What a cause declares: its slug, the data it needs, and its check. `causes.all_causes` finds one in each module."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from sigtrace.events.losses import reservation
from sigtrace.postmortem.case import Case
from sigtrace.postmortem.checks import too_early
from sigtrace.postmortem.finding import Finding
from sigtrace.postmortem.routes import joined, routed

Need = Literal["events", "history", "members", "snapshot"]
"""events: signals were recorded, for however short a time. history: they were recorded before the first request, so
that what was not recorded did not happen. members: signals to processes other than inits were recorded too. snapshot:
there is at least one snapshot."""

_WHY: dict[Need, str] = {
    "events": "no signals were recorded",
    "history": "nothing is known of the time before",
    "members": "only signals to inits were recorded",
    "snapshot": "there is no snapshot",
}
_TOO_EARLY = "it is too early to tell"

Check = Callable[[Case], Iterable[Finding]]
"""A pure function of the case."""


def _nothing(_case: Case) -> Iterable[Finding]:
    return ()


@dataclass(frozen=True)
class Cause:
    """One reason why a namespace does not stop."""

    slug: str
    absent: str
    """What is ruled out if the check finds nothing; completes the sentence "Ruled out: ..."."""
    check: Check = _nothing
    """What it finds about the namespace."""
    process: Check = _nothing
    """What it finds about one process: it is called for each case of `subject.judged`."""
    needs: tuple[Need, ...] = ()
    instead_of: tuple[str, ...] = ()
    """Slugs of less specific causes, whose findings about the same events this one replaces."""

    residual: bool = False
    """It is reported only if no other cause was found."""

    waits: bool = False
    """The check finds it only once the init has had PATIENCE to end, or SIGKILL came."""

    by_absence: bool = False
    """The check takes what was not recorded for what did not happen: it needs all records."""

    def findings(self, case: Case, judged: Sequence[Case]) -> Iterator[Finding]:
        """Yield what it finds; what it finds about several processes that a request was passed on to, as one.

        judged: `subject.judged` of the case.
        """
        yield from self.check(case)
        about_members: list[Finding] = []
        for each in judged:
            if each.subject is None:
                yield from self.process(each)
            else:
                about_members += (routed(each, finding) for finding in self.process(each))
        yield from joined(about_members)

    def lacks(self, case: Case) -> str:
        """Return why it cannot be checked in this case; empty if it can."""
        if self.by_absence and not case.losses.complete:
            return reservation(case.losses)
        present = {"events": case.has_events, "history": case.has_events and not case.live}
        present |= {"members": case.has_events and case.has_members, "snapshot": bool(case.snapshots)}
        return next((_WHY[need] for need in self.needs if not present[need]), "")

    def undecided(self, case: Case) -> str:
        """Return why it is not ruled out although the check found nothing; empty if it is ruled out."""
        if self.waits and too_early(case):
            return _TOO_EARLY
        if not case.losses.complete and self.needs != ("snapshot",):
            return reservation(case.losses)
        return _WHY["history"] if case.live and "events" in self.needs else ""
