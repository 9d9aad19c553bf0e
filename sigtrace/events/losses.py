"""What is missing from a trace or a recording, and the one way to say it. Records are "lost", signals are "dropped"."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timezone

from sigtrace.units import SECOND, number

_FORM = "%Y-%m-%d %H:%M:%S"


@dataclass(frozen=True)
class Losses:
    """Records that were lost, by reason. Counts are kept apart from records: they miss only what `counted` says."""

    committed: int = 0
    """Records written to the kernel's ring."""
    lost: int = 0
    """Records for which the kernel's ring had no room."""
    uncounted: int = 0
    """Signals missing from the counts, because the table of counts was full."""
    missed: int = 0
    """Runs of the programs that the kernel skipped, one being at work on that CPU: neither recorded nor counted."""
    unqueued: int = 0
    """Records for which the recorder's queue had no room, as the disk was too slow."""
    unwritten: int = 0
    """Records that could not be written to the disk."""
    snapshots_skipped: int = 0
    thinned: int = 0
    """Events of other processes than inits that were counted only: of some of these nothing else is known."""
    cut: int = 0
    """Recorders that ended without closing the recording: nobody knows how much their last moments had."""
    gaps: tuple[tuple[int, int], ...] = ()
    """Times in which nothing could be written: begin and end, ns UTC."""

    @property
    def total(self) -> int:
        """Records known to be lost, for any reason."""
        return self.lost + self.unqueued + self.unwritten

    @property
    def counted(self) -> bool:
        """Whether the counts have every signal, also those whose records were lost."""
        return not (self.uncounted or self.missed or self.cut)

    @property
    def complete(self) -> bool:
        """Whether no record is missing: what was not recorded did not happen."""
        return not (self.total or self.missed or self.thinned or self.cut)

    @property
    def nothing(self) -> bool:
        """Whether no record and no count is missing."""
        return self.complete and self.counted and not self.gaps


NUMBERS = ("committed", "lost", "uncounted", "missed", "unqueued", "unwritten", "snapshots_skipped")
"""The members that a recorder keeps as totals of its life."""


def records_lost(losses: Losses) -> str:
    """Return `5 records lost`."""
    return f"{number(losses.total, 'record')} {'known to be lost' if losses.cut else 'lost'}"


def exact(losses: Losses, of_counts: bool = True) -> bool:
    """Whether totals are exact in spite of what was lost.

    of_counts: they are the kernel's counts, which lost records do not touch; else they are of the records.
    """
    return losses.counted if of_counts else losses.complete


def totals_note(losses: Losses, of_counts: bool = True) -> str:
    """Return what the losses mean for such totals, in a few words; empty if nothing was lost."""
    if exact(losses, of_counts):
        return "" if losses.complete else "the totals are still exact"
    return "the totals are too low"


def missing(losses: Losses, of_counts: bool = True) -> Iterator[str]:
    """Yield what is missing, in sentences without a full stop; the first is always the number of records lost.

    of_counts: see `exact`.
    """
    note = totals_note(losses, of_counts)
    yield records_lost(losses) + (f" ({note})" if note else "")
    if losses.uncounted and of_counts:
        yield f"{number(losses.uncounted, 'signal')} not counted, as the table of counts was full"
    if losses.missed:
        yield f"{number(losses.missed, 'signal')} neither recorded nor counted, as the kernel skipped the program"
    if losses.cut:
        whose = "the recorder was" if losses.cut == 1 else f"{losses.cut:,} recorders were"
        yield f"{whose} cut short: what had not been written by then is missing"
    for gap in losses.gaps:
        began, ended = (datetime.fromtimestamp(each // SECOND, timezone.utc) for each in gap)
        yield f"nothing was recorded from {began:{_FORM}} to {ended:{_FORM}} UTC, as nothing could be written"


def reasons(losses: Losses) -> Iterator[str]:
    """Yield why records were lost: `3 records lost, as ...`."""
    whys = {
        "the kernel's ring had no room for them": losses.lost,
        "the disk was too slow for the recorder": losses.unqueued,
        "they could not be written to the disk": losses.unwritten,
    }
    for why, count in whys.items():
        if count:
            yield f"{number(count, 'record')} lost, as {why}"


def thinned_note(count: int) -> str:
    """Return what it means that events were counted only: they are not lost, and in all totals."""
    each = "event was" if count == 1 else "events were"
    return f"{count:,} {each} counted without a record, as many others like it came at the same time"


def reservation(losses: Losses) -> str:
    """Return why it cannot be said that something did not happen: `5 records of that time were lost`; empty if it can.

    losses: those of the time in question.
    """
    parts = []
    if losses.total:
        parts.append(
            f"{number(losses.total, 'record')} of that time {'was' if losses.total == 1 else 'were'} lost"
        )
    if losses.missed:
        parts.append(f"the kernel skipped {number(losses.missed, 'signal')} of that time")
    if losses.thinned:
        were = "was" if losses.thinned == 1 else "were"
        parts.append(f"{number(losses.thinned, 'event')} of that time {were} counted only")
    if losses.cut:
        parts.append("the recorder was cut short")
    return " and ".join(parts)
