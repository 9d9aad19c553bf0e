"""What a cause declares: its slug, what it needs, and the check. One module of `causes/` each, found by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from sigtrace.postmortem.case import Case
from sigtrace.postmortem.checks import too_early
from sigtrace.postmortem.finding import Finding

Need = Literal["events", "history", "members", "snapshot"]
"""events: signals were recorded, for however long. history: and before anybody asked, so that what is not there did
not happen. members: and those to others than inits. snapshot: there is one at least."""

_WHY: dict[Need, str] = {
    "events": "no signals were recorded",
    "history": "nothing is known of the time before",
    "members": "only signals to inits were recorded",
    "snapshot": "there is no snapshot",
}
_TOO_EARLY = "it is too early to tell"


@dataclass(frozen=True)
class Cause:
    """One reason why a namespace does not stop."""

    slug: str
    absent: str
    """What is ruled out when the check finds nothing: completes "Ruled out: ..."."""
    check: Callable[[Case], Iterable[Finding]]
    """Pure: looks at the case, and at nothing else."""
    needs: tuple[Need, ...] = ()
    instead_of: tuple[str, ...] = ()
    """Causes that are less than the whole truth where this one holds: their findings about the same events go."""

    residual: bool = False
    """Worth saying only where no other cause was found."""

    waits: bool = False
    """It is found only when those who were asked have had their time, or SIGKILL came."""

    def lacks(self, case: Case) -> str:
        """Why it cannot be checked in this case; empty if it can."""
        there = {"events": case.has_events, "history": case.has_events and not case.live}
        there |= {"members": case.has_events and case.has_members, "snapshot": bool(case.sights)}
        return next((_WHY[need] for need in self.needs if not there[need]), "")

    def undecided(self, case: Case) -> str:
        """Why it is not ruled out, though the check found nothing; empty if it is."""
        if self.waits and too_early(case):
            return _TOO_EARLY
        return _WHY["history"] if case.live and "events" in self.needs else ""
