"""To whom a process passes a signal on, and what becomes of it there: a tree of steps, read from /proc.

An init that only forwards, as tini does, ends when its child has ended: what counts is what the child does with the
signal. A member of the namespace is judged by the same rules as an init, without the protection of one.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace

from sigtrace import signals
from sigtrace.errors import BadInput
from sigtrace.predict import forwarders, shell
from sigtrace.predict.forwarder import Act, Forwarder
from sigtrace.predict.kernel_rules import Prediction, Target, predict
from sigtrace.predict.words import sentence, word
from sigtrace.procfs import family
from sigtrace.procfs import target as targets
from sigtrace.procfs.signal_target import Relative
from sigtrace.signals import PWR, SIGRTMIN, TERM

_DEEPEST = 8
"""Processes in a row that pass the signal on."""
_MOST = 16
"""Processes that are read of those that get it from one process."""


@dataclass(frozen=True)
class Step:
    """A process that the signal reaches, and those to which it passes it on."""

    target: Target
    signal: int
    prediction: Prediction
    forwarder: Forwarder | None = None
    """What is known of it; None: nothing, so that it may pass the signal on or not."""
    passed: tuple[Step, ...] = ()
    """The first is the child that it has started. Of a shell: the children to which its trap may pass the signal."""

    @property
    def act(self) -> Act | None:
        """What it does with the signal if that reaches it; None: not known."""
        return self.forwarder.act(self.signal) if self.forwarder and self.takes else None

    @property
    def takes(self) -> bool:
        """Whether the signal reaches the program."""
        return self.between or self.prediction.effect in ("handler", "taken")

    @property
    def between(self) -> bool:
        """Whether it is between two waits for signals, which it blocks meanwhile, and takes by the next wait."""
        known = self.forwarder is not None and self.forwarder.waits
        return known and self.prediction.waits_for == "unblocking"

    @property
    def better(self) -> int:
        """The signal by which it stops everything, if this one does not; 0 if there is none, or none is known."""
        acts = self.forwarder.acts if self.forwarder else {}
        stopping = (each for each in (TERM, SIGRTMIN + 3, PWR) if each in acts and acts[each].ends != "never")
        return next((each for each in stopping if each != self.signal), 0)

    def rows(self) -> list[dict[str, object]]:
        """Return those to which the signal is passed on, in order, for JSON."""
        return [row for each in self.passed for row in (_row(each, self), *each.rows())]


def follow(
    target: Target, signal: int, prediction: Prediction, cmdline: tuple[str, ...], root: str = "/proc"
) -> Step:
    """Return the step of `target`, for which the outcome of `signal` is predicted, with those that follow."""
    return _follow(Step(target, signal, prediction), cmdline, root, _DEEPEST)


def _follow(step: Step, cmdline: tuple[str, ...], root: str, depth: int) -> Step:
    target = step.target
    if not target.shell:
        step = replace(step, forwarder=forwarders.known(target.comm, cmdline, _exe(target.pid, root)))
    if not step.takes or not depth:
        return step
    if target.shell:
        found = shell.waiting(target)
        own = found.children if found.mode == "background" else ()
        pids, sent = [each.pid for each in own], step.signal
    else:
        act = step.act
        if act is None or act.to == "everyone" or not act.signal:
            return step
        pids, sent = forwarders.receivers(act, target.pid, _members(act, target.pid, root)), act.signal
    # Only the child itself is followed further: the others of its process group do not decide when it ends.
    whole = target.shell != "" or (step.act is not None and step.act.to == "children")
    passed = tuple(_passed(pids[:_MOST], target, sent, root, depth - 1, whole))
    return replace(step, passed=passed)


def _passed(pids: list[int], by: Target, signal: int, root: str, depth: int, whole: bool) -> Iterator[Step]:
    for place, pid in enumerate(pids):
        try:
            target = targets.read_target(pid, root)
        except BadInput:
            continue  # it has ended
        # The init of a namespace below has its protection against signals from its own namespace only.
        relation = "same" if target.nsid == by.nsid else "ancestor"
        step = Step(target, signal, predict(target, signal, "same" if relation == "same" else "ancestor"))
        follows = whole or not place
        yield _follow(step, targets.read_cmdline(target, root), root, depth) if follows else step


def _members(act: Act, pid: int, root: str) -> tuple[Relative, ...]:
    found = family.descendants(pid, root) if act.to == "group" else family.children(pid, root)
    return found or ()


def _exe(pid: int, root: str) -> str:
    """Return the program's path, in its own mount namespace; empty if it is not readable."""
    try:
        return os.readlink(f"{root}/{pid}/exe")
    except OSError:
        return ""


def _row(step: Step, by: Step) -> dict[str, object]:
    return {
        "pid": step.target.pid,
        "comm": step.target.comm,
        "by_pid": by.target.pid,
        "signal": signals.name(step.signal),
        "sure": not by.target.shell,
        "word": word(step.prediction),
        "outcome": sentence(step.prediction),
    }
