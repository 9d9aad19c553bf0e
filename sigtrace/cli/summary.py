"""`sigtrace summary`: a recording on one page."""

from __future__ import annotations

import csv
import shutil
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import click

from sigtrace.cli.live import say
from sigtrace.cli.options import (
    directories_argument,
    selection_options,
    table_format_option,
)
from sigtrace.cli.output import json_line, write_lines
from sigtrace.events.losses import missing, thinned_note
from sigtrace.events.outcome import fate
from sigtrace.procfs.process import INITIAL_PID_NS
from sigtrace.signals import name as signal_name
from sigtrace.text import padded, printable, shorten
from sigtrace.units import DAY, SECOND, duration, number

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from sigtrace.recording.selection import Selection
    from sigtrace.recording.summary import Summary, SummaryLine

_NS, _WIDEST_NS = 10, 50
"""Columns for a namespace on a terminal of 80 columns, and the most on a wider one."""
_TITLES = ("SIGNAL", "SENDER", "WHAT BECAME OF IT", "COUNT")
_MOMENT = 9
"""Columns for a time."""
_NAME = 21
"""Columns for the name of who was hit, on a terminal of 80 columns."""
_MOST, _MOST_HITS = 40, 10
"""The most lines in the table, and in that of who was hit."""


@click.command(short_help="Summarise a recording: senders, signals, targets, outcomes.")
@directories_argument
@selection_options()
@table_format_option
def summary(
    directories: tuple[str, ...],
    selection: Selection,
    output: str,
) -> None:
    """Summarise a recording, also while it is being written.

    Prints who was hit by drops, the worst first, by which signals, from whom, and
    how many of the stops SIGKILL ended. Then a line for each PID namespace, signal,
    sender and fate: how often, when first and when last. A signal that was queued
    and later handled is one signal. "pending or fetched": until the end it was not
    delivered, or sigwait or a signalfd took it, which is no delivery. Totals are
    the kernel's exact counts of everything that passed the recorder's filters. The
    sender "-" is not known: the kernel does not report it at delivery, so that of
    several senders' signals with several fates it cannot be said whose had which;
    signals that were only counted have none.
    With --since or --until, totals are of the recorded events. Below the table:
    how long stops took, from the request to the exit of the init. If records were
    lost, that comes first, with what it means for the totals.

    \b
    JSON Lines and CSV have these keys: host, nsid, container_name, init_comm,
    signal, signal_name, sender_comm (null: not known), origin, verdict, count,
    first, last, container_id, runtime, image, pod, pod_namespace, ns_start (ns of
    CLOCK_BOOTTIME: distinguishes namespaces that had the same inode), init_pid.
    The last JSON line has the totals: dropped, stops, stops_killed,
    stop_seconds_p50, _p90, _p99, _longest, signals_thinned (counted without a
    record each), records_lost, signals_uncounted, recorders_cut_short, and
    totals_exact (false: they are too low).

    \b
    Examples:
      sigtrace summary /var/tmp/signals
      sigtrace summary /var/tmp/signals --ns 4026532249 --signal TERM --since 10m
      sigtrace summary /var/tmp/signals --container web-1
      sigtrace summary /var/tmp/signals --format csv > signals.csv
    """
    import sigtrace
    from sigtrace.recording.summary import summarise

    recording = sigtrace.open(directories)
    found = summarise(recording, selection)
    for problem in recording.problems:
        say(problem)
    if output == "csv":
        _write_csv(found)
        if not found.losses.nothing:
            for sentence in missing(found.losses, found.of_counts):
                say(sentence)
    else:
        write_lines(_json(found) if output == "json" else _table(found))


def _json(found: Summary) -> Iterator[str]:
    yield from (json_line(line.as_dict()) for line in found.lines)
    yield json_line(found.as_dict())


def _write_csv(found: Summary) -> None:
    from sigtrace.export.csv import cells
    from sigtrace.recording.summary import KEYS

    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(KEYS)
    writer.writerows(cells(line.as_dict().values()) for line in found.lines)


def _table(found: Summary) -> Iterator[str]:
    import numpy as np

    if not found.losses.nothing:
        yield from missing(found.losses, found.of_counts)
        yield ""
    if found.thinned:
        yield thinned_note(found.thinned)
        yield ""
    if not len(found.table):
        yield "no signals" + ("" if found.losses.complete else " in what was recorded")
    wide = shutil.get_terminal_size().columns
    yield from _hits(found, wide)
    width = min(_NS + max(wide - 80, 0), _WIDEST_NS)
    for host in found.hosts:
        rows = np.flatnonzero(found.table.hosts == host)
        if len(found.hosts) > 1:
            yield f"host {shorten(host, 70)}"
        if len(rows):
            yield from _one_by_one(found, rows, width) if len(rows) <= _MOST else _folded(found, rows, width)
        yield ""
    yield from _end(found)


def _one_by_one(found: Summary, rows: npt.NDArray[np.intp], width: int) -> Iterator[str]:
    """Yield a line for each of these rows."""
    yield _row(width, "NAMESPACE", *_TITLES, "FIRST", "LAST")
    lines = found.table.lines(rows)
    reused, days = _reused(lines), _several_days(lines)
    yield from (_of(line, width, _name(line, width, reused), days) for line in lines)
    for inode, pids in reused.items():
        yield f"{inode} had several namespaces, one after the other: {', '.join(f'#{pid}' for pid in pids)}, by"
        yield "the PID of their init (--ns PID shows one)"


def _folded(found: Summary, rows: npt.NDArray[np.intp], width: int) -> Iterator[str]:
    """Yield a line for what became of the signals of all namespaces of one name."""
    folded, many = found.table.folded(rows, _MOST)
    width += _MOMENT  # there is no column for the first time
    yield _row(width, "NAMESPACES", *_TITLES, "LAST")
    days = _several_days([line for _, _, line in folded])
    for name, homes, line in folded:
        shown = _counted(name, homes, width) if homes > 1 else _name(line, width, {})
        yield _of(line, width, shown, days, first=False)
    if many > len(folded):
        rest = int(found.table.rows["count"].iloc[rows].sum()) - sum(line.count for _, _, line in folded)
        yield f"and {number(many - len(folded), 'more line')}, {number(rest, 'signal')}"
    yield f"namespaces of one name are one line; -o csv has {number(len(rows), 'line')}"


def _counted(name: str, namespaces: int, width: int) -> str:
    """A name with the number of namespaces that have it: `web-1 (12)`."""
    many = f" ({namespaces:,})" if namespaces > 1 else ""
    return shorten(name, width - len(many)) + many


def _several_days(lines: Sequence[SummaryLine]) -> bool:
    moments = [moment for line in lines for moment in (line.first, line.last)]
    return bool(moments) and min(moments) // DAY != max(moments) // DAY


def _hits(found: Summary, wide: int) -> Iterator[str]:
    """Yield a table of who was hit by drops, the worst first, and by whom."""
    hits, of = found.table.hits(_MOST_HITS)
    if not hits:
        return
    width = min(_NAME + max(wide - 80, 0), _WIDEST_NS)
    yield _hit(width, "HIT", "DROPPED", "SIGNALS", "BY", "KILLED")
    lasting = found.stops if len(found.hosts) == 1 else []
    stops: dict[tuple[int, int], list[bool]] = {}
    for stop in lasting:
        stops.setdefault((stop.nsid, stop.ns_start), []).append(stop.killed)
    for hit in hits:
        ends = [killed for each in hit.namespaces for killed in stops.get(each, ())]
        which = (f"{signal_name(each).removeprefix('SIG')} {count:,}" for each, count in hit.signals.items())
        who = ("-" if comm is None else printable(comm) or "kernel" for comm in hit.senders)
        yield _hit(
            width,
            _counted(hit.name, len(hit.namespaces), width),
            f"{hit.dropped:,}",
            ", ".join(which) if len(hit.signals) > 1 else "".join(which).partition(" ")[0],
            ", ".join(who),
            f"{sum(ends):,} of {len(ends):,}" if ends else "",
        ).rstrip()
    if of > len(hits):
        yield f"and {of - len(hits):,} more"
    yield ""


def _hit(width: int, *cells: str) -> str:
    name, dropped, which, who, killed = cells
    return f"{padded(name, width)} {dropped:>9} {_fitting(which)} {_fitting(who)} {killed}"


def _fitting(words: str) -> str:
    return padded(shorten(words, 18), 18)


def _reused(lines: Sequence[SummaryLine]) -> dict[int, list[int]]:
    """Inodes that several namespaces of these lines have had, each with the PIDs of their inits."""
    starts: dict[int, dict[int, int]] = {}
    for line in lines:
        if not line.container:
            starts.setdefault(line.nsid, {})[line.ns_start] = line.init_pid
    several = {inode: pids for inode, pids in starts.items() if len(pids) > 1}
    return {inode: [pid for _, pid in sorted(pids.items()) if pid] for inode, pids in several.items()}


def _name(line: SummaryLine, width: int, reused: Mapping[int, Collection[int]]) -> str:
    """The container's name, else the inode; if several namespaces had that inode, the PID of the init."""
    if line.container:
        return line.container.fitting(width)
    if line.nsid == INITIAL_PID_NS:
        return "host"
    return f"#{line.init_pid}" if line.init_pid in reused.get(line.nsid, ()) else str(line.nsid)


def _of(line: SummaryLine, width: int, name: str, several_days: bool, first: bool = True) -> str:
    return _row(
        width,
        name,
        signal_name(line.signal).removeprefix("SIG"),
        "-" if line.sender_comm is None else shorten(line.sender_comm, 11) or "kernel",
        fate(line.verdict, line.signal, line.origin),
        f"{line.count:,}",
        *(_moment(time, several_days) for time in ((line.first, line.last) if first else (line.last,))),
    )


def _row(width: int, *cells: str) -> str:
    ns, signal, sender, what, count, *moments = cells
    times = "".join(f" {moment:>8}" for moment in moments)
    return f"{padded(ns, width)} {signal:<8} {padded(sender, 11)} {what:<20} {count:>8}{times}"


def _moment(time: int, several_days: bool) -> str:
    """`07:53:45`; for a recording of several days `22 07:53`, with the day of the month."""
    from datetime import datetime, timezone

    return datetime.fromtimestamp(time // SECOND, timezone.utc).strftime(
        "%d %H:%M" if several_days else "%H:%M:%S"
    )


def _end(found: Summary) -> Iterator[str]:
    from sigtrace.events.verdict import CODE

    facts = found.as_dict()
    hit = found.table.rows[found.table.dropped][["boot", "nsid", "ns_start"]].drop_duplicates()
    inits = f" for the {number(len(hit), 'init')} of {number(len(hit), 'PID namespace')}" if len(hit) else ""
    yield f"{number(found.dropped, 'signal')} dropped{inits}"
    pending = found.table.rows["verdict"] == CODE["queued"]
    if pending.any():
        count = int(found.table.rows["count"][pending].sum())
        yield f"{number(count, 'signal')} still pending, or fetched by sigwait or a signalfd"
    if found.stops:
        words = ("p50", "p90", "p99", "longest")
        times = ", ".join(f"{word} {duration(facts[f'stop_seconds_{word}'] * SECOND)}" for word in words)
        yield f"{number(len(found.stops), 'init')} stopped, {facts['stops_killed']:,} of them by SIGKILL: {times}"
    if found.losses.nothing:
        yield from missing(found.losses, found.of_counts)
