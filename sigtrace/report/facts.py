"""The contents of a report, before it is rendered: plain values, with text from the kernel not yet escaped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sigtrace.events.nskey import NsKey
from sigtrace.postmortem.cause import Cause
from sigtrace.postmortem.finding import Finding
from sigtrace.postmortem.timeline import TimelineEntry


@dataclass(frozen=True)
class EventMark:
    """The mark of one event in a chart."""

    time: int
    """ns UTC."""
    lane: int
    kind: str
    """One of `outcome.KINDS`."""
    text: str
    sender: int | None = None
    """The lane of the sender; None without one."""


@dataclass(frozen=True)
class Bar:
    """The number of events in a bin of time; `height` is between 0 and 1, `base` is the height of the bars below it."""

    begin: int
    end: int
    lane: int
    kind: str
    height: float
    text: str
    base: float = 0.0


@dataclass(frozen=True)
class Band:
    """A named span of time, such as a grace period."""

    begin: int
    end: int
    text: str


@dataclass(frozen=True)
class Chart:
    """A chart of events over time. Times are ns UTC."""

    begin: int
    end: int
    focus: tuple[int, int]
    """The part that is visible at first."""
    lanes: Sequence[str]
    marks: Sequence[EventMark] = ()
    bars: Sequence[Bar] = ()
    bands: Sequence[Band] = ()
    most: int = 0
    """The number of events that a bar of height 1 stands for."""
    note: str = ""

    @property
    def kinds(self) -> set[str]:
        """The kinds of its marks and bars."""
        return {mark.kind for mark in self.marks} | {bar.kind for bar in self.bars}


@dataclass(frozen=True)
class NamespaceRow:
    """One line of the table of namespaces, which is in the order of `rank`."""

    rank: int
    host: str
    key: NsKey
    label: str
    """The name of its container, or else of its init."""
    init: str
    asked: str
    outcome: str
    took: int
    """The time that the longest attempt to stop it took, or has taken so far, in ns."""
    severity: str
    """The severity of its worst finding; empty without one."""
    causes: Sequence[str]
    dropped: int


@dataclass(frozen=True)
class Section:
    """The details of one namespace."""

    row: NamespaceRow
    facts: Sequence[tuple[str, str]]
    """Name and value of each known fact."""
    around: Sequence[tuple[str, str, int]]
    """The namespaces above and below it: relation, name, and rank (0: none) of each."""
    findings: Sequence[Finding]
    nothing_found: str
    """What to say if there are none."""
    chart: Chart | None
    entries: Sequence[TimelineEntry]
    steps_left_out: int
    asked: int
    """The time of its first stop request, ns UTC; 0 without one."""
    ruled_out: Sequence[Cause]
    unchecked: Sequence[tuple[str, Sequence[str]]]
    """The reasons, each with the causes that were not checked because of it."""
    failed: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class SignalRow:
    """One line of the table of signals. Times are ns UTC."""

    label: str
    nsid: int
    signal: int
    signal_name: str
    sender: str | None
    origin: str
    verdict: str
    count: int
    first: int
    last: int


@dataclass(frozen=True)
class AttemptRow:
    """One line of the table of attempts to stop a namespace. Durations are ns."""

    label: str
    rank: int
    """The rank of its namespace."""
    asked: int
    by: str
    signal: str
    grace: int | None
    took: int | None
    ended: str
    looks_like: str


@dataclass(frozen=True)
class TopRows:
    """The first rows of a table, and the number of all its rows."""

    rows: Sequence[NamespaceRow] | Sequence[SignalRow] | Sequence[AttemptRow]
    total: int

    @property
    def left_out(self) -> int:
        """The number of rows that are not shown."""
        return self.total - len(self.rows)


@dataclass(frozen=True)
class Headline:
    """The headline; `tone` is error, warning or ok."""

    tone: str
    text: str
    reasons: Sequence[tuple[int, str, str]] = ()
    """Rank, name and finding of each of the worst namespaces."""
    more: str = ""


@dataclass(frozen=True)
class Origin:
    """The manifest of one of the recordings."""

    host: str
    kernel: str
    boot_id: str
    version: str


@dataclass(frozen=True)
class Page:
    """The whole report. Times are ns UTC."""

    headline: Headline
    figures: Sequence[tuple[str, str, str]]
    """Name, value, remark."""
    hosts: Sequence[str]
    begin: int
    end: int
    """The times of the first and the last event; 0 without events."""
    scope: Sequence[str]
    """The filters that apply, in words."""
    live: bool
    drops: Chart | None
    namespaces: TopRows
    sections: Sequence[Section]
    attempts: TopRows
    signals: TopRows
    losses: Sequence[str]
    """What was not recorded, in sentences."""
    origins: Sequence[Origin]
    made: int
    version: str
    verdicts: Sequence[tuple[str, str]]
    """The glossary of outcomes: label, sentence."""

    @property
    def detailed(self) -> set[int]:
        """The ranks of the namespaces that have a section."""
        return {each.row.rank for each in self.sections}
