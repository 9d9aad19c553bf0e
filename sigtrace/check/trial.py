"""One run of a subject, from its start to its end: the facts. What they mean, `problems` says."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass, replace
from typing import Literal

from sigtrace import signals
from sigtrace.check.forecast import Forecast, foretell
from sigtrace.check.members import Members
from sigtrace.check.output import Output
from sigtrace.check.plan import Plan, Ready
from sigtrace.check.settling import Start, wait_ready
from sigtrace.check.subject import End, Running, Subject
from sigtrace.check.witness import Explanation, Witness
from sigtrace.lab.actor import Actor
from sigtrace.lab.channel import PATIENCE, StageFailed
from sigtrace.procfs import family

_KILL_WAIT = 10.0 * PATIENCE
"""Seconds after SIGKILL from which on not even that has ended it."""
_STEP = 0.25
_FIRST_LOOK = 0.3
"""Seconds after the signal of the first snapshot: what has not ended by then may hang."""
_REAPED_WITHIN = 2.0 * PATIENCE
"""Seconds in which an init that reaps has reaped a zombie: SIGCHLD wakes it."""
_TAIL = 20
"""Lines of output that are kept."""


@dataclass(frozen=True)
class Trial:
    """What happened in one run. Times in seconds."""

    start: Start
    end: End | None = None
    """None: not even SIGKILL ended it."""
    took: float = 0
    """From the signal to the end, or to SIGKILL."""
    sent: int = 0
    """How many times the signal was sent; 0: it had ended before."""
    killed: bool = False
    """It got SIGKILL, when its grace period was over."""
    forecast: Forecast | None = None
    explanation: Explanation | None = None
    """Of a stop that took long."""
    left: tuple[str, ...] | None = None
    """The processes that SIGKILL ended, though only the init was sent a signal; None: not known."""
    output: tuple[str, ...] = ()


def stop(subject: Subject, plan: Plan, witness: Witness) -> Trial:
    """Run it until it is ready, predict, stop it, and watch."""
    output = Output(plan.ready.pattern)
    try:
        with subject.run(output) as running:
            trial = _stop(running, plan, witness, output)
    finally:
        output.close()
    return replace(trial, output=output.tail(_TAIL))


def _stop(running: Running, plan: Plan, witness: Witness, output: Output) -> Trial:
    start = wait_ready(running, plan.ready, plan.ready_within, plan.signal, output)
    if start.ended:
        return Trial(start, running.wait(0))
    witness.watch(running.pid)
    forecast = foretell(running.pid, plan.signal)
    with Members(forecast.members) as members:
        sent = time.monotonic()
        running.send(plan.signal)
        end = _watch(running, plan.grace, witness)
        took = time.monotonic() - sent
        if end:
            slow = witness.explanation() if plan.most and took > plan.most else None
            return Trial(start, end, took, 1, False, forecast, slow, members.killed())
    witness.look()
    running.send(signals.KILL)
    end = running.wait(_KILL_WAIT)
    return Trial(start, end, took, 1, True, forecast, witness.explanation())


def _watch(running: Running, grace: float, witness: Witness) -> End | None:
    """Wait for the end, and see to it meanwhile that the witness sees enough."""
    deadline = time.monotonic() + grace
    end = running.wait(min(_FIRST_LOOK, grace))
    if end is None:
        witness.look()
    while end is None and (left := deadline - time.monotonic()) > 0:
        witness.keep_up()
        end = running.wait(min(_STEP, left))
    return end


def stop_at_start(subject: Subject, plan: Plan, usual: float) -> Trial:
    """Send the signal right after the command was executed. `killed`: it ran on as if nothing had been sent.

    usual: seconds that the stop of a command that is ready takes.
    """
    output = Output()
    with contextlib.ExitStack() as stack:
        stack.callback(output.close)
        running = stack.enter_context(subject.run(output))
        sent = time.monotonic()
        running.send(plan.signal)
        start = wait_ready(running, Ready(), plan.ready_within, plan.signal, output)
        end = running.wait(usual * 2 + 1.0)
        return Trial(start, end, time.monotonic() - sent, 1, end is None)


def stop_twice(subject: Subject, plan: Plan) -> Trial:
    """Send the signal a second time as soon as the first was taken; `sent` is 1 if it had ended by then."""
    output = Output(plan.ready.pattern)
    with contextlib.ExitStack() as stack:
        stack.callback(output.close)
        running = stack.enter_context(subject.run(output))
        start = wait_ready(running, plan.ready, plan.ready_within, plan.signal, output)
        if start.ended:
            return Trial(start, running.wait(0))
        begun = time.monotonic()
        running.send(plan.signal)
        end, sent = running.wait(0.01), 1
        if end is None:
            running.send(plan.signal)
            end, sent = running.wait(plan.grace), 2
        return Trial(start, end, time.monotonic() - begun, sent, end is None)


Reaps = Literal["reaps", "does not reap", ""]


def leave_orphan(subject: Subject, plan: Plan) -> Reaps:
    """Let a process of the namespace end whose parent is gone. Returns whether the init reaps it; empty: not known."""
    output = Output(plan.ready.pattern)
    with contextlib.ExitStack() as stack:
        stack.callback(output.close)
        running = stack.enter_context(subject.run(output))
        if wait_ready(running, plan.ready, plan.ready_within, plan.signal, output).ended:
            return ""
        try:
            door = running.door()
            orphan = _orphan(door) if door else 0
        except (StageFailed, OSError):
            return ""
        if not orphan:
            return ""
        deadline = time.monotonic() + _REAPED_WITHIN
        while orphan in [each.pid for each in family.children(running.pid) or ()]:
            if running.wait(0.02):
                return ""
            if time.monotonic() > deadline:
                return "does not reap"
        return "reaps"


def _orphan(door: Actor) -> int:
    """Return the PID of a process that has ended, and whose parent ends next; 0 if /proc does not show it."""
    parent = door.fork()
    parent("os.fork() or os._exit(0)")
    children = family.children(parent.pid) or ()
    parent.dismiss()
    return children[0].pid if children else 0
