"""A postmortem as HTML for notebooks: the timeline, the findings with their evidence, and the causes ruled out."""

from __future__ import annotations

import html
from collections.abc import Iterator

import numpy as np

from sigtrace.events.outcome import GREY, PURPLE, VERMILLION
from sigtrace.notebook.table import table, text
from sigtrace.postmortem.finding import Finding
from sigtrace.postmortem.runner import Report
from sigtrace.postmortem.timeline import timeline_entries, title
from sigtrace.text import printable
from sigtrace.units import duration

_LONG = 1000
"""The most characters of a sentence."""
_COLOURS = {"error": VERMILLION, "warning": PURPLE, "notice": GREY}


def page(report: Report) -> str:
    """Return a report as HTML, in the notebook's own colours except for the severities."""
    parts = [f"<b>{text(title(report.case), _LONG)}</b>", _timeline(report)]
    parts += [_finding(finding) for finding in report.findings]
    if not report.findings:
        parts.append(f"<p><b>{text(report.nothing_found, _LONG)}</b></p>")
    elif report.reservation:
        parts.append(f"<p>Not all is known: {text(report.reservation, _LONG)}.</p>")
    parts += _others(report)
    return f"<div>{''.join(parts)}</div>"


def _timeline(report: Report) -> str:
    asked = report.case.requests[0].time if report.case.requests else None
    rows = []
    for entry in timeline_entries(report.case):
        since = f"+{duration(entry.time - asked)}" if asked is not None and entry.time >= asked else ""
        rows.append((_clock(entry.time), since, entry.text, "; ".join(entry.detail)))
    drops = ["DROPPED" in detail for *_, detail in rows]
    return table(("UTC", "since asked", "what happened", "what became of it"), rows, drops, width=_LONG)


def _finding(finding: Finding) -> str:
    mark = f'<b style="color:{_COLOURS[finding.severity]}">{finding.severity.upper()}</b>'
    lines = "".join(f"<li>{_code(line)}</li>" for line in finding.evidence)
    return (
        f"<p>{mark} <b>{text(finding.cause)}</b> ({finding.confidence}): {text(finding.summary, _LONG)}</p>"
        f"<ul>{lines}</ul><p><b>To do:</b> {text(finding.advice, _LONG)}</p>"
    )


def _others(report: Report) -> Iterator[str]:
    if report.ruled_out:
        causes = "; ".join(cause.absent for cause in report.ruled_out)
        summary = f"{len(report.ruled_out)} other causes ruled out"
        yield f"<details><summary>{summary}</summary>{text(causes, 4000)}</details>"
    for why, absent in report.reasons.items():
        summary = f"{len(absent)} not checked, as {text(why, _LONG)}"
        yield f"<details><summary>{summary}</summary>{text('; '.join(absent), 4000)}</details>"
    for cause, error in report.failed:
        yield f"<p>The check for {text(cause.slug)} failed: {text(error, _LONG)}</p>"


def _clock(time: int) -> str:
    return str(np.datetime_as_string(np.datetime64(time, "ns"), unit="ms")[11:])


def _code(line: str) -> str:
    return f'<code style="white-space:pre-wrap">{html.escape(printable(line))}</code>'
