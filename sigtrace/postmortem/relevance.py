"""Orders findings: what explains the attempt to stop that is told comes first, and what happened outside of it last."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

from sigtrace.postmortem.case import Case
from sigtrace.postmortem.finding import CONFIDENCES, SEVERITIES, Finding
from sigtrace.postmortem.stop import Stop

Relevance = Literal["end", "request", "attempt", "apart"]
"""What a finding says of the attempt that is told. end: what still keeps the namespace from ending, though its init
was killed or has exited. request: what became of one of its requests, or of the SIGKILL that ended it. attempt:
something else while it lasted, or something without a time. apart: something outside of it."""

RELEVANCES: tuple[Relevance, ...] = ("end", "request", "attempt", "apart")


def ordered(case: Case, findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return findings, the one that explains the attempt that is told (`Case.told`) first.

    The keys of the order: whether it is about this attempt at all; whether it is more than a notice; `RELEVANCES`;
    whether it is not over; the severity; the confidence; how many of the attempt's requests it explains. The name of
    the cause only makes the order definite. A finding from outside the attempt says so, and is a warning at most if it
    is about no attempt: nobody asked the namespace to stop then, so that it made nothing hang.
    """
    if case.told is None:
        return tuple(sorted(findings, key=_weight))
    told = _Told(case, case.told)
    placed = [(told.relevance(each), each) for each in findings]
    return tuple(
        told.apart(each) if relevance == "apart" else each
        for relevance, each in sorted(placed, key=lambda pair: told.key(*pair))
    )


def _weight(finding: Finding) -> tuple[bool, int, int, str]:
    severity, confidence = SEVERITIES.index(finding.severity), CONFIDENCES.index(finding.confidence)
    return finding.past, severity, confidence, finding.cause


@dataclass(frozen=True)
class _Told:
    """The attempt that is told."""

    case: Case
    stop: Stop

    @cached_property
    def end(self) -> int:
        """The first row that belongs to a later attempt; the number of rows if there is none."""
        rows = [int(each.rows[0]) for each in self.case.attempts if each.rows[0] > self.stop.attempt.rows[0]]
        return min(rows, default=len(self.case.batch))

    @property
    def began(self) -> int:
        """When it began: ns UTC."""
        return (self.stop.earlier or self.stop.first).time

    @cached_property
    def requests(self) -> frozenset[int]:
        """The rows of its requests, of the deliveries that followed them, and of the SIGKILL that ended the init."""
        rows = set(self.stop.attempt.rows.tolist())
        asked = [event for event in self.case.requests if event.number in rows]
        fates = {fate.number for event in asked if (fate := self.case.fate_of(event))}
        return frozenset(rows | fates | ({self.stop.kill.number} if self.stop.kill else set()))

    def lasts(self, row: int) -> bool:
        """Whether a row of the batch is from its first request on, and before the next attempt."""
        return bool(self.stop.attempt.rows[0] <= row < self.end)

    def relevance(self, finding: Finding) -> Relevance:
        """Return the relevance of a finding to the attempt."""
        period, end = finding.period, self.stop.kill or self.stop.exit
        if period and not period.past and end and period.last >= end.time:
            return "end"
        if finding.about & self.requests:
            return "request"
        if finding.about:
            return "attempt" if any(map(self.lasts, finding.about)) else "apart"
        return "apart" if period and period.past and period.over < self.began else "attempt"

    def key(self, relevance: Relevance, finding: Finding) -> tuple[object, ...]:
        """Return the sort key of a finding."""
        *weight, cause = _weight(finding)
        explains = len(finding.about & self.requests)
        notice = finding.severity == "notice"
        return relevance == "apart", notice, RELEVANCES.index(relevance), *weight, -explains, cause

    def apart(self, finding: Finding) -> Finding:
        """Return a finding about something outside the attempt, which says so."""
        last = max(finding.about, default=-1)
        asked = last >= int(self.case.attempts[0].rows[0])
        when = "In a later" if last >= self.end else "In an earlier" if asked else "Before this"
        severity = finding.severity if asked or finding.severity != "error" else "warning"
        return replace(finding, summary=f"{when} stop: {finding.summary}", severity=severity)
