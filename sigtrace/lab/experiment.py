"""What an experiment is, what it is given to work with, and what it returns: values, not text."""

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

Row = Mapping[str, Any]
"""One row of the event table, as `Batch.rows` yields it."""

NOTHING = "nothing happens"
HANDLER = "its handler runs"


@dataclass(frozen=True)
class Check:
    """One thing that was done: what theory says of it, what happened, and what sigtrace recorded of it.

    `recorded` is None where there is nothing to record, or nobody to record it.
    """

    did: str
    theory: str
    happened: str
    expected_record: str = ""
    recorded: str | None = None

    @property
    def passed(self) -> bool:
        """Whether what happened, and what was recorded of it, is what theory says."""
        return self.theory == self.happened and self.recorded in (None, self.expected_record)


@dataclass(frozen=True)
class Outcome:
    """What an experiment found.

    `error` says why it broke off, `skipped` for lack of which privilege it did; both empty when it was
    carried out.
    """

    experiment: Experiment
    checks: tuple[Check, ...]
    error: str = ""
    skipped: str = ""

    @property
    def passed(self) -> bool:
        """Whether the experiment was carried out and every check of it holds."""
        return (
            not self.error
            and not self.skipped
            and bool(self.checks)
            and all(check.passed for check in self.checks)
        )


@dataclass(frozen=True)
class Experiment:
    """A classic experiment: `run` acts on the stage it is given and notes its checks in the lab's book."""

    name: str
    title: str
    theory: str
    run: Callable[[Lab], None]


class Recorder:
    """What sigtrace records while an experiment runs: the rows of the event table since the last `forget`.

    Only namespaces it was told to `watch` are recorded: a host's other signals are nobody's business here.
    A tracepoint commits its record before the act it belongs to is over, so a single look after the act has
    settled sees all of it.
    """

    def __init__(self, live: Collector) -> None:
        self._live = live
        self._rows: list[Row] = []
        self._watched: dict[int, int] = {}

    def watch(self, namespace: Namespace) -> None:
        """Record what concerns this PID namespace and those below it."""
        self._watched[namespace.inode] = namespace.init.start_ticks()
        self._live.set_filter(ns=self._watched, descendants=True, scope="all")

    def forget(self) -> None:
        """Start a new page."""
        self.rows()
        self._rows.clear()

    def rows(self) -> list[Row]:
        """Every row of the page, in the order of time."""
        self._rows += self._live.drain(timeout=0).rows()
        return sorted(self._rows, key=lambda row: row["time"])


@dataclass
class Lab:
    """The bench of an experiment: the stage, the recorder (None where nothing records), the book."""

    stage: Stage
    recorder: Recorder | None = None
    checks: list[Check] = field(default_factory=list)

    def namespace(self) -> Namespace:
        """A new PID namespace, recorded from now on with those below it."""
        return self.watched(self.stage.namespace())

    def watched(self, namespace: Namespace) -> Namespace:
        """The namespace, recorded from now on with those below it."""
        if self.recorder is not None:
            self.recorder.watch(namespace)
        return namespace

    def check(self, did: str, theory: object, happened: object) -> None:
        """Note what was done; it passes when what happened is what theory says."""
        self.checks.append(Check(did, _text(theory), _text(happened)))

    def send(self, sender: Actor, target: Actor, number: int, happens: str, record: str) -> None:
        """kill(2) from one process to another; note what became of the target, and what was recorded.

        `happens` is NOTHING, HANDLER, a Fate's text or an error's name; `record` the verdicts in the order of
        time, joined by ", then ".
        """
        self.forget()
        did = f"{_whose(sender, target)} calls kill({target.pid_in(sender.space)}, {signals.name(number)})"
        try:
            sender.kill(target, number)
            happened = self._became(target)
        except ProcessLookupError:
            happened = "ESRCH: no such process"
        recorded = self._verdicts(target, number)
        self.checks.append(Check(did, happens, happened, record or "no record", recorded))

    def recorded(self, did: str, expected: object, question: Callable[[list[Row]], object]) -> None:
        """Note a check of the record alone, if there is one; `question` answers it from the rows."""
        if self.recorder is not None:
            seen = _text(question(self.recorder.rows()))
            self.checks.append(Check(did, "", "", _text(expected), seen))

    def forget(self) -> None:
        """Start a new page of the record."""
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


def about(row: Row, actor: Actor) -> bool:
    """Whether a row's target is this process, by the numbers that are the same wherever sigtrace runs itself.

    `target_pid` is the initial namespace's: not what a sigtrace in a container calls the process.
    """
    return actor.space is not None and (row["nsid"], row["target_ns_pid"]) == (
        actor.space.inode,
        actor.own_pid,
    )


def verdicts(rows: Iterable[Row], target: Actor, number: int) -> list[str]:
    """The verdicts on one signal to one process, generation first."""
    return [row["verdict"] for row in rows if about(row, target) and row["signal"] == number]


def experiment(name: str, title: str) -> Callable[[Callable[[Lab], None]], Experiment]:
    """Declare a function to be an experiment; its docstring is the theory."""

    def declare(run: Callable[[Lab], None]) -> Experiment:
        return Experiment(name, title, " ".join((getdoc(run) or "").split()), run)

    return declare


def _text(value: object) -> str:
    """How a checked value reads: yes and no for truth, numbers and lists with plain commas."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _whose(sender: Actor, target: Actor) -> str:
    if sender is target:
        return "it"
    if sender.space is target.space:
        return f"pid {sender.own_pid} inside"
    above = target.space.parent if target.space else None
    return "a process of the namespace above" if sender.space is above else "a process elsewhere"
