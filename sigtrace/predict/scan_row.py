"""One row of a scan: a namespace, what its init would do with each stop signal, and whether a stop would work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal

from sigtrace import signals
from sigtrace.containers.stop_signal import StopRequest
from sigtrace.events.container import COLUMNS, Container
from sigtrace.predict import fate as fates
from sigtrace.predict.fate import in_doubt
from sigtrace.predict.kernel_rules import Prediction, Relation, Target, predict
from sigtrace.predict.passing import Step
from sigtrace.predict.words import word
from sigtrace.procfs import process
from sigtrace.procfs.pidns import PidNamespace
from sigtrace.procfs.remaining import Remaining, waits_for

Verdict = Literal["stops at once", "waits for KILL", "can't be told", ""]
"""The outcome of a stop; empty if there is nothing to stop: the host, an empty namespace, one that is ending.

`stops at once` covers the kernel's part only: it ends the init, or delivers the signal to the program; `why` then has
the condition (`if its handler ends it`).
"""

STOP_SIGNALS = (signals.TERM, signals.INT, signals.HUP, signals.QUIT)
"""The signals that runtimes, terminals and users usually send to stop something."""

MANY_ZOMBIES = 5
"""Zombies that are seen twice, from which on the state is not a passing one."""

_NO_CONTAINER = StopRequest()

_VERDICTS: Mapping[fates.Outcome, Verdict] = MappingProxyType(
    {"ends": "stops at once", "if": "stops at once", "stays": "waits for KILL", "untold": "can't be told"}
)


@dataclass(frozen=True)
class ScanRow:
    """One namespace, and the outcome of stopping it."""

    namespace: PidNamespace
    init: Init | None
    """None if it has exited, is not born yet, or is not visible."""
    age: float | None
    """Seconds since its init started."""
    words: Mapping[int, str]
    """Signal number -> what the init does with it, a `words.Word`; empty without a readable init.

    A `?` at the end: not certain, because not all facts could be read."""
    verdict: Verdict
    why: str
    step: Step | None = None
    """The stop signal at its init, and where it goes from there."""
    request: StopRequest = _NO_CONTAINER
    """The namespace's container, and its stop signal."""

    @property
    def comm(self) -> str:
        """Its init's name; empty without one."""
        return self.init.target.comm if self.init else ""

    @property
    def frozen(self) -> str:
        """The version of the cgroup that freezes its init, `v1` or `v2`; empty if none does."""
        return self.init.target.frozen if self.init else ""

    @property
    def remaining(self) -> tuple[Remaining, ...]:
        """The processes that an exiting init waits for."""
        return self.init.left if self.init else ()

    @property
    def container(self) -> Container | None:
        """The namespace's container; None if it is not known."""
        return self.request.container

    @property
    def of_container(self) -> bool:
        """Whether its init is the PID 1 that a container's runtime stops."""
        return self.container is not None and self.container.id != "" and not self.request.nested

    @property
    def initial(self) -> bool:
        """Whether it is the initial namespace, which nobody stops."""
        return self.init is not None and self.init.target.global_init

    @property
    def ending(self) -> bool:
        """Whether its init has exited, or was killed and has not acted on that yet."""
        return "dead" in self.words.values()

    def as_dict(self) -> dict[str, object]:
        """Return the row for JSON Lines, with stable keys: see `sigtrace.cli.scan`."""
        known, container = self.namespace, self.request.container or Container("")
        return {
            "nsid": known.nsid,
            "ns_level": known.level,
            "parent_nsid": known.parent_nsid,
            "init_pid": known.init_pid,
            "init_comm": self.comm,
            "ns_start": known.ns_start,
            "age_seconds": None if self.age is None else round(self.age),
            "processes": known.processes,
            "tasks": known.tasks,
            "frozen": self.frozen,
            "kept_by": list(known.kept_by),
            "signals": {signals.name(number): word for number, word in self.words.items()},
            "stop_signal": signals.name(self.request.signal),
            "stop_signal_from": self.request.source,
            "verdict": self.verdict,
            "why": self.why,
            "ending": self.ending,
            "passed_to": self.step.rows() if self.step else [],
            "zombies": self.init.zombies if self.init else 0,
            **dict(zip(COLUMNS, container.columns, strict=True)),
            "container_nested": self.request.nested,
            "container_claims": container.claims,
        }


def asked_about(stop_signal: int) -> tuple[int, ...]:
    """Return the signals that a row covers: STOP_SIGNALS, and the stop signal if it is another."""
    return STOP_SIGNALS if stop_signal in STOP_SIGNALS else (*STOP_SIGNALS, stop_signal)


@dataclass(frozen=True)
class Init:
    """What was read of a namespace's init."""

    target: Target
    left: tuple[Remaining, ...] = ()
    """The processes that it waits for, if it has exited."""
    step: Step | None = None
    """Where its stop signal goes from it; None: nowhere."""
    zombies: int = 0
    """Its children that are dead and that it has not reaped, seen twice."""


def relation_to(init: Target) -> Relation:
    """Return the relation of who stops it. For the init of the initial namespace a signal always comes from inside."""
    return "same" if init.global_init else "ancestor"


def row(namespace: PidNamespace, init: Init, request: StopRequest, now: float) -> ScanRow:
    """Return the row of a namespace whose init was read `now` seconds after boot."""
    target = init.target
    predictions = {
        number: predict(target, number, relation_to(target)) for number in asked_about(request.signal)
    }
    step = init.step or Step(target, request.signal, predictions[request.signal])
    words = {
        number: "take" if replace(step, prediction=each).between else word(each) + "?" * in_doubt(each)
        for number, each in predictions.items()
    }
    verdict, why = _verdict(init, step, words)
    if request.source == "unknown" and verdict in ("waits for KILL", "stops at once"):
        verdict, why = (
            "can't be told",
            f"its stop signal is not known; if that is SIGTERM, it {verdict}: {why}",
        )
    if step.prediction.generate != "dying":
        if init.zombies >= MANY_ZOMBIES:
            why += f"; {init.zombies} of its children are zombies: it does not reap them"
        why += f"; {request.reason}" if request.reason else ""
    if target.global_init:
        verdict, why = "", "the initial namespace: nobody is outside it to stop it"
    age = max(now - target.start_ticks / process.TICKS_PER_SECOND, 0)
    return ScanRow(namespace, init, age, words, verdict, why, step, request)


def without_init(namespace: PidNamespace) -> ScanRow:
    """Return the row of a namespace whose init has exited, is not born yet, or is not visible in this /proc."""
    verdict: Verdict = ""
    why = "no process lives in it"
    if namespace.processes:
        verdict, why = "can't be told", "its init is out of sight"
    if namespace.kept_by:
        why += f"; kept by {', '.join(namespace.kept_by[:3])}"
    return ScanRow(namespace, None, None, {}, verdict, why)


def untold(namespace: PidNamespace, request: StopRequest, err: Exception) -> ScanRow:
    """Return the row of a namespace that sigtrace fails on."""
    why = f"sigtrace fails on what /proc says of it ({type(err).__name__}): please report it"
    return ScanRow(namespace, None, None, {}, "can't be told", why, request=request)


def _verdict(init: Init, step: Step, words: Mapping[int, str]) -> tuple[Verdict, str]:
    target, prediction = init.target, step.prediction
    if prediction.generate == "dying":
        return _ending(target, prediction, init.left)
    verdict, why = _judge(step)
    # A shell has a handler for INT that does not end it: to recommend INT would mislead.
    if prediction.dropped and not target.shell:
        why += _alternatives(words)
    # A frozen init that drops the signal would go on dropping it after the thaw: the drop is the verdict.
    if target.frozen and prediction.effect != "frozen":
        why += f"; frozen (cgroup {target.frozen})"
    # A verdict that may be wrong is worse than none: the likely one goes into the reason.
    if in_doubt(prediction) and not fates.may_handle(prediction):
        likely = f"{verdict}: {why}" if verdict != "can't be told" else why
        return "can't be told", f"most likely {likely}; not certain: {prediction.doubt}"
    return verdict, why


def _ending(target: Target, prediction: Prediction, left: Sequence[Remaining]) -> tuple[Verdict, str]:
    """Return the verdict and the reason for an init that is dying: how far it has come, and what it waits for."""
    if target.state in "ZX":
        return "", "its init is a zombie: the namespace has ended, and a parent outside has yet to reap it"
    if target.killed or target.core_dumping:
        return "", prediction.reason
    return "", f"ending already: its init has exited, and waits for {waits_for(left)}"


def _judge(step: Step) -> tuple[Verdict, str]:
    """Return the verdict for a living init and the reason, as if all facts had been read."""
    target, prediction, name = step.target, step.prediction, signals.name(step.signal)
    if step.takes:
        found = fates.fate(step)
        return _VERDICTS[found.outcome], fates.why(found)
    if prediction.effect in ("terminate", "core"):
        return "stops at once", prediction.reason
    if prediction.dropped:
        return "waits for KILL", f"no handler for {name}, so the kernel drops it"
    if fates.may_handle(prediction):
        return "can't be told", f"it blocks {name} now, and runs its handler for it once that is unblocked"
    even = ", even on SIGKILL" if prediction.effect == "frozen" and target.frozen == "v1" else ""
    return "waits for KILL", prediction.reason + even


def _alternatives(words: Mapping[int, str]) -> str:
    """Return which of the other signals the program takes, as text; empty if none."""
    better = [signals.name(number) for number, word in words.items() if word in ("handle", "take")]
    return f" (it does take {' and '.join(better)})" if better else ""
