"""`sigtrace report`: write a recording as one HTML file to share."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sigtrace.cli.interrupt import terminated_like_ctrl_c
from sigtrace.cli.live import say
from sigtrace.cli.options import directories_argument, selection_options
from sigtrace.moments import nanoseconds
from sigtrace.text import printable

if TYPE_CHECKING:
    from sigtrace.recording.selection import Selection


@click.command(short_help="Write a recording as one HTML file to share.")
@directories_argument
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    default="report.html",
    show_default=True,
    help="The file to write, or - for stdout.",
)
@click.option("--force", is_flag=True, help="Replace FILE even if it is not an earlier report.")
@selection_options(signal=False)
def report(
    directories: tuple[str, ...],
    output: str,
    force: bool,
    selection: Selection,
) -> None:
    """Write the contents of a recording into one HTML file, for an incident review.

    The verdict comes first, and says what to do; then the findings, the most stuck
    PID namespace first, with their evidence, and the timeline as a picture and in
    words. Containers of one image that hung alike are one entry. Then tables of
    all namespaces, stops (who asked, and how long each took) and signals, and
    what the recording lacks. Timelines zoom and show details, tables sort and
    filter; the content is complete without JavaScript and on paper. The facts are
    in the page as JSON too, for other programs.

    The file is self-contained, needs no network and is smaller than 2 MB. If there
    are very many namespaces, it shows only the most stuck ones in full, and says
    so. It contains names of hosts, containers and programs, and command lines.

    \b
    Examples:
      sigtrace report /var/tmp/signals -o signals.html
      sigtrace report /var/tmp/signals -o web-1.html --container web-1 --since 2h
      sigtrace report /var/tmp/signals -o - | gzip > report.html.gz
    """
    import sigtrace
    from sigtrace.report import gather, html

    recording = sigtrace.open(directories)
    with terminated_like_ctrl_c():
        page = gather(recording, selection, list(_scope(selection)))
        content = html(page)
        _write(content, output, force)
    for problem in recording.problems:
        say(problem)
    if output != "-":
        say(f"{page.headline.text}: {printable(output)}, {len(content) / 1000:,.0f} kB")


def _scope(selection: Selection) -> Iterator[str]:
    """What the report is limited to, in words that follow "only"."""
    from sigtrace.report.moment import stamp

    if selection.ns:
        below = " and below" if selection.descendants else ""
        yield f"PID namespace {', '.join(map(str, selection.ns))}{below}"
    if selection.container:
        yield f"container {', '.join(selection.container)}"
    if selection.pod:
        yield f"pod {', '.join(selection.pod)}"
    if selection.since is not None:
        yield f"from {stamp(nanoseconds(selection.since))} UTC on"
    if selection.until is not None:
        yield f"before {stamp(nanoseconds(selection.until))} UTC"


def _write(content: bytes, output: str, force: bool) -> None:
    """Write the file completely or not at all. Raises BadInput if it exists and is not one of our reports."""
    if output == "-":
        try:
            sys.stdout.buffer.write(content)
            sys.stdout.buffer.flush()
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return
    from sigtrace.export.new_path import new_file
    from sigtrace.report import is_report

    path = Path(output)
    with new_file(path, force or is_report(path)) as file:
        file.write(content)
