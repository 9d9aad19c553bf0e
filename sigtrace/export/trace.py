"""Write a Perfetto trace as a stream of packets: tracks, slices, instants and flows.

Field numbers are those of `protos/perfetto/trace` in Perfetto's sources. Timestamps are ns UTC: the clock snapshot at
the beginning declares the trace's clock to be the wall clock, so that the UI can show the time of day.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import BinaryIO

from sigtrace.export import proto
from sigtrace.text import printable

_PACKET = 1  # of Trace
_CLOCK_SNAPSHOT, _TIMESTAMP, _SEQUENCE, _TRACK_EVENT, _TRACK_DESCRIPTOR = 6, 8, 10, 11, 60  # of TracePacket
_CLOCKS, _CLOCK_ID, _CLOCK_TIME = 1, 1, 2  # of ClockSnapshot, of its Clock
_UUID, _TRACK_NAME, _PARENT, _CHILD_ORDERING, _RANK, _DESCRIPTION, _MERGE = 1, 2, 5, 11, 12, 14, 15
_ANNOTATION, _TYPE, _TRACK, _CATEGORY, _EVENT_NAME, _FLOW, _END_OF_FLOW = (
    4,
    9,
    11,
    22,
    23,
    47,
    48,
)  # of TrackEvent
_VALUE, _LABEL = 6, 10  # of DebugAnnotation: string_value, name
_EXPLICIT, _NO_MERGE = 3, 2
_REALTIME, _BOOTTIME = 1, 6  # BuiltinClock
BEGIN, END, INSTANT = 1, 2, 3
"""TrackEvent.Type."""


@dataclass(frozen=True)
class TrackEvent:
    """An event on a track: `kind` is BEGIN, END or INSTANT; `time` is ns UTC.

    `flow` begins the flow of that number, `end_flow` ends it. All texts are made printable on writing.
    """

    kind: int
    track: int
    time: int
    name: str = ""
    category: str = ""
    facts: Mapping[str, object] = field(default_factory=dict)
    flow: int = 0
    end_flow: int = 0


class Trace:
    """Writes packets in the order in which they are added; Perfetto sorts them by time."""

    def __init__(self, out: BinaryIO) -> None:
        self._out = out
        self._tracks = 0
        self._begun = False

    def track(self, name: str, parent: int = 0, rank: int = 0, about: str = "") -> int:
        """Add a track, ordered by rank below its parent; returns its number."""
        self._tracks += 1
        parts = [proto.integer(_UUID, self._tracks), proto.text(_TRACK_NAME, printable(name))]
        if parent:
            parts += [proto.integer(_PARENT, parent), proto.integer(_RANK, rank)]
        else:
            parts += [proto.integer(_RANK, rank)]
        if about:
            parts.append(proto.text(_DESCRIPTION, printable(about)))
        parts += [proto.integer(_CHILD_ORDERING, _EXPLICIT), proto.integer(_MERGE, _NO_MERGE)]
        self._packet(proto.nested(_TRACK_DESCRIPTOR, *parts))
        return self._tracks

    def add(self, event: TrackEvent) -> None:
        """Write an event."""
        if not self._begun:
            self._begun = True
            self._clocks(event.time)
        parts = [proto.integer(_TYPE, event.kind), proto.integer(_TRACK, event.track)]
        if event.name:
            parts += [proto.text(_CATEGORY, event.category), proto.text(_EVENT_NAME, printable(event.name))]
        parts += [_annotation(label, value) for label, value in event.facts.items()]
        if event.flow:
            parts.append(proto.fixed64(_FLOW, event.flow))
        if event.end_flow:
            parts.append(proto.fixed64(_END_OF_FLOW, event.end_flow))
        self._packet(proto.integer(_TIMESTAMP, event.time), proto.nested(_TRACK_EVENT, *parts))

    def _clocks(self, time: int) -> None:
        clocks = [
            proto.nested(_CLOCKS, proto.integer(_CLOCK_ID, clock), proto.integer(_CLOCK_TIME, time))
            for clock in (_BOOTTIME, _REALTIME)
        ]
        self._packet(proto.nested(_CLOCK_SNAPSHOT, *clocks))

    def _packet(self, *parts: bytes) -> None:
        self._out.write(proto.nested(_PACKET, *parts, proto.integer(_SEQUENCE, 1)))


def _annotation(label: str, value: object) -> bytes:
    return proto.nested(_ANNOTATION, proto.text(_LABEL, label), proto.text(_VALUE, printable(str(value))))
