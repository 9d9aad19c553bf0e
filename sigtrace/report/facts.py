"""What a report says, before it is a page: plain values, all text still as hostile as it came."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sigtrace.events.nskey import NsKey
from sigtrace.postmortem.cause import Cause
from sigtrace.postmortem.finding import Finding
from sigtrace.postmortem.timeline import TimelineEntry


@dataclass(frozen=True)
class EventMark:
    """One event in a timeline."""

    time: int
    """ns UTC."""
    lane: int
    kind: str
    """One of `outcome.KINDS`."""
    text: str
    sender: int | None = None
    """The lane of who sent it."""


@dataclass(frozen=True)
class Bar:
    """How many events a stretch of time has; `height` is between 0 and 1, `base` what is below it."""

    begin: int
    end: int
    lane: int
    kind: str
    height: float
    text: str
    base: float = 0.0


@dataclass(frozen=True)
class Band:
    """A stretch of time with a name: a grace period."""

    begin: int
    end: int
    text: str


@dataclass(frozen=True)
class Chart:
    """A picture of what happened over time. Times are ns UTC."""

    begin: int
    end: int
    focus: tuple[int, int]
    """The part that is shown at first."""
    lanes: Sequence[str]
    marks: Sequence[EventMark] = ()
    bars: Sequence[Bar] = ()
    bands: Sequence[Band] = ()
    most: int = 0
    """What a bar of height 1 stands for."""
    note: str = ""

    @property
    def kinds(self) -> set[str]:
        """The kinds of marks and bars there are."""
        return {mark.kind for mark in self.marks} | {bar.kind for bar in self.bars}


@dataclass(frozen=True)
class NamespaceRow:
    """One namespace in the list, the most stuck first."""

    rank: int
    host: str
    key: NsKey
    label: str
    """Its container, or else its init."""
    init: str
    asked: str
    outcome: str
    took: int
    """How long the longest attempt to stop it took, or has taken so far, in ns."""
    severity: str
    """Of its worst finding; empty without one."""
    causes: Sequence[str]
    dropped: int


@dataclass(frozen=True)
class Section:
    """All that is told of one namespace."""

    row: NamespaceRow
    facts: Sequence[tuple[str, str]]
    """What is known of it: name, value."""
    around: Sequence[tuple[str, str, int]]
    """Namespaces above and below it: how each stands to this one, its name, its rank (0: none)."""
    findings: Sequence[Finding]
    chart: Chart | None
    entries: Sequence[TimelineEntry]
    steps_left_out: int
    asked: int
    """When it was first asked to stop, ns UTC; 0 if it was not."""
    ruled_out: Sequence[Cause]
    unchecked: Sequence[tuple[str, Sequence[str]]]
    """Why, and what was not checked for this reason."""
    failed: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class SignalRow:
    """One line of the table of signals."""

    label: str
    nsid: int
    signal: int
    signal_name: str
    sender: str | None
    verdict: str
    count: int
    first: int
    last: int


@dataclass(frozen=True)
class AttemptRow:
    """One line of the table of stops: an attempt. Durations are ns."""

    label: str
    rank: int
    """Of its namespace."""
    asked: int
    by: str
    signal: str
    grace: int | None
    took: int | None
    ended: str
    looks_like: str


@dataclass(frozen=True)
class TopRows:
    """The first of many rows, and how many there are in all."""

    rows: Sequence[NamespaceRow] | Sequence[SignalRow] | Sequence[AttemptRow]
    total: int

    @property
    def left_out(self) -> int:
        """How many are not shown."""
        return self.total - len(self.rows)


@dataclass(frozen=True)
class Headline:
    """The verdict: `tone` is error, warning or ok."""

    tone: str
    text: str
    reasons: Sequence[tuple[int, str, str]] = ()
    """Rank, name and reason of the worst namespaces."""
    more: str = ""


@dataclass(frozen=True)
class Origin:
    """What one of the recordings says of itself."""

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
    """From the first event to the last; 0 without any."""
    scope: Sequence[str]
    """What it was narrowed to, in words."""
    live: bool
    drops: Chart | None
    namespaces: TopRows
    sections: Sequence[Section]
    attempts: TopRows
    signals: TopRows
    losses: Sequence[str]
    """What is not in it, in sentences."""
    origins: Sequence[Origin]
    made: int
    version: str
    verdicts: Sequence[tuple[str, str]]
    """What the words in it mean."""

    @property
    def detailed(self) -> set[int]:
        """The ranks of the namespaces that have a section."""
        return {each.row.rank for each in self.sections}
