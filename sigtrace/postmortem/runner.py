"""Runs the checks on a case, each independently, and keeps the most specific findings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sigtrace.clock import iso
from sigtrace.events.container import COLUMNS
from sigtrace.events.losses import reservation
from sigtrace.postmortem.case import Case
from sigtrace.postmortem.cause import Cause
from sigtrace.postmortem.causes import all_causes
from sigtrace.postmortem.finding import Finding
from sigtrace.postmortem.relevance import ordered
from sigtrace.postmortem.subject import judged


@dataclass(frozen=True)
class Report:
    """The result of a postmortem."""

    case: Case
    findings: tuple[Finding, ...]
    """In the order of `relevance.ordered`: the first explains the attempt to stop that is told."""
    ruled_out: tuple[Cause, ...]
    """The causes that were checked and not found."""
    unchecked: tuple[tuple[Cause, str], ...]
    """The causes that could not be checked, or not be decided yet, each with the reason."""
    failed: tuple[tuple[Cause, str], ...]
    """The checks that raised, each with the error: a bug in sigtrace, or a damaged recording."""
    problems: tuple[str, ...] = ()
    """What could not be read, in sentences."""

    @property
    def reasons(self) -> dict[str, list[str]]:
        """What was not checked, in the words of `Cause.absent`, by the reason."""
        found: dict[str, list[str]] = {}
        for cause, why in self.unchecked:
            found.setdefault(why, []).append(cause.absent)
        return found

    @property
    def reservation(self) -> str:
        """Why it cannot be said that nothing else happened, as `5 records of that time were lost`; empty if it can."""
        return reservation(self.case.losses)

    @property
    def nothing_found(self) -> str:
        """What to say if there are no findings: one sentence."""
        if not self.reservation:
            return "Nothing was found that keeps it from stopping."
        return f"Nothing was found in what was recorded; {self.reservation}."

    def _repr_html_(self) -> str:
        from sigtrace.notebook.findings import page

        return page(self)

    def rows(self) -> Iterator[dict[str, object]]:
        """Yield the findings for JSON Lines, with stable keys; those of the container are empty if it is not known."""
        container, stop = self.case.container, self.case.told
        values = container.columns if container else ("",) * len(COLUMNS)
        for finding in self.findings:
            yield {
                **finding.as_dict(),
                **dict(zip(COLUMNS, values, strict=True)),
                "stop": stop.as_dict() if stop else None,
                "host": self.case.host,
                "time": iso(began) if (began := self._began(finding)) else None,
                "records_lost": self.case.losses.total,
                "complete": self.case.losses.complete,
            }

    def _began(self, finding: Finding) -> int:
        """Return when the attempt that a finding is about began (ns UTC); 0 if no attempt was recorded."""
        if not finding.about:
            return self.case.told.first.time if self.case.told else 0
        row = min(finding.about)
        event = next((event for event in self.case.events if event.number == row), None)
        if event is None:  # one of many like it
            return int(self.case.batch.time[row].astype("i8"))
        stop = self.case.stop_of(event)
        return (stop.earlier or stop.first).time if stop else event.time


def diagnose(case: Case, checks: Sequence[Cause] | None = None, problems: tuple[str, ...] = ()) -> Report:
    """Run the checks (by default all) on a case; one that raises does not keep the others from running.

    problems: see `Report.problems`.
    """
    checks = all_causes() if checks is None else checks
    found: list[tuple[Cause, Finding]] = []
    ruled_out, unchecked, failed = [], [], []
    processes = judged(case)
    for cause in checks:
        lacks = cause.lacks(case)
        if lacks:
            unchecked.append((cause, lacks))
            continue
        try:
            findings = list(cause.findings(case, processes))
        except Exception as err:
            failed.append((cause, f"{type(err).__name__}: {err}"))
            continue
        found += [(cause, finding) for finding in findings]
        if not findings:
            undecided = cause.undecided(case)
            if undecided:
                unchecked.append((cause, undecided))
            else:
                ruled_out.append(cause)
    kept = [finding for cause, finding in found if not _replaced(cause, finding, found)]
    return Report(case, ordered(case, kept), tuple(ruled_out), tuple(unchecked), tuple(failed), problems)


def _replaced(cause: Cause, finding: Finding, found: list[tuple[Cause, Finding]]) -> bool:
    """Whether a finding of a more specific cause explains all its events; of a residual cause, whether any other."""
    others = [(each, other) for each, other in found if other is not finding]
    if cause.residual and others:
        return True
    return any(finding.cause in each.instead_of and finding.about <= other.about for each, other in others)
