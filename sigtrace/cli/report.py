"""`sigtrace report`: a recording as one HTML file to hand round."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from sigtrace.cli.interrupt import terminated_like_ctrl_c
from sigtrace.cli.live import say
from sigtrace.cli.options import container_options, directories_argument, namespace_options, period_options
from sigtrace.text import printable


@click.command(short_help="A recording as one HTML file to hand round.")
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
@namespace_options
@container_options
@period_options
def report(
    directories: tuple[str, ...],
    output: str,
    force: bool,
    namespaces: tuple[str, ...],
    descendants: bool,
    containers: tuple[str, ...],
    pods: tuple[str, ...],
    since: int | None,
    until: int | None,
) -> None:
    """Write what a recording says into one HTML file, for an incident review.

    The verdict is on top; then the PID namespaces, the most stuck first; for each
    of these its findings with the evidence, its timeline and its story; who was
    asked to stop by whom, and how long it took; who sent which signals; and what
    the recording lacks. Timelines zoom and explain themselves, tables sort and
    filter; without JavaScript, and on paper, all of it is there all the same.

    The file needs no other and no network, and is smaller than 2 MB: of very many
    namespaces the most stuck are told in full, and it says so. In it are names of
    hosts, containers and programs, and command lines.

    \b
    Examples:
      sigtrace report /var/tmp/signals -o signals.html
      sigtrace report /var/tmp/signals -o web-1.html --container web-1 --since 2h
      sigtrace report /var/tmp/signals -o - | gzip > report.html.gz
    """
    import sigtrace
    from sigtrace.containers.selector import Wanted
    from sigtrace.recording.selection import select
    from sigtrace.recording.summary import Query
    from sigtrace.report import gather, html

    recording = sigtrace.open(directories)
    ns = select(recording, namespaces, Wanted(containers, pods), descendants)
    scope = list(_scope(namespaces, descendants, containers, pods, since, until))
    with terminated_like_ctrl_c():
        page = gather(recording, Query(ns, (), since, until), scope)
        content = html(page)
        _write(content, output, force)
    for problem in recording.problems:
        say(problem)
    if output != "-":
        say(f"{page.headline.text}: {printable(output)}, {len(content) / 1000:,.0f} kB")


def _scope(
    namespaces: tuple[str, ...],
    descendants: bool,
    containers: tuple[str, ...],
    pods: tuple[str, ...],
    since: int | None,
    until: int | None,
) -> Iterator[str]:
    """What the report is narrowed to, in words that follow "only"."""
    from sigtrace.report.moment import stamp

    if namespaces:
        below = " and what is below" if descendants else ""
        yield f"PID namespace {', '.join(namespaces)}{below}"
    if containers:
        yield f"container {', '.join(containers)}"
    if pods:
        yield f"pod {', '.join(pods)}"
    if since is not None:
        yield f"from {stamp(since)} UTC on"
    if until is not None:
        yield f"before {stamp(until)} UTC"


def _write(content: bytes, output: str, force: bool) -> None:
    """Write it whole, or not at all. Raises BadInput when the file exists and is none of ours."""
    if output == "-":
        try:
            sys.stdout.buffer.write(content)
            sys.stdout.buffer.flush()
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return
    from sigtrace.export.output import new_file
    from sigtrace.report import is_report

    path = Path(output)
    with new_file(path, force or is_report(path)) as file:
        file.write(content)
