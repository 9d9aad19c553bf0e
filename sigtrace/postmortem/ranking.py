"""Which of many namespaces is stuck most: the worst finding first, then the longest time a stop took."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from sigtrace import signals
from sigtrace.postmortem.case import Case, Episode
from sigtrace.postmortem.causes import all_causes
from sigtrace.postmortem.event import Event
from sigtrace.postmortem.finding import SEVERITIES
from sigtrace.postmortem.runner import Report, diagnose
from sigtrace.postmortem.stop import stop_of
from sigtrace.units import duration


@dataclass(frozen=True)
class Standing:
    """One namespace in a list."""

    report: Report
    worst: Episode | None
    """The attempt to stop it that took longest."""

    @property
    def took(self) -> int:
        """How long that took, or has taken so far, in ns."""
        return _took(self.worst, self._first, self.report.case) if self.worst else 0

    @cached_property
    def _first(self) -> Event | None:
        return _began(self.worst, self.report.case) if self.worst else None

    @property
    def outcome(self) -> str:
        """What it came to, in a few words."""
        if self.report.case.failed_start:
            return "failed to start"
        if self.worst is None:
            return "not known" if self.report.case.live else "not asked"
        if self._first is None:
            return "ended by itself"
        how = "still there after"
        if self.worst.exit:
            how = "killed after" if self.worst.kill else "ended after"
        return f"{how} {duration(self.took)}"

    @property
    def signal(self) -> str:
        """What it was asked by: `TERM`; `-` if it was not, `?` if nobody knows."""
        if self._first is None:
            return "?" if self.report.case.live else "-"
        return signals.name(self._first.signal).removeprefix("SIG")


def rank(cases: Iterable[Case]) -> list[Standing]:
    """The namespaces, the most stuck first. Notices, which are true of many a healthy one, are left out."""
    standings, checks = [], all_causes()
    for case in cases:
        report = diagnose(case, checks)
        grave = tuple(finding for finding in report.findings if finding.severity != "notice")
        report = Report(case, grave, report.ruled_out, report.unchecked, report.failed)
        worst = max(case.episodes, key=lambda each: _took(each, _began(each, case), case), default=None)
        standings.append(Standing(report, worst))
    return sorted(standings, key=_stuck)


def _stuck(standing: Standing) -> tuple[int, int, int]:
    findings = standing.report.findings
    severity = SEVERITIES.index(findings[0].severity) if findings else len(SEVERITIES)
    return severity, -standing.took, standing.report.case.nsid


def _began(episode: Episode, case: Case) -> Event | None:
    """The signal that the stop is counted from; where nobody asked, the kernel's own SIGKILL."""
    stop = stop_of(episode, case.container)
    return stop.first if stop else episode.kill if episode.kill is not case.failed_start else None


def _took(episode: Episode, began: Event | None, case: Case) -> int:
    if began is None:
        return 0
    return (episode.exit.time if episode.exit else case.until) - began.time
