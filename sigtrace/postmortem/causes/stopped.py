"""The init is stopped (SIGSTOP): it takes no signal until SIGCONT, but SIGKILL from outside still ends it."""

from __future__ import annotations

from collections.abc import Iterator

from sigtrace.postmortem.case import Case
from sigtrace.postmortem.cause import Cause
from sigtrace.postmortem.checks import lines
from sigtrace.postmortem.finding import Finding, numbers
from sigtrace.signals import CONT, KILL, STOP


def check(case: Case) -> Iterator[Finding]:
    """An init in state T, or requests that came while it was stopped."""
    sight = case.sight_of_init()
    waiting = [e for e in case.requests if e.verdict in ("queued", "coalesced") and e.signal != KILL]
    waiting = [e for e in waiting if case.stopped_at(e.time) and _undelivered(case, e.time, e.signal)]
    seen = sight is not None and sight.init is not None and sight.init.state == "T"
    if not waiting and not (seen and (case.live or case.requests)):
        return
    stops = [e for e in case.to_init if e.signal == STOP and e.stage == "generate"]
    name = sight.init.name if seen and sight and sight.init else waiting[0].target
    yield Finding(
        "stopped",
        case.nsid,
        "error" if waiting else "warning",
        "certain",
        f"{name} is stopped: it acts on a signal once SIGCONT resumes it.",
        lines([*stops[:1], *waiting]) + ((sight.line(str(sight.init)),) if seen and sight else ()),
        "resume it: kill -CONT from outside the container; see who stopped it",
        numbers(*waiting),
    )


def _undelivered(case: Case, time: int, signal: int) -> bool:
    """Whether nothing came of it before SIGCONT or SIGKILL."""
    for event in case.to_init:
        if event.time >= time and event.stage == "deliver" and event.signal == signal:
            return False
        if event.time > time and event.signal in (CONT, KILL):
            return event.signal == KILL
    return True


CAUSE = Cause("stopped", "a stopped init", check, instead_of=("blocked-forever", "synchronous-consumer"))
