"""Whether a process ends on a signal that it takes, or that it passes on: what is left to the programs, in words.

Pure: a `Step` has all facts. Its kernel rules are certain; the rest is what is known of the programs that pass signals
on (`forwarders`) and of shells (`shell`). Any other program that has a handler may end on the signal, or not.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from sigtrace import signals
from sigtrace.predict.forwarder import Act
from sigtrace.predict.kernel_rules import UNSEEN_WAITS, Prediction
from sigtrace.predict.passing import Step
from sigtrace.predict.shell import Waiting, waiting
from sigtrace.procfs.signal_target import Relative

Outcome = Literal["ends", "if", "stays", "untold"]
"""ends: certainly. if: if the program chooses so. stays: it goes on living. untold: nothing tells."""

_SHORT = 5
"""Seconds of grace that are short beside those of all runtimes: 10 and more."""

_GRAVEST: tuple[Outcome, ...] = ("stays", "untold", "if", "ends")


@dataclass(frozen=True)
class Fate:
    """What becomes of a process that a signal reaches."""

    outcome: Outcome
    clause: str
    """What the process in question does, without its name: `ignores it`."""
    who: Step
    """That process: the one that the signal reaches, or the one that decides, to which it is passed on."""
    via: tuple[Step, ...] = ()
    """The processes that pass the signal on, in order."""
    left: str = ""
    """The names of those behind it that are killed when it ends, before they could end by themselves."""


def fate(step: Step) -> Fate:
    """Return what becomes of the process, and of those to which it passes the signal on."""
    return _fate(step, {})


def in_doubt(prediction: Prediction) -> bool:
    """Whether unread facts may change the outcome.

    They do not if the only doubt is whether a thread waits for a signal that has a handler: either way, it reaches
    the program.
    """
    seen = prediction.effect == "handler" and prediction.doubt in UNSEEN_WAITS
    return prediction.doubt != "" and not seen


def may_handle(prediction: Prediction) -> bool:
    """Whether it is blocked now, and has a handler, which runs as soon as the program unblocks it."""
    later = prediction.afterwards
    return prediction.waits_for == "unblocking" and later is not None and later.effect == "handler"


def why(found: Fate) -> str:
    """Return a fate in words, as said of the first process: `it passes SIGTERM to app[7], which ignores it`.

    The outcome `if` begins with that word: `if its handler for SIGTERM ends it`.
    """
    if not found.via:
        return _of_its_own(found)
    who, root = found.who, found.via[0]
    name, sent = who.target.name, signals.name(who.signal)
    way = " and ".join(each.target.name for each in found.via[1:])
    by_way = f" by way of {way}" if way else ""
    group = " with its process group" if root.act and root.act.to == "group" and not way else ""
    if found.outcome == "if":
        return f"if {name} ends: it is passed {sent}{by_way}, and {found.clause}"
    first = signals.name(root.signal)
    as_other = f" on as {sent}" if first != sent else ""
    if root.target.shell:
        return f"if its trap passes {first} to {name}, that {found.clause}"
    return f"it passes {first}{as_other}{by_way} to {name}{group}, which {found.clause}"


def _of_its_own(found: Fate) -> str:
    step, name = found.who, signals.name(found.who.signal)
    if found.outcome != "if":
        return f"{'the shell' if step.target.shell else 'it'} {found.clause}"
    if step.act and step.act.to == "everyone":
        return f"if that is soon enough: it {found.clause}"
    if step.target.shell and step.prediction.effect == "handler":
        at_once = ": it is in `wait`, so that the trap runs at once" if step.passed else ""
        return f"if its trap for {name} ends it{at_once}"
    if step.prediction.effect == "handler":
        return f"if its handler for {name} ends it"
    if _waits(step):
        return f"if it ends on it, or its child does (it {found.clause.replace(' it ', f' {name} ')})"
    return f"if it reads its signalfd and ends (it blocks {name} and has a signalfd for it)"


def _fate(step: Step, asked: Mapping[int, Step]) -> Fate:
    """asked: those that get the signal as well, by PID."""
    if not step.takes or in_doubt(step.prediction):
        return _by_kernel(step, asked)
    if step.target.shell and step.prediction.effect == "handler":
        return _of_shell(step, waiting(step.target), asked)
    if (
        step.prediction.effect == "taken"
        and not _waits(step)
        and signals.has(step.target.shared_pending, step.signal)
    ):
        name = signals.name(step.signal)
        return Fate("untold", f"has not read its signalfd yet, where a {name} is pending already", step)
    act = step.act
    return Fate("if", _takes(step), step) if act is None else _of_forwarder(step, act)


def _by_kernel(step: Step, asked: Mapping[int, Step]) -> Fate:
    """The fate of a process whose program has no say in it."""
    prediction = step.prediction
    if may_handle(prediction):
        return Fate("untold", "blocks it now, and runs its handler for it once that is unblocked", step)
    if prediction.effect in ("terminate", "core"):
        left, words = _behind(step, asked)
        found = Fate("ends", f"ends on it{words}", step, left=left)
    elif prediction.generate == "dying":
        found = Fate("ends", "is ending already", step)
    elif step.takes:
        found = Fate("if", _takes(step), step)
    else:
        found = Fate("stays", _held(step), step)
    return _doubted(found)


def _held(step: Step) -> str:
    """Return why a process does not end on a signal that does not reach its program."""
    prediction, target = step.prediction, step.target
    if prediction.generate == "ignored" or prediction.now.verdict == "ignored":
        return "ignores it"
    if prediction.dropped:
        return "drops it, as the init of a namespace of its own"
    return {
        "unblocking": "blocks it",
        "resuming": f"is stopped (state {target.state})",
        "thaw": f"is frozen (cgroup {target.frozen})",
        "": "does not end on it",
    }[prediction.waits_for]


def _doubted(found: Fate) -> Fate:
    """Return the fate as untold if unread facts may change it."""
    if not in_doubt(found.who.prediction):
        return found
    doubt = found.who.prediction.doubt
    return replace(found, outcome="untold", clause=f"most likely {found.clause}; not certain: {doubt}")


def _takes(step: Step) -> str:
    if step.prediction.effect == "handler":
        return "has a handler for it"
    return "takes it in sigtimedwait(2)" if _waits(step) else "has a signalfd for it"


def _waits(step: Step) -> bool:
    return any(signals.has(thread.awaited or 0, step.signal) for thread in step.target.threads)


def _behind(step: Step, asked: Mapping[int, Step]) -> tuple[str, str]:
    """Return the children of a shell which ends on a signal before they could, and what becomes of them."""
    if not step.target.shell or step.target.unkillable:
        return "", ""
    alive = [each for each in step.target.children or () if each.state not in "ZX"]
    unasked = _names(each for each in alive if each.pid not in asked)
    if unasked:
        return unasked, f"; {unasked}, behind it, is not asked, but killed"
    late = _names(each for each in alive if fate(asked[each.pid]).outcome != "ends")
    return late, f"; {late}, behind it, gets it too, but is killed at once" if late else ""


def _of_shell(step: Step, found: Waiting, asked: Mapping[int, Step]) -> Fate:
    """A shell with a trap for the signal."""
    names = _names(found.children)
    if found.mode == "nothing":
        return Fate("if", _takes(step), step)
    if found.mode == "foreground":
        if all(each.pid in asked and fate(asked[each.pid]).outcome == "ends" for each in found.children):
            return Fate(
                "if", f"has a trap for it, which runs when {names} has ended, which gets it too", step
            )
        return Fate(
            "untold", f"most likely runs its trap only when its foreground command {names} has ended", step
        )
    if found.mode == "unknown":
        command = f"{names} is its foreground command" if names else "it has a foreground command"
        return Fate(
            "untold",
            f"runs its trap at once if it is in `wait`; if {command}, only when that has ended",
            step,
        )
    for each in step.passed:
        passed = fate(each)
        if passed.outcome in ("stays", "untold"):
            return replace(passed, outcome="untold", via=(step, *passed.via))
    return Fate("if", "has a trap for it, which runs at once, as it is in `wait`", step)


def _of_forwarder(step: Step, act: Act) -> Fate:
    name = signals.name(step.signal)
    if act.ends == "at once":
        left = "; what it has started is killed" if step.target.unkillable else ""
        return Fate("ends", f"ends on it at once{left}", step)
    if act.ends == "never":
        does = act.does or f"takes {name} and does nothing with it"
        better = f"; it stops on {signals.name(step.better)}" if step.better else ""
        return _unless(Fate("stays", f"{does}{better}", step), act)
    if act.to == "everyone":
        return Fate("if", f"{act.does} and stops all processes, by SIGKILL after {act.grace}", step)
    if not step.passed:
        return Fate("if", _takes(step), step)
    asked = {each.target.pid: each for each in step.passed}
    fates = [_fate(each, asked) for each in (step.passed if act.to == "children" else step.passed[:1])]
    decides = min(fates, key=lambda each: _GRAVEST.index(each.outcome))
    if act.grace and decides.outcome == "stays":
        clause = f"{decides.clause}, and gets SIGKILL after {act.grace}"
        decides = replace(decides, outcome="ends" if 0 < act.seconds <= _SHORT else "untold", clause=clause)
    return _unless(replace(decides, via=(step, *decides.via)), act)


def _unless(found: Fate, act: Act) -> Fate:
    """A setting that cannot be seen may change what looks like a hang."""
    if not act.unless or found.outcome != "stays":
        return found
    return replace(found, outcome="untold", clause=f"most likely {found.clause}; not certain: {act.unless}")


def _names(children: Iterable[Relative]) -> str:
    found = [each.name for each in children]
    more = f" and {len(found) - 2} more" if len(found) > 2 else ""
    return ", ".join(found[:2]) + more
