"""What every PID namespace's init would do with the signals that are meant to stop it.

`scan` combines the survey of namespaces with a prediction for each init, sent from outside as a container
runtime does. One verdict a row: would the namespace stop when asked, or only by SIGKILL after a grace period?
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal

from sigtrace import proc, signals
from sigtrace.errors import BadInput
from sigtrace.pidns import PidNamespace, Survey, survey
from sigtrace.predict import UNSEEN_WAIT, Prediction, Relation, Target, predict

Verdict = Literal["stops at once", "waits for KILL", "can't be told", ""]
"""What a stop would come to; empty where there is nothing to stop: the host, an empty namespace."""

Word = Literal[
    "drop", "handle", "take", "ignore", "block", "die", "dead", "frozen", "stopped", "stop", "none", "?"
]
"""What an init does with one signal, in short.

drop: no handler, so the kernel discards it. handle: runs its handler. take: by sigtimedwait or a signalfd.
ignore: SIG_IGN. none: does nothing by default. block: stays pending, nobody takes it. die: ends it. stop: stops
it. frozen, stopped: acts once thawed or resumed. dead: it is exiting already. ?: can't be told.
"""

STOP_SIGNALS = (15, 2, 1, 3)
"""TERM, INT, HUP, QUIT: what runtimes, terminals and users send to stop something."""


@dataclass(frozen=True)
class Row:
    """One namespace and what stopping it would come to."""

    namespace: PidNamespace
    comm: str
    age: float | None
    """Seconds since its init started."""
    frozen: str
    """The cgroup version that freezes its init, or empty."""
    words: Mapping[int, Word]
    """Signal number -> what the init does with it; empty without a readable init."""
    verdict: Verdict
    why: str

    def as_dict(self, stop_signal: int) -> dict[str, object]:
        """The row for JSON Lines: stable keys, see `sigtrace.cli.scan`."""
        known = self.namespace
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
            "stop_signal": signals.name(stop_signal),
            "verdict": self.verdict,
            "why": self.why,
        }


def asked_about(stop_signal: int) -> tuple[int, ...]:
    """The signals a row answers for: the usual four, and the stop signal if it is another."""
    return STOP_SIGNALS if stop_signal in STOP_SIGNALS else (*STOP_SIGNALS, stop_signal)


def scan(stop_signal: int = 15, only: Collection[int] = (), root: str = "/proc") -> tuple[Survey, list[Row]]:
    """What was seen, and a row for every namespace (or those in `only`) in the order of the tree.

    A namespace that ends meanwhile is left out. Raises BadInput when there is no /proc.
    """
    seen, now = survey(root), proc.seconds_since_boot(root)
    mounted = proc.freezing_mounts(root)
    rows = []
    for namespace in seen.namespaces:
        if only and namespace.nsid not in only:
            continue
        if namespace.init_pid is None:
            rows.append(_without_init(namespace))
            continue
        try:
            target = proc.read_target(namespace.init_pid, root, mounted)
        except BadInput:
            continue
        if target.start_ticks == namespace.ns_start:  # else the number is another process's by now
            rows.append(row(namespace, target, stop_signal, now))
    return seen, rows


def row(namespace: PidNamespace, target: Target, stop_signal: int, now: float) -> Row:
    """The row of a namespace whose init was read as `target`, `now` seconds after boot."""
    relation: Relation = "same" if target.global_init else "ancestor"
    predictions = {number: predict(target, number, relation) for number in asked_about(stop_signal)}
    words = {number: word(prediction) for number, prediction in predictions.items()}
    verdict, why = _judge(target, stop_signal, predictions[stop_signal])
    if words[stop_signal] == "drop":
        why += _alternatives(words)
    if target.frozen and predictions[stop_signal].effect != "frozen":
        why += f"; frozen (cgroup {target.frozen})"
    if target.global_init:
        verdict, why = "", "the initial namespace: nobody is outside it to stop it"
    age = max(now - target.start_ticks / proc.TICKS_PER_SECOND, 0)
    return Row(namespace, target.comm, age, target.frozen, words, verdict, why)


def word(prediction: Prediction) -> Word:
    """The prediction in one short word."""
    if _in_doubt(prediction):
        return "?"
    if prediction.dropped:
        return "drop"
    waiting: dict[str, Word] = {"unblocking": "block", "resuming": "stopped", "thaw": "frozen"}
    acting: dict[str, Word] = {"handler": "handle", "taken": "take", "stop": "stop"}
    discarded: dict[str | None, Word] = {"ignored": "ignore", "default_ignored": "none", "dying": "dead"}
    known = waiting.get(prediction.waits_for) or acting.get(prediction.effect)
    return known or discarded.get(prediction.generate) or "die"


def _judge(target: Target, stop_signal: int, prediction: Prediction) -> tuple[Verdict, str]:
    """Would the stop signal end it, and why."""
    name = signals.name(stop_signal)
    if _in_doubt(prediction):
        return "can't be told", prediction.doubt
    if prediction.generate == "dying":
        exiting = "its init is exiting, and waits for all other processes of the namespace to be reaped"
        zombie = "its init is a zombie: the namespace has ended, and a parent outside has yet to reap it"
        return ("", zombie) if target.state in "ZX" else ("can't be told", exiting)
    if prediction.effect in ("handler", "taken", "terminate", "core"):
        return "stops at once", prediction.reason
    if prediction.dropped:
        return "waits for KILL", f"no handler for {name}, so the kernel drops it"
    even = ", even on SIGKILL" if prediction.effect == "frozen" and target.frozen == "v1" else ""
    return "waits for KILL", prediction.reason + even


def _in_doubt(prediction: Prediction) -> bool:
    """Handled, or taken by a wait we may not see: it reaches the program either way."""
    return prediction.doubt != "" and not (prediction.effect == "handler" and prediction.doubt == UNSEEN_WAIT)


def _alternatives(words: Mapping[int, Word]) -> str:
    """Which of the other signals would do."""
    better = [signals.name(number) for number, said in words.items() if said in ("handle", "take")]
    return f" (it does take {' and '.join(better)})" if better else ""


def _without_init(namespace: PidNamespace) -> Row:
    """A namespace whose init is gone, not born yet, or out of sight."""
    verdict: Verdict = ""
    why = "no process lives in it"
    if namespace.processes:
        verdict, why = "can't be told", "its init is out of sight"
    if namespace.kept_by:
        why += f"; kept by {', '.join(namespace.kept_by[:3])}"
    return Row(namespace, "", None, "", {}, verdict, why)
