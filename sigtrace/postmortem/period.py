"""States that snapshots show: from when to when, and what shows that they are over.

A snapshot shows one moment. Whatever a check reads from it, that a process is frozen, or a zombie not reaped, may have
been over a moment later. A check therefore asks for the period of a state: `seen` compares all snapshots and the events
after them. What is over is told in the past tense, and with less weight: see `checks.weight`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from sigtrace.postmortem.case import SETTLED, Case
from sigtrace.postmortem.event import Event
from sigtrace.postmortem.snapshot import Snapshot

Ends = Callable[[Iterable[Event]], Event | None]
"""Of events in the order of time, returns the one that ends a state; None if none does."""


@dataclass(frozen=True)
class Period:
    """The time of one state. Times are ns UTC."""

    first: int
    """When it was seen first."""
    last: int
    """When it was seen last."""
    over: int = 0
    """When something showed that it was over; 0: nothing did."""
    proof: str = ""
    """That event or snapshot, as a line of evidence; empty if nothing showed it."""

    @property
    def past(self) -> bool:
        """Whether it is known to be over."""
        return self.over > 0

    @property
    def settled(self) -> bool:
        """Whether it was seen at two moments that are SETTLED apart: one alone may be a passing one."""
        return self.last - self.first >= SETTLED

    @property
    def evidence(self) -> tuple[str, ...]:
        """The line that shows that it is over; none if nothing does."""
        return (self.proof,) if self.proof else ()

    def tell(self, now: str, then: str) -> str:
        """Return `now` for a state that is not known to be over, else `then`."""
        return then if self.past else now


def seen(
    case: Case,
    shows: Callable[[Snapshot], bool | None],
    ends: Ends = lambda _: None,
) -> Period | None:
    """Return the last period in which snapshots show a state; None if none does.

    shows: whether a snapshot shows it; None: it cannot tell. ends: which of the events after the last such snapshot
    ends it. A later snapshot that does not show it ends it too, unless something could not be read for that.
    """
    showing = [None if not (it := shows(each)) and each.space.problem else it for each in case.snapshots]
    if not any(showing):
        return None
    which = len(showing) - 1 - showing[::-1].index(True)
    first = last = case.snapshots[which]
    for each, shown in zip(case.snapshots[which::-1], showing[which::-1], strict=True):
        if shown:
            first = each
        elif shown is not None:
            break
    after = zip(case.snapshots[which + 1 :], showing[which + 1 :], strict=True)
    proofs = [(each.time, each.line(_shown(each))) for each, shown in after if shown is not None][:1]
    event = ends(each for each in case.events if each.time > last.time)
    proofs += [(event.time, str(event))] if event else []
    over, proof = min(proofs, default=(0, ""))
    return Period(first.time, last.time, over, proof)


def _shown(snapshot: Snapshot) -> str:
    """What a snapshot shows of its subject."""
    if snapshot.subject_pid is None:
        return snapshot.summary
    return str(snapshot.subject) if snapshot.subject else f"{snapshot.summary}, and it is gone"


def subject_goes_on(case: Case, goes_on: Callable[[Event], bool] | None = None) -> Ends:
    """Return what finds the first event that shows that the case's subject is not held any more.

    goes_on: whether one of its events shows that; by default that it takes a signal, runs a program, or exits.
    """
    own = {each.number for each in case.to_subject}

    def first(later: Iterable[Event]) -> Event | None:
        events = (each for each in later if each.number in own)
        return next((each for each in events if (goes_on or _acts)(each)), None)

    return first


def subject_exits(case: Case) -> Ends:
    """Return what finds the exit of the case's subject."""
    return subject_goes_on(case, lambda event: event.stage == "exit")


def _acts(event: Event) -> bool:
    return event.stage in ("deliver", "exec", "exit")


def all_exit(pids: Iterable[int]) -> Ends:
    """Return what finds the event by which the last of these processes has exited; None if one has not."""
    wanted = frozenset(pids)

    def last(later: Iterable[Event]) -> Event | None:
        left = set(wanted)
        for each in later:
            if each.stage == "exit" and each.target_pid in left:
                left.remove(each.target_pid)
                if not left:
                    return each
        return None

    return last
