"""Prints a diagnosis: a timeline, the findings, what was ruled out; 80 columns unless the terminal is wider."""

from __future__ import annotations

import os
import re
import shutil
import sys
import textwrap
from collections.abc import Iterator

import click
import numpy as np

from sigtrace.postmortem import Finding, Report
from sigtrace.postmortem.timeline import timeline_entries, title
from sigtrace.text import printable
from sigtrace.units import duration

_COLOURS = {"error": "red", "warning": "yellow", "notice": "cyan"}
_WIDEST = 100
_DURATION = re.compile(r"\b([\d.]+) (us|ms|s|min|h|d)\b")
"""A number and its unit, which stay on one line."""
_NO_BREAK = "\xa0"
_FEW = 3
"""Causes not checked for the same reason that are always named."""


def print_report(report: Report, verbose: bool = False) -> None:
    """Print the report of one namespace; verbose: name all causes that were not checked, however many."""
    for line in report_lines(report, page_width(), verbose):
        click.echo(line, color=_colour())


def report_lines(report: Report, width: int, verbose: bool = False) -> Iterator[str]:
    """Yield the lines of the report, of at most `width` columns, styled."""
    yield from _wrapped(click.style(title(report.case), bold=True), width, "", "  ")
    yield from _timeline(report, width)
    yield ""
    if report.reservation and report.findings:
        yield from _wrapped(f"Not all is known: {report.reservation}.", width, "", "  ")
        yield ""
    for finding in report.findings:
        yield from _finding(finding, width)
    if not report.findings:
        yield from _wrapped(report.nothing_found, width, "", "  ")
        yield ""
    if report.ruled_out:
        absent_causes = "; ".join(cause.absent for cause in report.ruled_out)
        yield from _wrapped(f"Ruled out: {absent_causes}.", width, "", "  ")
    for why, absent in report.reasons.items():
        named = "; ".join(absent)
        if len(absent) > _FEW and not verbose:
            named = f"{len(absent)} causes, which --verbose names"
        yield from _wrapped(f"Not checked, as {why}: {named}.", width, "", "  ")
    for cause, _ in report.failed:
        yield f"The check for {cause.slug} failed."


def _timeline(report: Report, width: int) -> Iterator[str]:
    entries, day = timeline_entries(report.case), ""
    start = report.case.requests[0].time if report.case.requests else None
    for entry in entries:
        date, _, clock = np.datetime_as_string(np.datetime64(entry.time, "ns"), unit="ms").partition("T")
        if date != day:
            yield f"  {date} (UTC)"
        day = date
        since = f"+{duration(entry.time - start)}" if start is not None and entry.time >= start else ""
        head = f"  {clock}  {since:<12} "
        blank = " " * len(head)
        yield from _wrapped(entry.text, width, head, blank)
        for detail in entry.detail:
            yield from _wrapped(detail, width, blank, blank + "  ")
    if not entries:
        yield "  no event of this namespace was recorded"


def _finding(finding: Finding, width: int) -> Iterator[str]:
    mark = click.style(finding.severity.upper(), fg=_COLOURS[finding.severity], bold=True)
    yield f"{mark} {finding.cause} ({finding.confidence})"
    yield from _wrapped(finding.summary, width, "  ", "  ")
    for line in finding.evidence:
        yield from _wrapped(line, width, "    evidence  ", "              ")
    yield from _wrapped(finding.advice, width, "    to do     ", "              ")
    yield ""


def _wrapped(text: str, width: int, first: str, rest: str) -> list[str]:
    plain = click.unstyle(text)
    kept = _DURATION.sub(rf"\1{_NO_BREAK}\2", printable(plain))
    broken = textwrap.wrap(kept, width, initial_indent=first, subsequent_indent=rest, break_on_hyphens=False)
    lines = [line.replace(_NO_BREAK, " ") for line in broken]
    return [click.style(line, bold=True) for line in lines] if plain != text else lines


def page_width() -> int:
    """Return the columns for text: 79, or up to 99 on a wider terminal."""
    return min(max(shutil.get_terminal_size().columns, 80), _WIDEST) - 1


def _colour() -> bool | None:
    """Whether to colour: False if NO_COLOR is set or stdout is not a terminal, else None to let click decide."""
    return False if "NO_COLOR" in os.environ or not sys.stdout.isatty() else None
