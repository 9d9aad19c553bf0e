"""Ranks namespaces: by the worst finding, then by the time that the stop took."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sigtrace import signals
from sigtrace.postmortem import end
from sigtrace.postmortem.case import Case
from sigtrace.postmortem.causes import all_causes
from sigtrace.postmortem.finding import SEVERITIES, Severity
from sigtrace.postmortem.runner import Report, diagnose
from sigtrace.postmortem.stop import Stop
from sigtrace.units import duration


@dataclass(frozen=True)
class Standing:
    """One namespace in a list."""

    report: Report

    @property
    def told(self) -> Stop | None:
        """The attempt to stop it that is told; None without an attempt."""
        return self.report.case.told

    @property
    def took(self) -> int:
        """The time until that attempt, or one after it, ended the init, or until now, in ns."""
        case, stop = self.report.case, self.told
        if stop is None:
            return 0
        until = case.exit.time if case.exit else case.until
        return until - stop.first.time if stop.took is None else stop.took

    @property
    def severity(self) -> Severity | None:
        """The severity of its worst finding; None without one."""
        return min((each.severity for each in self.report.findings), key=SEVERITIES.index, default=None)

    @property
    def outcome(self) -> str:
        """How it ended, in a few words."""
        return f"{self.ended} {duration(self.took)}" if self._timed else self.ended

    @property
    def ended(self) -> str:
        """The same without the time that it took: `killed after`."""
        case = self.report.case
        if case.failed_start:
            return "failed to start"
        return _ended(case) if self._timed else end.how(case) or ("not known" if case.live else "not asked")

    @property
    def _timed(self) -> bool:
        """Whether the time from the request to the end is known."""
        return bool(self.report.case.stops) and not self.report.case.failed_start

    @property
    def signal(self) -> str:
        """The signal that asked it to end: `TERM`; `-`: it was not asked; `?`: not known, as it is a live case."""
        if self.told is None:
            return "?" if self.report.case.live else "-"
        return signals.name(self.told.first.signal).removeprefix("SIG")


def _ended(case: Case) -> str:
    """How the init ended, which may be by an attempt after the one that is told."""
    stop = case.stops[-1]
    if stop.exit is None:
        return "still there after"
    if stop.attempt.rebooted:
        return "shut down after"
    if stop.killer and stop.attempt.by_kernel:
        with_parent = stop.killer.origin == "parent_death"
        return "killed with its parent after" if with_parent else "killed by the kernel after"
    return "killed after" if stop.attempt.killed else "ended after"


def rank(cases: Iterable[Case]) -> list[Standing]:
    """Diagnose the cases and rank them, the worst first, without notices, which many healthy namespaces have."""
    standings, checks = [], all_causes()
    for case in cases:
        report = diagnose(case, checks)
        grave = tuple(finding for finding in report.findings if finding.severity != "notice")
        report = Report(case, grave, report.ruled_out, report.unchecked, report.failed)
        standings.append(Standing(report))
    return sorted(standings, key=_stuck)


def _stuck(standing: Standing) -> tuple[int, int, int]:
    severity = SEVERITIES.index(standing.severity) if standing.severity else len(SEVERITIES)
    return severity, -standing.took, standing.report.case.nsid
