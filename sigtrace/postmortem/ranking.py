"""Ranks namespaces: by the worst finding, then by the longest time that a stop took."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sigtrace import signals
from sigtrace.postmortem.case import Case
from sigtrace.postmortem.causes import all_causes
from sigtrace.postmortem.finding import SEVERITIES
from sigtrace.postmortem.runner import Report, diagnose
from sigtrace.postmortem.stop import Stop
from sigtrace.units import duration


@dataclass(frozen=True)
class Standing:
    """One namespace in a list."""

    report: Report
    worst: Stop | None
    """The attempt to stop it that took longest; None without an attempt."""

    @property
    def took(self) -> int:
        """The time that attempt took, or has taken so far, in ns."""
        return _took(self.worst, self.report.case) if self.worst else 0

    @property
    def outcome(self) -> str:
        """How it ended, in a few words."""
        case = self.report.case
        if case.failed_start:
            return "failed to start"
        if self.worst:
            return f"{_ended(self.worst)} {duration(self.took)}"
        if case.ended_by_kernel:
            return "killed by the kernel"
        return "ended by itself" if case.exit else "not known" if case.live else "not asked"

    @property
    def signal(self) -> str:
        """The signal that asked it to end: `TERM`; `-`: it was not asked; `?`: not known, as it is a live case."""
        if self.worst is None:
            return "?" if self.report.case.live else "-"
        return signals.name(self.worst.first.signal).removeprefix("SIG")


def _ended(stop: Stop) -> str:
    if stop.exit is None:
        return "still there after"
    if stop.attempt.by_kernel:
        return "killed by the kernel after"
    return "killed after" if stop.attempt.killed else "ended after"


def rank(cases: Iterable[Case]) -> list[Standing]:
    """Diagnose the cases and rank them, the worst first, without notices, which many healthy namespaces have."""
    standings, checks = [], all_causes()
    for case in cases:
        report = diagnose(case, checks)
        grave = tuple(finding for finding in report.findings if finding.severity != "notice")
        report = Report(case, grave, report.ruled_out, report.unchecked, report.failed)
        worst = max(case.stops, key=lambda each: _took(each, case), default=None)
        standings.append(Standing(report, worst))
    return sorted(standings, key=_stuck)


def _stuck(standing: Standing) -> tuple[int, int, int]:
    findings = standing.report.findings
    severity = SEVERITIES.index(findings[0].severity) if findings else len(SEVERITIES)
    return severity, -standing.took, standing.report.case.nsid


def _took(stop: Stop, case: Case) -> int:
    return case.until - stop.first.time if stop.took is None else stop.took
