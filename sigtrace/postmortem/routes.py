"""Findings about processes that a request was passed on to: how it came to them, and several of them as one finding."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from sigtrace.postmortem.case import Case
from sigtrace.postmortem.finding import Finding, numbers
from sigtrace.postmortem.passing import Passed

_NAMED = 3
"""Further processes that a finding names."""


def routed(case: Case, finding: Finding) -> Finding:
    """Return a finding about the case's subject with how the request came to it; a notice if it may not come to it."""
    subject = case.subject
    assert subject is not None
    finding = replace(
        finding,
        severity=finding.severity if subject.sure else "notice",
        summary=f"{finding.summary} {_route(subject)}",
        path=(*subject.path, subject.name),
    )
    if not subject.rows:
        return finding
    first = case.stops[subject.attempt].first
    hops = (case.event(row) for row in subject.hops)
    return replace(
        finding,
        evidence=(str(first), *map(str, hops), *finding.evidence),
        about=finding.about | numbers(first),
    )


def joined(findings: Sequence[Finding]) -> Iterator[Finding]:
    """Yield the findings of one cause, those of the same weight and tense as one, which names the processes."""
    groups: dict[tuple[str, str, bool], list[Finding]] = {}
    for each in findings:
        groups.setdefault((each.severity, each.confidence, each.past), []).append(each)
    for first, *more in groups.values():
        if not more:
            yield first
            continue
        others = list(dict.fromkeys(each.path[-1] for each in more if each.path != first.path))
        named = ", ".join(others[:_NAMED])
        rest = f" and {len(others) - _NAMED} more" if len(others) > _NAMED else ""
        yield replace(
            first,
            summary=f"{first.summary} The same holds for {named}{rest}." if others else first.summary,
            evidence=tuple(dict.fromkeys(line for each in (first, *more[:_NAMED]) for line in each.evidence)),
            about=first.about.union(*(each.about for each in more)),
        )


def _route(subject: Passed) -> str:
    """Return `tini[4230] passed the request on to it`, with those in between."""
    init, *between = subject.path
    passes = "passed the" if subject.rows else "passes a" if subject.sure else "may pass a"
    through = f", through {', '.join(between)}" if between else ""
    return f"{init} {passes} request on to it{through}."
