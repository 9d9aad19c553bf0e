"""The types of experiments: what one is, the tools that it gets, and its outcome. Values, not text."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from inspect import getdoc
from typing import TYPE_CHECKING, Any

from sigtrace import signals
from sigtrace.lab.actor import RUNNING, Actor, Namespace
from sigtrace.lab.stage import Stage

if TYPE_CHECKING:
    from sigtrace.live.collector import Collector

EventRow = Mapping[str, Any]
"""One row of the event table, as `Batch.rows` yields it."""

NOTHING = "nothing happens"
HANDLER = "its handler runs"


@dataclass(frozen=True)
class Verification:
    """One action, with what theory expects, what happened, and what sigtrace recorded.

    `recorded` is None if there is nothing to record, or no recorder.
    """

    did: str
    theory: str
    happened: str
    expected_record: str = ""
    recorded: str | None = None

    @property
    def passed(self) -> bool:
        """Whether what happened, and what was recorded, is what theory expects."""
        return self.theory == self.happened and self.recorded in (None, self.expected_record)


@dataclass(frozen=True)
class ExperimentOutcome:
    """The outcome of an experiment.

    `error` says why it was aborted, `skipped` which privilege it lacked; both are empty if it was completed.
    """

    experiment: Experiment
    checks: tuple[Verification, ...]
    error: str = ""
    skipped: str = ""

    @property
    def passed(self) -> bool:
        """Whether the experiment was completed and all its checks pass."""
        return (
            not self.error
            and not self.skipped
            and bool(self.checks)
            and all(check.passed for check in self.checks)
        )


@dataclass(frozen=True)
class Experiment:
    """A classic experiment: `run` acts on the lab's stage and adds its checks to the lab."""

    name: str
    title: str
    theory: str
    run: Callable[[Lab], None]


class LabRecorder:
    """Records an experiment: the rows of the event table since the last `forget`.

    Only namespaces given to `watch` are recorded: other signals of the host do not belong to the experiment. A
    tracepoint commits its record before the system call that caused it returns, so one read after an action has
    settled gets all of its records.
    """

    def __init__(self, live: Collector) -> None:
        self._live = live
        self._rows: list[EventRow] = []
        self._watched: dict[int, int] = {}

    def watch(self, namespace: Namespace) -> None:
        """Record the events of this PID namespace and those below it."""
        self._watched[namespace.inode] = namespace.init.start_ticks()
        self._live.set_filter(ns=self._watched, descendants=True, scope="all")

    def forget(self) -> None:
        """Drop the rows so far."""
        self.rows()
        self._rows.clear()

    def rows(self) -> list[EventRow]:
        """Return all rows since `forget`, in the order of time."""
        self._rows += self._live.drain(timeout=0).rows()
        return sorted(self._rows, key=lambda row: row["time"])


@dataclass
class Lab:
    """The tools of an experiment: the stage, the recorder (None if nothing is recorded), and the checks so far."""

    stage: Stage
    recorder: LabRecorder | None = None
    checks: list[Verification] = field(default_factory=list)

    def namespace(self) -> Namespace:
        """Create a PID namespace, and record it and those below it from now on."""
        return self.watched(self.stage.namespace())

    def watched(self, namespace: Namespace) -> Namespace:
        """Record the namespace and those below it from now on; returns it."""
        if self.recorder is not None:
            self.recorder.watch(namespace)
        return namespace

    def check(self, did: str, theory: object, happened: object) -> None:
        """Add a check; it passes if what happened is what theory expects."""
        self.checks.append(Verification(did, _text(theory), _text(happened)))

    def send(self, sender: Actor, target: Actor, number: int, happens: str, record: str) -> None:
        """Call kill(2) in one process for another; add a check of what happened to the target and what was recorded.

        `happens` is NOTHING, HANDLER, the text of a Fate or of an error; `record` is the verdicts in the order of
        time, joined by ", then ".
        """
        self.forget()
        did = f"{_sender_name(sender, target)} calls kill({target.pid_in(sender.space)}, {signals.name(number)})"
        try:
            sender.kill(target, number)
            happened = self._became(target)
        except ProcessLookupError:
            happened = "ESRCH: no such process"
        recorded = self._verdicts(target, number)
        self.checks.append(Verification(did, happens, happened, record or "no record", recorded))

    def recorded(self, did: str, expected: object, question: Callable[[list[EventRow]], object]) -> None:
        """Add a check of the record only, if there is a recorder; `question` computes the value from the rows."""
        if self.recorder is not None:
            value = _text(question(self.recorder.rows()))
            self.checks.append(Verification(did, "", "", _text(expected), value))

    def forget(self) -> None:
        """Drop the rows that were recorded so far."""
        if self.recorder is not None:
            self.recorder.forget()

    def _verdicts(self, target: Actor, number: int) -> str | None:
        if self.recorder is None:
            return None
        return ", then ".join(verdicts(self.recorder.rows(), target, number)) or "no record"

    @staticmethod
    def _became(target: Actor) -> str:
        fate = target.settle()
        if fate != RUNNING:
            return str(fate)
        return HANDLER if target.caught() else NOTHING


def about(row: EventRow, actor: Actor) -> bool:
    """Return whether a row's target is this process, by its namespace and its PID there.

    `target_pid` does not help: it is the PID in the initial namespace, which a sigtrace in a container does not know.
    """
    return actor.space is not None and (row["nsid"], row["target_ns_pid"]) == (
        actor.space.inode,
        actor.own_pid,
    )


def verdicts(rows: Iterable[EventRow], target: Actor, number: int) -> list[str]:
    """Return the verdicts on one signal to one process, in the order of time."""
    return [row["verdict"] for row in rows if about(row, target) and row["signal"] == number]


def experiment(name: str, title: str) -> Callable[[Callable[[Lab], None]], Experiment]:
    """Make an experiment of a function; its docstring is the theory."""

    def declare(run: Callable[[Lab], None]) -> Experiment:
        return Experiment(name, title, " ".join((getdoc(run) or "").split()), run)

    return declare


def _text(value: object) -> str:
    """Format a checked value: yes and no for booleans, lists with commas."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _sender_name(sender: Actor, target: Actor) -> str:
    if sender is target:
        return "it"
    if sender.space is target.space:
        return f"pid {sender.own_pid} inside"
    above = target.space.parent if target.space else None
    return "a process of the namespace above" if sender.space is above else "a process elsewhere"
