"""What is wrong with a subject, from the facts. Pure functions: no process is looked at."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from sigtrace import signals
from sigtrace.check.examination import Facts
from sigtrace.check.subject import End
from sigtrace.postmortem.finding import Severity
from sigtrace.units import SECOND, duration, number

Result = Literal["passes", "fails", "not checked"]
"""not checked: it had ended before it was to be stopped."""

LONG_DEAF = 1.0
"""Seconds after the start in which a request to stop may be lost without this being a warning: most programs load for
a while before they install a handler."""
_AS_CRASH = frozenset((signals.KILL, 4, 6, 7, 8, 11, 31))
"""Signals that nobody sends to stop a program: KILL, ILL, ABRT, BUS, FPE, SEGV, SYS."""

_FEW = 3


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong, or worth knowing."""

    check: str
    """A stable slug: `does-not-stop`."""
    severity: Severity
    """error: the check fails. warning: it fails with --strict. notice: for information."""
    summary: str
    """One sentence."""
    because: str = ""
    advice: tuple[str, ...] = ()
    """What would help, the best first."""
    evidence: tuple[str, ...] = ()
    cause: str = ""
    """Slug of the postmortem's cause, if it has found one."""

    def as_dict(self) -> dict[str, object]:
        """Return it for JSON Lines, with stable keys."""
        return {
            "check": self.check,
            "severity": self.severity,
            "summary": self.summary,
            "because": self.because,
            "cause": self.cause,
            "advice": list(self.advice),
            "evidence": list(self.evidence),
        }


@dataclass(frozen=True)
class Verdict:
    """What a check comes to."""

    facts: Facts
    result: Result
    problems: tuple[Problem, ...]
    """The gravest first."""
    strict: bool = False
    """Warnings fail it too."""

    @property
    def failing(self) -> tuple[Severity, ...]:
        """The severities that fail it."""
        return ("error", "warning") if self.strict else ("error",)

    def as_dict(self) -> dict[str, object]:
        """Return it for JSON Lines, with stable keys: see `sigtrace.cli.check`."""
        facts, main = self.facts, self.facts.main
        end, forecast = main.end, main.forecast
        return {
            "subject": facts.name,
            "result": self.result,
            "signal": signals.name(facts.plan.signal),
            "grace_seconds": facts.plan.grace,
            "max_seconds": facts.plan.most or facts.plan.grace,
            "ready": str(facts.plan.ready),
            "ready_seconds": round(main.start.seconds, 3),
            "stopped": main.sent > 0 and not main.killed,
            "seconds": round(main.took, 3) if main.sent else None,
            "exit_code": end.as_code if end else None,
            "exit_signal": signals.name(end.signal) if end and end.signal else "",
            "predicted": forecast.verdict if forecast else "",
            "predicted_why": forecast.why if forecast else "",
            "as_predicted": forecast.agrees(main.killed) if forecast else None,
            "evidence_from": facts.source,
            "problems": [problem.as_dict() for problem in self.problems],
            "output": list(main.output[-20:]),
        }


def judge(facts: Facts, strict: bool = False) -> Verdict:
    """Derive the verdict. strict: warnings fail too."""
    found = tuple(
        sorted(_problems(facts), key=lambda each: ("error", "warning", "notice").index(each.severity))
    )
    verdict = Verdict(facts, "not checked", found, strict)
    if not facts.main.sent:
        return verdict
    fails = any(each.severity in verdict.failing for each in found)
    return replace(verdict, result="fails" if fails else "passes")


def _problems(facts: Facts) -> Iterator[Problem]:
    main = facts.main
    if not main.sent:
        yield _ended_before(facts)
        return
    yield from _of_the_start(facts)
    yield from _of_the_stop(facts)
    if not main.killed and main.end:
        yield from _of_the_exit(facts, main.end)
    yield from _of_children(facts)
    for words in facts.plan.uncovered:
        yield Problem("not-covered", "notice", words)
    if main.forecast and not main.forecast.agrees(main.killed):
        yield Problem(
            "not-as-predicted",
            "warning",
            f"sigtrace had predicted that it {main.forecast.verdict}: {main.forecast.why}; that was wrong",
            advice=("please report it, with the output of this check",),
        )


def _ended_before(facts: Facts) -> Problem:
    how = f"it ended by itself before it was to be stopped: {facts.main.end}"
    return Problem(
        "ended-by-itself",
        "error",
        how,
        advice=(
            "check what runs until it is stopped, also with an empty stdin; --show-output shows what it said",
        ),
    )


def _of_the_start(facts: Facts) -> Iterator[Problem]:
    start, name = facts.main.start, signals.name(facts.plan.signal)
    if start.late:
        by_itself = facts.plan.ready.kind == "settled"
        how = "had not settled" if by_itself else "was not ready"
        yield Problem(
            "not-ready",
            "notice" if by_itself else "warning",
            f"it {how} after {duration(start.seconds * SECOND)}, and was stopped as it was",
            advice=("--ready says what to wait for, --ready-within for how long",),
        )
    if facts.early is None or not facts.early.killed:
        return
    deaf = start.deaf
    when = (
        f"in the first {duration(deaf * SECOND)} after its start"
        if deaf is not None and deaf >= 0.01
        else "right after its start"
    )
    yield Problem(
        "lost-at-start",
        "warning" if deaf is not None and deaf >= LONG_DEAF else "notice",
        f"a {name} {when} is lost: the kernel drops it until there is a handler, and nobody sends it again",
        advice=("install the handler before anything else is loaded",),
    )


def _of_the_stop(facts: Facts) -> Iterator[Problem]:
    main, plan, name = facts.main, facts.plan, signals.name(facts.plan.signal)
    if main.end is None:
        yield Problem("not-even-killed", "error", "not even SIGKILL ended it", because=_because(facts))
    elif main.killed:
        yield Problem(
            "does-not-stop",
            "error",
            f"it did not end within {duration(plan.grace * SECOND)} of {name}: SIGKILL ended it",
            _because(facts),
            _advice(facts),
            main.explanation.evidence if main.explanation else (),
            main.explanation.cause if main.explanation else "",
        )
    elif plan.most and main.took > plan.most:
        yield Problem(
            "too-slow",
            "error",
            f"it took {duration(main.took * SECOND)} to end on {name}: more than {duration(plan.most * SECOND)}",
            main.explanation.summary if main.explanation else "",
            (main.explanation.advice,) if main.explanation else (),
            main.explanation.evidence if main.explanation else (),
            main.explanation.cause if main.explanation else "",
        )


def _because(facts: Facts) -> str:
    seen, forecast = facts.main.explanation, facts.main.forecast
    if seen and seen.source == "kernel":
        return seen.summary
    if forecast and forecast.if_it_hangs:
        return forecast.if_it_hangs
    if seen:
        return seen.summary
    name = signals.name(facts.plan.signal)
    if forecast and forecast.why.startswith("if its handler"):
        return f"its handler for {name} does not end it, or not in time"
    return forecast.why if forecast else ""


def _advice(facts: Facts) -> tuple[str, ...]:
    seen, forecast = facts.main.explanation, facts.main.forecast
    if forecast and forecast.if_it_hangs and forecast.advice:
        return forecast.advice
    return (seen.advice,) if seen and seen.advice else ()


def _of_the_exit(facts: Facts, end: End) -> Iterator[Problem]:
    name, code = signals.name(facts.plan.signal), end.as_code
    if code in (0, 128 + facts.plan.signal):
        pass
    elif code - 128 in _AS_CRASH:
        by = signals.name(code - 128)
        yield Problem(
            "exit-code",
            "warning",
            f"it crashes on {name}: exit {code}, which is {by}; docker shows `Exited ({code})`, Kubernetes `Error`",
            advice=("find out what fails in its shutdown; --show-output shows what it said",),
        )
    else:
        yield Problem(
            "exit-code",
            "warning",
            f"exit {code} after {name} reads as a failure: docker shows `Exited ({code})`, Kubernetes `Error`, and a "
            "Job counts it as failed",
            advice=(
                f"exit 0 after a stop that was asked for, or {128 + facts.plan.signal} as one that {name} ends",
            ),
        )
    twice = facts.twice
    if twice is None or twice.sent < 2 or facts.main.end is None:
        return
    if twice.killed:
        within = duration(facts.plan.grace * SECOND)
        yield Problem("second-signal", "warning", f"with a second {name} it does not end within {within}")
    elif twice.end and twice.end.as_code != code:
        yield Problem(
            "second-signal",
            "warning",
            f"a second {name} cuts its shutdown short: {twice.end}, instead of exit {code}",
            advice=(f"ignore {name} once the shutdown has begun",),
        )


def _of_children(facts: Facts) -> Iterator[Problem]:
    left, forecast = facts.main.left, facts.main.forecast
    if left:
        names = ", ".join(left[:_FEW]) + (f" and {len(left) - _FEW} more" if len(left) > _FEW else "")
        yield Problem(
            "left-behind",
            "warning",
            f"{number(len(left), 'process', 'processes')} got SIGKILL, as when PID 1 ends before the others: {names}",
            advice=("have PID 1 pass the signal on, and wait for its children before it exits",),
        )
    small = "run a small init as PID 1: docker run --init, or tini or catatonit in the image"
    if forecast and forecast.zombies:
        yield Problem(
            "zombies",
            "warning",
            f"{number(forecast.zombies, 'child', 'children')} of PID 1 had ended and were not reaped",
            advice=("have PID 1 wait for its children", small),
        )
    elif facts.reaps == "does not reap":
        yield Problem(
            "orphans",
            "notice",
            "PID 1 does not reap processes whose parent has ended: each stays as a zombie",
            advice=(f"if anything in it starts processes, {small}",),
        )
