"""`sigtrace export`: write a recording in the formats of other tools."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click

from sigtrace.cli.interrupt import terminated_like_ctrl_c
from sigtrace.cli.live import say
from sigtrace.cli.options import (
    directories_argument,
    selection_options,
)
from sigtrace.errors import BadInput
from sigtrace.events.losses import missing
from sigtrace.export.formats import FORMATS, writer
from sigtrace.text import printable
from sigtrace.units import number

if TYPE_CHECKING:
    from sigtrace.export.source import Source
    from sigtrace.recording.selection import Selection


@click.command(short_help="Write a recording as Parquet, CSV, JSON Lines or a Perfetto trace.")
@directories_argument
@click.option("--to", "kind", type=click.Choice(FORMATS), required=True, help="The format; see above.")
@click.option(
    "-o",
    "--output",
    metavar="PATH",
    required=True,
    help="The file to write, or - for stdout. Parquet: the directory to write.",
)
@click.option("--force", is_flag=True, help="Replace PATH if it exists.")
@selection_options()
def export(
    directories: tuple[str, ...],
    kind: str,
    output: str,
    force: bool,
    selection: Selection,
) -> None:
    """Write one or more recordings in a format that other tools read.

    \b
    parquet   a directory with events, counts, namespaces, snapshots and losses
              as .parquet files: DuckDB, pandas, Polars, Spark
    csv       events, for spreadsheets: control characters are escaped, and text
              that a spreadsheet would take for a formula gets an apostrophe
    json      events as JSON Lines, as `watch --format json` prints them
    perfetto  a trace for ui.perfetto.dev: one track per PID namespace, with
              stops, grace periods, drops and kills, and arrows from the senders

    PATH appears only when it is complete: nothing has that name before, or after
    an error. All formats are written with bounded memory.

    \b
    Examples:
      sigtrace export /var/tmp/signals --to parquet -o signals
      sigtrace export /var/tmp/signals --to perfetto -o signals.pftrace
      sigtrace export /var/tmp/signals --to csv -o - --signal TERM | head
    """
    import sigtrace
    from sigtrace.export.source import Source

    recording = sigtrace.open(directories)
    source = Source(recording, recording.filter(_with_exits(selection, kind)))
    with terminated_like_ctrl_c(), _progress(source):
        notes = _write(source, kind, output, force)
    losses = recording.losses_between(source.where.since, source.where.until)
    lost = () if losses.nothing else missing(losses, of_counts=False)
    for sentence in (*notes, *recording.problems, *lost):
        say(sentence)
    say(f"{number(source.written, 'event')} written" + ("" if output == "-" else f" to {printable(output)}"))


def _with_exits(selection: Selection, kind: str) -> Selection:
    """The selection; for a Perfetto trace with `--signal`, exits as well: they end the stops it shows."""
    if kind != "perfetto" or not selection.signal:
        return selection
    return replace(selection, signal=(0, *selection.signal))


def _write(source: Source, kind: str, output: str, force: bool) -> list[str]:
    """Write it. Returns sentences about what the format could not express."""
    if kind == "parquet":
        from sigtrace.export import parquet
        from sigtrace.export.new_path import new_directory

        if output == "-":
            raise BadInput("parquet is written to a directory, not to stdout: name one with -o.")
        with new_directory(Path(output), force, parquet.FILES) as directory:
            return parquet.write(source, directory)
    with _opened(output, force, kind) as file:
        writer(kind)(source, file)
    return []


@contextlib.contextmanager
def _opened(output: str, force: bool, kind: str) -> Iterator[BinaryIO]:
    """The file to write, or stdout, whose reader may leave early."""
    if output != "-":
        from sigtrace.export.new_path import new_file

        with new_file(Path(output), force) as file:
            yield file
        return
    if kind == "perfetto" and sys.stdout.isatty():
        raise BadInput("a Perfetto trace is binary, not text for a terminal: name a file with -o.")
    try:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextlib.contextmanager
def _progress(source: Source) -> Iterator[None]:
    """Show a progress bar inside the block if stderr is a terminal."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    from sigtrace.cli.output import console

    total = source.recording.rows("events", source.where)
    with Progress(
        BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), console=console(stderr=True), transient=True
    ) as bar:
        task = bar.add_task("", total=total)
        source.progress = lambda events: bar.update(task, advance=events)
        yield
