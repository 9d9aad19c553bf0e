"""What is exported: a recording, which part of it, and who wants to know how far it got."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from sigtrace.events.columns import Column
from sigtrace.events.field import names
from sigtrace.events.table import EVENT_FIELDS
from sigtrace.recording import schema
from sigtrace.recording.filter import Filter
from sigtrace.recording.reader import Recording

PUBLIC = names(EVENT_FIELDS)
"""The event table's columns: what follows them in a recording are facts for sigtrace itself."""


def _nobody(events: int) -> None:
    """Nobody wants to know."""


@dataclass
class Source:
    """`where`: which events; `progress` hears how many were read, batch by batch; `written` is their number."""

    recording: Recording
    where: Filter = field(default_factory=Filter)
    progress: Callable[[int], None] = _nobody
    written: int = 0

    def events(self) -> Iterator[tuple[Mapping[str, Any], pa.RecordBatch]]:
        """(what the file says of itself, events) in the order in which they were recorded; no batch is empty."""
        for facts, part in self.recording.parts("events", self.where):
            if part.num_rows:
                yield facts, part
                self.written += part.num_rows
                self.progress(part.num_rows)

    def columns(self) -> Iterator[dict[str, Column]]:
        """The event table, batch by batch, with its public columns in their order."""
        for _, part in self.events():
            yield {name: schema.column(name, part[name]) for name in PUBLIC}
