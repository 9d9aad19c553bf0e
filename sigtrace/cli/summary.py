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
from sigtrace.events.outcome import label
from sigtrace.signals import name as signal_name
from sigtrace.text import padded, shorten
from sigtrace.units import DAY, SECOND, duration, number

if TYPE_CHECKING:
    from sigtrace.recording.selection import Selection
    from sigtrace.recording.summary import Summary, SummaryLine

_NS, _WIDEST_NS = 10, 50
"""Columns for a namespace on a terminal of 80 columns, and the most on a wider one."""
_MOST = 40
"""The most lines in the table."""


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

    Prints one line for each PID namespace, signal, sender and verdict: how often,
    when first and when last. Totals are the kernel's exact counts of everything
    that passed the recorder's filters. The sender "-" is not known: the kernel
    does not report it at delivery, and signals that were only counted have none.
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
    if not found.losses.nothing:
        yield from missing(found.losses, found.of_counts)
        yield ""
    if found.thinned:
        yield thinned_note(found.thinned)
        yield ""
    if not found.lines:
        yield "no signals" + ("" if found.losses.complete else " in what was recorded")
    width = min(_NS + max(shutil.get_terminal_size().columns - 80, 0), _WIDEST_NS)
    span = [moment for line in found.lines for moment in (line.first, line.last)]
    several_days = bool(span) and min(span) // DAY != max(span) // DAY
    for host in found.hosts:
        lines = [line for line in found.lines if line.host == host]
        reused = _reused(lines[:_MOST])
        if len(found.hosts) > 1:
            yield f"host {shorten(host, 70)}"
        if lines:
            yield _row(width, "NAMESPACE", "SIGNAL", "SENDER", "WHAT BECAME OF IT", "COUNT", "FIRST", "LAST")
        yield from (_of(line, width, _name(line, width, reused), several_days) for line in lines[:_MOST])
        if len(lines) > _MOST:
            rest = sum(line.count for line in lines[_MOST:])
            yield f"and {number(len(lines) - _MOST, 'more line')}, {number(rest, 'signal')}: --format csv has all"
        for inode, pids in reused.items():
            yield f"{inode} had several namespaces, one after the other: {', '.join(f'#{pid}' for pid in pids)}, by"
            yield "the PID of their init (--ns PID shows one)"
        yield ""
    yield from _end(found)


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
    return f"#{line.init_pid}" if line.init_pid in reused.get(line.nsid, ()) else str(line.nsid)


def _of(line: SummaryLine, width: int, name: str, several_days: bool) -> str:
    return _row(
        width,
        name,
        signal_name(line.signal).removeprefix("SIG"),
        "-" if line.sender_comm is None else shorten(line.sender_comm, 11) or "kernel",
        label(line.verdict, line.signal, line.origin),
        f"{line.count:,}",
        *(_moment(time, several_days) for time in (line.first, line.last)),
    )


def _row(width: int, *cells: str) -> str:
    ns, signal, sender, what, count, first, last = cells
    return f"{padded(ns, width)} {signal:<8} {padded(sender, 11)} {what:<20} {count:>8} {first:>8} {last:>8}"


def _moment(time: int, several_days: bool) -> str:
    """`07:53:45`; for a recording of several days `22 07:53`, with the day of the month."""
    from datetime import datetime, timezone

    return datetime.fromtimestamp(time // SECOND, timezone.utc).strftime(
        "%d %H:%M" if several_days else "%H:%M:%S"
    )


def _end(found: Summary) -> Iterator[str]:
    facts = found.as_dict()
    dropped = {
        (line.host, line.nsid, line.ns_start): line.container
        for line in found.lines
        if line.verdict.startswith("dropped")
    }
    inits = (
        f"inits of {len(dropped):,} PID namespaces"
        if len(dropped) > 1
        else "".join(
            f"init of {shorten(container.label, 40)} ({nsid})" if container else f"init of {nsid}"
            for (_, nsid, _), container in dropped.items()
        )
    )
    yield f"{number(found.dropped, 'signal')} dropped" + (f" for the {inits}" if inits else "")
    if found.stops:
        words = ("p50", "p90", "p99", "longest")
        times = ", ".join(f"{word} {duration(facts[f'stop_seconds_{word}'] * SECOND)}" for word in words)
        yield f"{number(len(found.stops), 'init')} stopped, {facts['stops_killed']:,} of them by SIGKILL: {times}"
    if found.losses.nothing:
        yield from missing(found.losses, found.of_counts)
