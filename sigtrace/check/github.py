"""A verdict as annotations of GitHub Actions: workflow commands, escaped by the runner's rules.

`::error title=...::...`. In a message `%`, CR and LF are escaped, in a property `:` and `,` too (escapeData and
escapeProperty of actions/toolkit, packages/core/src/command.ts).
"""

from __future__ import annotations

from collections.abc import Iterator

from sigtrace.check.problems import Problem, Verdict
from sigtrace.check.words import headline, inert
from sigtrace.text import printable, shorten

_NAME = 80


def commands(verdict: Verdict) -> Iterator[str]:
    """Yield a line for each problem, and one without a mark for the verdict."""
    name = shorten(verdict.facts.name, _NAME)
    yield inert(f"{name}: {verdict.result}: {printable(headline(verdict))}")
    for problem in verdict.problems:
        # with --strict a warning fails the step: it is marked as what it is then
        level = "error" if problem.severity in verdict.failing else problem.severity
        title = f"sigtrace check: {name}: {problem.check}"
        yield f"::{level} title={_property(title)}::{_data(_message(problem))}"


def _message(problem: Problem) -> str:
    parts = [problem.summary]
    if problem.because:
        parts.append(f"Because: {problem.because}")
    if problem.advice:
        parts.append("To fix: " + "; or ".join(problem.advice))
    return "\n".join(map(printable, parts))


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(printable(text)).replace(":", "%3A").replace(",", "%2C")
