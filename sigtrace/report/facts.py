"""The contents of a report, before it is rendered: plain values, with text from the kernel not yet escaped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from sigtrace.events.nskey import NsKey
from sigtrace.postmortem.cause import Cause
from sigtrace.postmortem.finding import Finding
from sigtrace.postmortem.timeline import TimelineEntry

RowT = TypeVar("RowT")


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
    asks: bool = False
    """It is the request from which an attempt to stop the namespace is counted."""


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
    """A named span of time, such as a grace period; its name is `lines`."""

    begin: int
    end: int
    lines: Sequence[str]


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
    def marked(self) -> set[str]:
        """The kinds of its marks."""
        return {mark.kind for mark in self.marks}

    @property
    def kinds(self) -> set[str]:
        """The kinds of its marks and bars."""
        return self.marked | {bar.kind for bar in self.bars}


@dataclass(frozen=True)
class NamespaceRow:
    """One line of the table of namespaces, which is in the order of `rank`."""

    rank: int
    host: str
    key: NsKey
    label: str
    """The name of its container, or else of its init."""
    image: str
    """The image of its own container; empty if it is not known, or if it is a namespace within a container."""
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
class Group:
    """Namespaces that share the cause, the signal and the image; or, with `severity` empty, all without a finding."""

    name: str
    """`5 containers of shop/web:2.1`; the label of a single one."""
    rows: Sequence[NamespaceRow]
    """The most stuck first."""
    outcome: str
    why: str
    """The first finding about the first of them."""
    to_do: str
    """The first thing to do."""

    @property
    def severity(self) -> str:
        """That of all of them."""
        return self.rows[0].severity


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
    data: Sequence[Mapping[str, object]]
    """The findings as `sigtrace postmortem --format json` prints them."""


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
    data: Mapping[str, object]
    """The line as `sigtrace summary --format json` prints it."""


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
    data: Mapping[str, object]
    """The attempt as `sigtrace postmortem --format json` prints it."""


@dataclass(frozen=True)
class TopRows(Generic[RowT]):
    """The first rows of a table, and the number of all its rows."""

    rows: Sequence[RowT]
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
    reasons: Sequence[Group] = ()
    """The worst, with what to do."""
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
    groups: Sequence[Group]
    namespaces: TopRows[NamespaceRow]
    sections: Sequence[Section]
    """Those that are shown in full; the first of each group come first, those without a finding last."""
    attempts: TopRows[AttemptRow]
    signals: TopRows[SignalRow]
    losses: Sequence[str]
    """What was not recorded, in sentences."""
    origins: Sequence[Origin]
    made: int
    version: str
    verdicts: Sequence[tuple[str, str]]
    """The glossary of outcomes: label, sentence."""

    @property
    def detailed(self) -> dict[int, Section]:
        """The sections by the rank of their namespace."""
        return {each.row.rank: each for each in self.sections}
