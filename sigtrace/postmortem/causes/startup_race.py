"""The signal came while the program was starting, before it had installed its handler.

The program may have been another one then: a shell that prepares something, and runs the real program by `exec` later.
"""

from __future__ import annotations

from collections.abc import Iterator

from sigtrace.containers import advice
from sigtrace.postmortem.case import Case
from sigtrace.postmortem.cause import Cause
from sigtrace.postmortem.checks import by_signal, dropped_requests, lines, masks, severity_of, takes
from sigtrace.postmortem.event import Event
from sigtrace.postmortem.finding import Finding, numbers
from sigtrace.postmortem.snapshot import Snapshot
from sigtrace.predict.forwarders import known
from sigtrace.procfs.process import SHELLS, is_shell
from sigtrace.text import shorten
from sigtrace.units import SECOND, duration

_YOUNG = 60 * SECOND
"""A program older than this (ns) has usually finished starting: the finding is then only likely."""


def check(case: Case) -> Iterator[Finding]:
    """Report drops after which the same init takes that signal."""
    for events in by_signal(dropped_requests(case)):
        last = events[-1]
        later = [e for e in case.to_init if e.number > last.number]
        handled = next((e for e in later if _takes(e, last)), None)
        snapshot = next(
            (s for s in case.snapshots if s.time > last.time and s.init and takes(s, last.signal)),
            None,
        )
        if handled is None and snapshot is None:
            continue
        age = last.time - _started(case, last)
        after = handled.target_comm if handled else snapshot.init.comm if snapshot and snapshot.init else ""
        came = f"{last.signal_name} came {duration(age)} after {last.target} had started and was discarded: "
        by_shell = after != last.target_comm and _was_shell(case, last)
        yield Finding(
            "startup-race",
            case.nsid,
            severity_of(case, events),
            "certain" if age < _YOUNG else "likely",
            came
            + (
                f"that is a shell, and ran {shorten(after, 16)}, which takes the signal, only later by exec."
                if by_shell
                else "its handler was not installed yet."
            ),
            lines(events) + ((str(handled),) if handled else ()) + masks(snapshot),
            _small_init_first(case, last, after)
            if by_shell
            else "install the handler first thing in the program, or block the signal before exec until it is there; "
            "a stop so soon after the start is best sent again",
            numbers(*events),
        )


def _takes(later: Event, dropped: Event) -> bool:
    """Whether an event shows that the init takes the signal now: a handler, or that it runs a known init."""
    if later.stage == "exec":
        init = known(later.target_comm, ())
        return init is not None and init.act(dropped.signal).to != "nobody"
    return later.signal == dropped.signal and later.disposition == "handler"


def _was_shell(case: Case, drop: Event) -> bool:
    """Whether the init was a shell when the signal was dropped."""
    seen = _seen_then(case.snapshots, drop)
    return seen.init.is_shell if seen and seen.init else is_shell(drop.target_comm, ())


def _seen_then(snapshots: tuple[Snapshot, ...], drop: Event) -> Snapshot | None:
    """Return the first snapshot after a drop that shows the program that the init was then."""
    after = (s for s in snapshots if s.time > drop.time and s.init)
    return next((s for s in after if s.init and s.init.comm == drop.target_comm), None)


def _small_init_first(case: Case, drop: Event, after: str) -> str:
    """Return the advice to put a small init before the shell instead of after it."""
    shell = drop.target_comm if drop.target_comm in SHELLS else "sh"
    if known(after, ()) is not None:
        init = shorten(after, 16)
        return (
            f"start {init} first, and the shell under it, `{init} -- {shell} -c 'prepare; exec app'`, instead of "
            f"`{shell} -c 'prepare; exec {init} -- app'`: {init} takes the signal from its start on"
        )
    return (
        f"start a small init first, and the shell under it, `tini -- {shell} -c 'prepare; exec app'`: "
        f"{advice.small_init(case.container)}; a stop so soon after the start is best sent again"
    )


def _started(case: Case, drop: Event) -> int:
    """Return the time at which the program started, ns UTC: the init's birth, or its last exec before the signal.

    flush_signal_handlers() resets handlers at exec, so that the window opens again.
    """
    execs = [e.time for e in case.to_init if e.stage == "exec" and e.time < drop.time]
    return max([drop.target_start, *execs])


CAUSE = Cause(
    "startup-race",
    "a handler installed too late",
    check,
    needs=("events",),
    instead_of=("dropped-at-generate", "shell-form", "wrong-stop-signal"),
)
