"""Groups of namespaces that hung alike: containers of one image with the same cause are one entry of the report."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sigtrace.postmortem.ranking import Standing
from sigtrace.report.facts import Group, NamespaceRow
from sigtrace.text import printable
from sigtrace.units import duration, number

_LONGEST_IMAGE = 120
"""Characters of an image's name."""

Ranked = Sequence[tuple[Standing, NamespaceRow]]


def grouped(ranked: Ranked) -> list[Group]:
    """Return the groups, the most stuck first; those without a finding are one group, the last."""
    found: dict[tuple[object, ...], list[tuple[Standing, NamespaceRow]]] = {}
    for standing, row in ranked:
        found.setdefault(_key(row), []).append((standing, row))
    return [_group(members) for members in found.values()]


def _key(row: NamespaceRow) -> tuple[object, ...]:
    if not row.severity:
        return ("",)
    same = row.image or row.rank  # of an unknown image, each is on its own
    return row.severity, row.causes[0], row.asked, same


def _group(members: Ranked) -> Group:
    rows = [row for _, row in members]
    first, row = members[0]
    if not row.severity:
        return Group(f"{number(len(rows), 'namespace')} without a finding", rows, "", "", "")
    finding = first.report.findings[0]
    alone = len(rows) == 1
    name = row.label if alone else f"{len(rows):,} containers of {printable(row.image[:_LONGEST_IMAGE])}"
    return Group(name, rows, _outcome(rows), finding.summary, finding.first_step)


def _outcome(rows: Sequence[NamespaceRow]) -> str:
    """Return how all ended: `killed after 10.01 s to 10.13 s`; if they ended differently, the worst."""
    times = _spans(rows)
    how = {row.outcome.removesuffix(duration(row.took)) for row in rows}
    if len(how) > 1:
        return f"{rows[0].outcome}, the worst"
    return f"{how.pop()}{' to '.join(times)}" if len(times) > 1 and rows[0].took else rows[0].outcome


def _spans(rows: Iterable[NamespaceRow]) -> list[str]:
    """Return the shortest and the longest time that a stop took; one if they read the same."""
    took = [row.took for row in rows]
    return list(dict.fromkeys((duration(min(took)), duration(max(took)))))
