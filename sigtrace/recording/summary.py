"""Summarises a recording: what became of the signals, by namespace and sender, and the durations of stops.

Totals are the kernel's exact counts; the senders come from events. Signals that were counted but have no event (lost,
or outside the recorder's scope) are listed without a sender. Everything is derived as tables: a recording may have
hundreds of thousands of namespaces.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from sigtrace.events.losses import Losses, exact
from sigtrace.recording.fates import fates
from sigtrace.recording.reader import Recording
from sigtrace.recording.selection import Selection
from sigtrace.recording.sent import nothing, of_counts, of_events, without_event
from sigtrace.recording.signal_table import KEYS, SignalTable, SummaryLine
from sigtrace.stops.ended import Ended, ended
from sigtrace.stops.request import POSSIBLE

__all__ = ["KEYS", "Summary", "SummaryLine", "summarise"]


@dataclass(frozen=True)
class Summary:
    """The summary of a recording."""

    table: SignalTable
    stops: list[Ended]
    """The attempts that ended with the init's exit, by the selected signals."""
    losses: Losses
    """Of the selected time."""
    hosts: list[str] = field(default_factory=list)
    of_counts: bool = True
    """The totals are the kernel's counts; False: they are of the recorded events."""

    thinned: int = 0
    """Signals that were counted without a record of their own; the totals have them."""

    @cached_property
    def lines(self) -> list[SummaryLine]:
        """Drops first, then by count."""
        return self.table.lines()

    @property
    def dropped(self) -> int:
        """The number of signals dropped by init protection."""
        return int(self.table.rows["count"][self.table.dropped].sum())

    def as_dict(self) -> dict[str, Any]:
        """Return the totals, JSON-ready; durations in seconds, null without a stop."""
        seconds = sorted(stop.seconds for stop in self.stops)
        shares = {"p50": 50, "p90": 90, "p99": 99, "longest": 100}
        return {
            "dropped": self.dropped,
            "stops": len(self.stops),
            "stops_killed": sum(stop.killed for stop in self.stops),
            **{
                f"stop_seconds_{name}": float(np.percentile(seconds, share)) if seconds else None
                for name, share in shares.items()
            },
            "signals_thinned": self.thinned,
            "records_lost": self.losses.total,
            "signals_uncounted": self.losses.uncounted + self.losses.missed,
            "recorders_cut_short": self.losses.cut,
            "totals_exact": exact(self.losses, self.of_counts),
        }


def summarise(recording: Recording, selection: Selection) -> Summary:
    """Summarise a part of a recording. With `since` or `until`, only events are used: counts do not have times.

    Raises BadInput as `Selection.filter` does.
    """
    where = recording.filter(selection)
    parts: list[pd.DataFrame] = []
    boots, names = dict[tuple[str, str], int](), dict[str, int]()
    stops: list[Ended] = []
    thinned = 0
    # `ended` needs all possible requests and the exits (0), whichever signals are selected; fates need all verdicts.
    read = (0, *POSSIBLE, *where.signal) if where.signal else ()
    for boot, batch in recording.boots(replace(selection, signal=read, verdict=())):
        batch.known = batch.residents  # looked up once
        stops += [each for each in ended(batch) if not where.signal or each.signal in where.signal]
        if where.signal:
            batch = batch[np.isin(batch.records["signal"], where.signal)]  # noqa: PLW2901
        thinned += int(batch.records["thinned"].sum())
        parts.append(of_events(batch, names).assign(boot=boots.setdefault(boot, len(boots))))
    if where.since is None and where.until is None:
        counts = replace(where, verdict=()).of_counts(recording.counts())
        counts = counts[counts["stage"].isin(["generate", "deliver"])]
        thinned = int(counts["thinned"].sum())
        parts.append(without_event(of_counts(counts, boots), parts))
    whole = fates(pd.concat([nothing(), *parts]))
    if where.verdict:
        whole = whole[whole["verdict"].isin(where.verdict)]
    table = SignalTable(whole, list(boots), list(names), recording.spaces.table)
    losses = recording.losses_between(where.since, where.until)
    return Summary(table, stops, losses, recording.hosts(), not selection.timed, thinned)
