"""The section of one namespace: its facts, findings, chart and timeline."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from sigtrace.events.container import SHORT_ID
from sigtrace.events.nskey import NsKey
from sigtrace.postmortem.case import Case
from sigtrace.postmortem.ranking import Standing
from sigtrace.postmortem.runner import diagnose
from sigtrace.postmortem.timeline import timeline_entries
from sigtrace.report.facts import NamespaceRow, Section
from sigtrace.report.moment import stamp
from sigtrace.report.timeline import timeline

_MOST_STEPS = 60
_NAMED = 12
"""Namespaces inside one that are listed."""


Parents = Mapping[tuple[str, NsKey], NsKey]
"""Host and namespace -> the parent namespace, unless that is the host's."""


@dataclass(frozen=True)
class Kin:
    """The hierarchy of the namespaces."""

    parents: Parents
    rows: Sequence[NamespaceRow]
    """The namespaces that the report lists."""

    def around(self, row: NamespaceRow) -> Iterator[tuple[str, str, int]]:
        """Yield relation, name and rank (0: none) of the parent and of the children of a namespace."""
        parent = self.parents.get((row.host, row.key))
        if parent is not None:
            above = [each for each in self.rows if each.host == row.host and each.key == parent]
            yield ("inside", *_called(above[-1])) if above else ("inside", f"PID namespace {parent.inode}", 0)
        below = [
            each
            for each in self.rows
            if each.host == row.host and self.parents.get((row.host, each.key)) == row.key
        ]
        yield from (("has inside it", *_called(each)) for each in below[:_NAMED])
        if len(below) > _NAMED:
            yield "has inside it", f"{len(below) - _NAMED:,} more", 0


def section(standing: Standing, row: NamespaceRow, kin: Kin) -> Section:
    """Return the section of a namespace; unlike the table of namespaces, it includes notices."""
    report = diagnose(standing.report.case)
    case = report.case
    steps = timeline_entries(case)
    return Section(
        row=row,
        facts=list(_facts(case, row)),
        around=list(kin.around(row)),
        findings=report.findings,
        nothing_found=report.nothing_found,
        chart=timeline(case, standing.told),
        entries=steps[:_MOST_STEPS],
        steps_left_out=max(len(steps) - _MOST_STEPS, 0),
        asked=case.requests[0].time if case.requests else 0,
        ruled_out=report.ruled_out,
        unchecked=list(report.reasons.items()),
        failed=[(cause.slug, error) for cause, error in report.failed],
        data=list(report.rows()),
    )


def _called(row: NamespaceRow) -> tuple[str, int]:
    return f"{row.label} ({row.key.inode})", row.rank


def _facts(case: Case, row: NamespaceRow) -> Iterator[tuple[str, str]]:
    """Yield name and value of each fact; the value is empty if it is not known."""
    container = case.container
    if container:
        yield " ".join(filter(None, (container.runtime, "container"))), container.id[:SHORT_ID]
        yield "name", "" if container.label in row.label else container.label
        yield "image", container.image
        yield "pod", "/".join(filter(None, (container.pod_namespace, container.pod)))
        yield "stop signal", container.stop_signal if container.stop_signal != "SIGTERM" else ""
    yield "PID namespace", str(case.nsid)
    yield "init", row.init
    snapshot = next((snapshot for snapshot in case.snapshots if snapshot.init), None)
    if snapshot and snapshot.init:
        yield "command", str(snapshot.init.cmdline)
    born = next((event for event in case.to_init if event.stage == "init"), None)
    yield "born", f"{stamp(born.time)} UTC" if born else ""
    yield "host", case.host
