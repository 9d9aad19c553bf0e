"""The source of an export: a recording, a filter, and a callback for progress."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from sigtrace.events.column_types import Column
from sigtrace.events.columns import EVENT_FIELDS
from sigtrace.events.field import names
from sigtrace.recording import schema
from sigtrace.recording.filter import Filter
from sigtrace.recording.reader import Recording

PUBLIC = names(EVENT_FIELDS)
"""The event table's columns. A recording has more after these, for sigtrace itself."""


def _ignore(events: int) -> None:
    """Do nothing."""


@dataclass
class Source:
    """`where` filters the events; `progress` is called with the size of each batch; `written` is the number so far."""

    recording: Recording
    where: Filter = field(default_factory=Filter)
    progress: Callable[[int], None] = _ignore
    written: int = 0

    def events(self) -> Iterator[tuple[Mapping[str, Any], pa.RecordBatch]]:
        """Yield (facts of the file, events) in the order in which they were recorded; no batch is empty."""
        for facts, part in self.recording.parts("events", self.where):
            if part.num_rows:
                yield facts, part
                self.written += part.num_rows
                self.progress(part.num_rows)

    def columns(self) -> Iterator[dict[str, Column]]:
        """Yield the event table, batch by batch, with its public columns in order."""
        for _, part in self.events():
            yield {name: schema.column(name, part[name]) for name in PUBLIC}
