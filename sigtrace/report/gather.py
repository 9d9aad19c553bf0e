"""Gathers the contents of a report from a recording: pure functions, except for reading it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sigtrace import signals
from sigtrace._version import __version__
from sigtrace.events import outcome
from sigtrace.events.losses import missing, reasons, reservation, totals_note
from sigtrace.events.nskey import NsKey
from sigtrace.postmortem import from_recording
from sigtrace.postmortem.case import PATIENCE, SETTLED, Case
from sigtrace.postmortem.ranking import Standing, rank
from sigtrace.postmortem.stop import Stop
from sigtrace.procfs.process import INITIAL_PID_NS
from sigtrace.recording.reader import Recording
from sigtrace.recording.selection import Selection
from sigtrace.recording.summary import Summary, SummaryLine, summarise
from sigtrace.report.drops import drops_over_time
from sigtrace.report.facts import (
    AttemptRow,
    EventMark,
    Group,
    Headline,
    NamespaceRow,
    Origin,
    Page,
    SignalRow,
    TopRows,
)
from sigtrace.report.groups import grouped
from sigtrace.report.moment import clock
from sigtrace.report.section import Kin, Parents, section
from sigtrace.text import printable
from sigtrace.units import SECOND, duration, number

MOST_SECTIONS = 30
"""Namespaces that get a section."""
_MOST_ROWS, _MOST_ATTEMPTS, _MOST_SIGNALS = 400, 300, 400
_REASONS = 4
_NOTICED = SECOND // 10
"""A grace period that is shorter kept nobody waiting."""
_LONGEST_NAME = 120
"""Characters of a container's name in tables; its section has the full name."""


def gather(
    recording: Recording, selection: Selection, scope: Sequence[str] = (), sections: int = MOST_SECTIONS
) -> Page:
    """Gather the contents of a report.

    selection: its namespaces and time; its signals and verdicts are ignored. scope: the filters in words. sections: the
    most namespaces that get one. Raises BadInput for times that cannot be parsed.
    """
    summary = summarise(recording, replace(selection, signal=(), verdict=()))
    standings = rank(from_recording.all_recorded(recording, selection))
    parents = _parents(recording)
    rows = list(_rows(standings, summary.lines, parents))
    ranked = list(zip(standings, rows, strict=True))
    kin = Kin(parents, rows)
    stops = [stop for standing in standings for stop in standing.report.case.stops]
    attempts = sorted(_attempts(ranked), key=lambda each: each.asked)
    groups = grouped(ranked)
    begin = min((line.first for line in summary.lines), default=0)
    end = max((line.last for line in summary.lines), default=0)
    lines = list(_signals(summary.lines[:_MOST_SIGNALS], ranked))
    cases = [(row.label, standing.report.case) for standing, row in ranked]
    return Page(
        headline=_headline(ranked, groups, reservation(summary.losses)),
        figures=list(_figures(rows, stops, summary)),
        hosts=summary.hosts,
        begin=begin,
        end=end,
        scope=scope,
        live=recording.live,
        drops=drops_over_time(cases, list(_dropped_requests(ranked)), begin, end),
        groups=groups,
        namespaces=TopRows(rows[:_MOST_ROWS], len(rows)),
        sections=[section(standings[row.rank - 1], row, kin) for row in _in_full(groups)[: max(sections, 0)]],
        attempts=TopRows(attempts[:_MOST_ATTEMPTS], len(attempts)),
        signals=TopRows(lines, len(summary.lines)),
        losses=list(_losses(summary, recording.problems)),
        origins=list(_origins(recording.manifests)),
        made=time.time_ns(),
        version=__version__,
        verdicts=_glossary(lines),
    )


def _parents(recording: Recording) -> Parents:
    return {
        (each.home.host, each.key): each.parent.key
        for each in recording.spaces
        if each.parent and each.parent.key.inode != INITIAL_PID_NS
    }


def _rows(
    standings: Sequence[Standing], lines: Sequence[SummaryLine], parents: Parents
) -> Iterator[NamespaceRow]:
    dropped: dict[tuple[str, NsKey], int] = {}
    for line in lines:
        if line.verdict.startswith("dropped"):
            namespace = line.host, line.key
            dropped[namespace] = dropped.get(namespace, 0) + line.count
    for place, standing in enumerate(standings, 1):
        case, findings = standing.report.case, standing.report.findings
        init, nested = case.init_name, (case.host, case.key) in parents
        yield NamespaceRow(
            rank=place,
            host=case.host,
            key=case.key,
            label=_label(case, init, nested),
            image=case.container.image if case.container and not nested else "",
            init=init,
            asked=standing.signal,
            outcome=standing.outcome,
            took=standing.took,
            severity=standing.severity or "",
            causes=list(dict.fromkeys(finding.cause for finding in findings)),
            dropped=dropped.get((case.host, case.key), 0),
        )


def _label(case: Case, init: str, nested: bool) -> str:
    """Return the name of a namespace: that of its container, for a nested one with its init's, or else its init's."""
    if not case.container:
        return init or f"PID namespace {case.nsid}"
    return f"{_cut(case.container.label)}: {init}" if nested else _cut(case.container.label)


def _cut(name: str) -> str:
    shown = printable(name[: _LONGEST_NAME + 1])
    return shown if len(shown) <= _LONGEST_NAME else f"{shown[:_LONGEST_NAME]}…"


def _attempts(ranked: Sequence[tuple[Standing, NamespaceRow]]) -> Iterator[AttemptRow]:
    for standing, row in ranked:
        for stop in standing.report.case.stops:
            yield AttemptRow(
                label=row.label,
                rank=row.rank,
                asked=stop.first.time,
                by=str(stop.asker),
                signal=stop.first.signal_name,
                grace=stop.grace,
                took=stop.took,
                ended=stop.ended or "still there",
                looks_like=stop.looks_like,
                data=stop.as_dict(),
            )


def _in_full(groups: Sequence[Group]) -> list[NamespaceRow]:
    """Return all namespaces in the order in which they deserve a section."""
    ordered = [
        (not row.severity, place, row.rank, row) for each in groups for place, row in enumerate(each.rows)
    ]
    return [row for *_, row in sorted(ordered, key=lambda each: each[:3])]


def _dropped_requests(ranked: Sequence[tuple[Standing, NamespaceRow]]) -> Iterator[EventMark]:
    """Yield marks of the requests that were dropped, and whose namespaces hung."""
    for standing, row in ranked:
        for stop in standing.report.case.stops if row.severity == "error" and _hung(standing) else ():
            event = stop.first
            kind = outcome.kind(event.verdict, event.signal)
            if kind in outcome.DROPPED_KINDS:
                words = f"{clock(event.time)} {row.label}: {event.signal_name} {outcome.KINDS[kind].words}"
                yield EventMark(event.time, 0, kind, f"{words}; {row.outcome}", asks=True)


def _signals(
    lines: Sequence[SummaryLine], ranked: Sequence[tuple[Standing, NamespaceRow]]
) -> Iterator[SignalRow]:
    names = {(row.host, row.key): row.label for _, row in ranked}
    for line in lines:
        own = _cut(line.container.label) if line.container else f"{line.init_comm} {line.nsid}".strip()
        label = names.get((line.host, line.key), own)
        yield SignalRow(
            label=f"the host {line.host}" if line.nsid == INITIAL_PID_NS else label,
            nsid=line.nsid,
            signal=line.signal,
            signal_name=signals.name(line.signal),
            sender=line.sender_comm,
            origin=line.origin,
            verdict=line.verdict,
            count=line.count,
            first=line.first,
            last=line.last,
            data=line.as_dict(),
        )


def _headline(
    ranked: Sequence[tuple[Standing, NamespaceRow]], groups: Sequence[Group], lost: str
) -> Headline:
    """Return the verdict; `lost`: why it cannot be said that nothing else happened, or empty."""
    if not ranked:
        return _reserved(Headline("ok", "No signals in PID namespaces were recorded"), lost)
    bad = [(standing, row) for standing, row in ranked if row.severity]
    hung = sum(row.severity == "error" and _hung(standing) for standing, row in bad)
    of_all = f"of {number(len(ranked), 'PID namespace')}"
    reasons = [each for each in groups if each.severity][:_REASONS]
    rest = len(bad) - sum(len(each.rows) for each in reasons)
    more = f"{rest:,} more with findings follow below." if rest else ""
    if hung:
        return Headline("error", f"{hung:,} {of_all} hung", reasons, more)
    if bad:
        tone = "error" if any(row.severity == "error" for _, row in bad) else "warning"
        return Headline(tone, f"Nothing hung; {len(bad):,} {of_all} with findings", reasons, more)
    return _reserved(
        Headline("ok", f"Nothing hung: no trouble in {number(len(ranked), 'PID namespace')}"), lost
    )


def _reserved(headline: Headline, lost: str) -> Headline:
    """The headline of nothing found, where it cannot be said because something was lost."""
    return (
        replace(headline, tone="warning", text=f"{headline.text}, in what was recorded; {lost}")
        if lost
        else headline
    )


def _hung(standing: Standing) -> bool:
    """Whether SIGKILL had to follow after a while, or it existed long after the request, or after its init's exit."""
    case, told = standing.report.case, standing.told
    if told and ((told.grace or 0) >= _NOTICED or standing.took >= PATIENCE):
        return True
    return bool(case.exit and case.last and case.last.tasks and case.last.time - case.exit.time > SETTLED)


def _figures(
    rows: Sequence[NamespaceRow], stops: Sequence[Stop], summary: Summary
) -> Iterator[tuple[str, str, str]]:
    dropped, losses = summary.dropped, summary.losses
    yield "PID namespaces", f"{len(rows):,}", f"{sum(bool(row.severity) for row in rows):,} with findings"
    inits = sum(bool(row.dropped) for row in rows)
    yield "Signals dropped", f"{dropped:,}", f"for {number(inits, 'init')}" if dropped else "none"
    needed = sum(stop.attempt.needed_kill for stop in stops)
    by_kernel = sum(stop.attempt.by_kernel for stop in stops)
    how = f"{needed:,} needed SIGKILL" + (f", {by_kernel:,} killed by the kernel" if by_kernel else "")
    yield "Attempts to stop", f"{len(stops):,}", how
    took = max((stop.took for stop in stops if stop.took is not None), default=None)
    unfinished = sum(stop.took is None for stop in stops)
    yield (
        "Longest stop",
        "-" if took is None else duration(took),
        f"{unfinished:,} did not end" if unfinished else "",
    )
    yield (
        "Records lost",
        f"{losses.total:,}",
        totals_note(losses, summary.of_counts) or "the record is complete",
    )


def _losses(summary: Summary, problems: Sequence[str]) -> Iterator[str]:
    """Yield what is missing, each as a sentence."""
    losses = summary.losses
    sentences = [] if losses.nothing else [*missing(losses, summary.of_counts), *reasons(losses)]
    if losses.snapshots_skipped:
        sentences.append(
            f"{number(losses.snapshots_skipped, 'snapshot')} skipped: there were too many at once"
        )
    yield from (f"{each[:1].upper()}{each[1:]}." for each in [*sentences, *problems])


def _origins(manifests: Sequence[Mapping[str, Any]]) -> Iterator[Origin]:
    for manifest in manifests:
        yield Origin(*(str(manifest.get(name, "")) for name in ("host", "kernel", "boot_id", "version")))


def _glossary(lines: Sequence[SignalRow]) -> list[tuple[str, str]]:
    used = {outcome.of(line.verdict, line.signal)[:2] for line in lines}
    known = [*outcome.OUTCOMES.values(), outcome.FROM_INSIDE]
    return [each[:2] for each in known if each[:2] in used]
