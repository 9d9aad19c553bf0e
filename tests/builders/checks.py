"""Facts of a check, as if a command had been run and stopped."""

from __future__ import annotations

from sigtrace.check.examination import Facts
from sigtrace.check.forecast import Forecast
from sigtrace.check.plan import Plan
from sigtrace.check.settling import Start
from sigtrace.check.subject import End
from sigtrace.check.trial import Reaps, Trial
from sigtrace.check.witness import Explanation

READY = Start(1.05, deaf=0.02)
STOPS = Forecast("stops at once", "if its handler for SIGTERM ends it")
HANGS = Forecast(
    "waits for KILL",
    "no handler for SIGTERM, so the kernel drops it",
    ("install a handler for SIGTERM", "run a small init as PID 1"),
    "no handler for SIGTERM, so the kernel drops it",
)
DROPPED = Explanation(
    "kernel",
    "dropped-at-generate",
    "SIGTERM was sent to app[7], PID 1 of its namespace, once and discarded: it has no handler for it.",
    "install a handler for it",
    ("07:53:45.000 generate SIGTERM to app[7]",),
)


def stopped(end: End | None = None, took: float = 0.2, **more: object) -> Trial:
    """A run that ended on its stop signal; by default with exit 0."""
    return Trial(READY, end or End(), took, 1, forecast=STOPS, left=(), **more)  # type: ignore[arg-type]


def hung(explanation: Explanation | None = DROPPED, **more: object) -> Trial:
    """A run that needed SIGKILL."""
    known = {"start": READY, "forecast": HANGS, **more}
    return Trial(end=End(signal=9), took=10.0, sent=1, killed=True, explanation=explanation, **known)  # type: ignore[arg-type]


def facts(
    main: Trial | None = None,
    *,
    plan: Plan | None = None,
    early: Trial | None = None,
    twice: Trial | None = None,
    reaps: Reaps = "reaps",
    name: str = "app --serve",
) -> Facts:
    """The facts of a check; by default all is well."""
    main = main or stopped()
    source = main.explanation.source if main.explanation else "kernel"
    return Facts(name, plan or Plan(), main, source, early, twice, reaps)
