"""A verdict in words: lines for people, without colours; any text from outside is made printable."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from sigtrace import signals
from sigtrace.check.problems import Problem, Verdict
from sigtrace.text import printable, shorten
from sigtrace.units import SECOND, duration

_INDENT = 12
_FEW_LINES = 10
"""Lines of output that a failure shows."""


def headline(verdict: Verdict) -> str:
    """Return the verdict in one sentence, without the subject: `stops in 0.20 s on SIGTERM, exit 0`."""
    facts, main = verdict.facts, verdict.facts.main
    name = signals.name(facts.plan.signal)
    if not main.sent or main.end is None:
        return verdict.problems[0].summary
    if main.killed:
        return f"hangs: it did not end within {duration(facts.plan.grace * SECOND)} of {name}, and SIGKILL ended it"
    return f"stops in {duration(int(main.took * SECOND))} on {name}, {main.end}"


def lines(verdict: Verdict, width: int, whole_output: bool = False) -> Iterator[str]:
    """Yield the lines for one subject; the first two are its name and the verdict."""
    main = verdict.facts.main
    yield inert(shorten(verdict.facts.name, width))
    yield from _part(verdict.result.upper(), headline(verdict), width)
    for problem in verdict.problems:
        yield from _problem(problem, verdict, width)
    if main.sent:
        yield from _part("ready", _started(verdict), width)
    if main.forecast:
        yield from _part("predicted", f"{main.forecast.verdict}: {main.forecast.why}", width)
    yield from _output(verdict, width, whole_output)


def _started(verdict: Verdict) -> str:
    start, ready = verdict.facts.main.start, verdict.facts.plan.ready
    if start.late:
        return f"not within {duration(start.seconds * SECOND)} ({ready})"
    return f"{ready}, {duration(int(start.seconds * SECOND))} after its start"


def _problem(problem: Problem, verdict: Verdict, width: int) -> Iterator[str]:
    if problem.summary != headline(verdict) and problem.check != "does-not-stop":
        yield from _part(problem.severity, problem.summary, width)
    if problem.because:
        yield from _part("because", problem.because, width)
    for place, each in enumerate(problem.advice if problem.severity != "notice" else ()):
        yield from _part("to fix" if place == 0 else "", each, width)
    for place, each in enumerate(problem.evidence):
        where = "seen by" if place == 0 else ""
        source = {"kernel": "the kernel: ", "proc": "/proc: "}[verdict.facts.source] if place == 0 else ""
        yield from _part(where, source + each, width)


def _output(verdict: Verdict, width: int, whole: bool) -> Iterator[str]:
    said = verdict.facts.main.output
    shown = said if whole else said[-_FEW_LINES:] if verdict.result != "passes" else ()
    for place, line in enumerate(shown):
        yield inert(
            f"  {'it said' if place == 0 else '':<{_INDENT - 2}}| {shorten(line, width - _INDENT - 2)}"
        )


def _part(title: str, text: str, width: int) -> list[str]:
    """A titled paragraph; its further lines are indented a little more, as several may follow each other."""
    wrapped = textwrap.wrap(
        printable(text),
        width,
        initial_indent=f"  {title:<{_INDENT - 2}}" if len(title) < _INDENT - 2 else f"  {title} ",
        subsequent_indent=" " * (_INDENT + 2),
        break_on_hyphens=False,
    )
    return list(map(inert, wrapped))


def inert(line: str) -> str:
    """Return a line that GitHub's runner does not take for a command, whatever text it has.

    It looks for `::` at the beginning, after blanks, and for `##[` anywhere (ActionCommand.cs of actions/runner).
    """
    line = line.replace("##[", "## [")
    text = line.lstrip()
    return line[: len(line) - len(text)] + text.replace("::", ": :", 1) if text.startswith("::") else line
