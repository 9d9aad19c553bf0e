"""Predicts what the init of each PID namespace would do with its stop signal.

`scan` combines the survey of namespaces with a prediction for each init, for a signal from outside, as a container
runtime sends it. The verdict of a row says whether the namespace would stop on its stop signal, or only on SIGKILL
after a grace period. The stop signal is the container's configured one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from sigtrace import signals
from sigtrace.arguments import several
from sigtrace.containers.of_namespace import NamespaceContainers
from sigtrace.containers.selector import ContainerSelector
from sigtrace.containers.stop_signal import StopRequest, stop_request
from sigtrace.errors import BadInput
from sigtrace.events.container import COLUMNS, Container
from sigtrace.predict import program
from sigtrace.predict.kernel_rules import UNSEEN_WAITS, Prediction, Relation, Target, predict
from sigtrace.predict.words import word
from sigtrace.procfs import pidns, process
from sigtrace.procfs.pidns import PidNamespace, Survey, survey
from sigtrace.procfs.remaining import Remaining, remaining, waits_for

Verdict = Literal["stops at once", "waits for KILL", "can't be told", ""]
"""The outcome of a stop; empty if there is nothing to stop: the host, an empty namespace, one that is ending.

`stops at once` covers the kernel's part only: it ends the init, or delivers the signal to the program; `why` then has
the condition (`if its handler ends it`).
"""

STOP_SIGNALS = (signals.TERM, signals.INT, signals.HUP, signals.QUIT)
"""The signals that runtimes, terminals and users usually send to stop something."""

_NO_CONTAINER = StopRequest()


@dataclass(frozen=True)
class ScanRow:
    """One namespace, and the outcome of stopping it."""

    namespace: PidNamespace
    comm: str
    age: float | None
    """Seconds since its init started."""
    frozen: str
    """The version of the cgroup that freezes its init, `v1` or `v2`; empty if none does."""
    words: Mapping[int, str]
    """Signal number -> what the init does with it, a `words.Word`; empty without a readable init.

    A `?` at the end: not certain, because not all facts could be read."""
    verdict: Verdict
    why: str
    remaining: tuple[Remaining, ...] = ()
    """The processes that an exiting init waits for."""
    request: StopRequest = _NO_CONTAINER
    """The namespace's container, and its stop signal."""

    @property
    def container(self) -> Container | None:
        """The namespace's container; None if it is not known."""
        return self.request.container

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
            **dict(zip(COLUMNS, container.columns, strict=True)),
            "container_nested": self.request.nested,
        }


def asked_about(stop_signal: int) -> tuple[int, ...]:
    """Return the signals that a row covers: STOP_SIGNALS, and the stop signal if it is another."""
    return STOP_SIGNALS if stop_signal in STOP_SIGNALS else (*STOP_SIGNALS, stop_signal)


@dataclass(frozen=True)
class Scan:
    """The result of `scan`; iterating yields its rows, one per namespace, in the order of the tree."""

    rows: tuple[ScanRow, ...]
    survey: Survey
    """All namespaces that were found, and the number of processes that could not be read."""

    def __iter__(self) -> Iterator[ScanRow]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)


def scan(
    stop_signal: int | str | None = None,
    *,
    ns: int | str | Iterable[int | str] = (),
    container: str | Iterable[str] = (),
    pod: str | Iterable[str] = (),
    root: str = "/proc",
) -> Scan:
    """Predict what the init of each PID namespace would do with its stop signal. No signal is sent.

    stop_signal: a number or a name; by default that of each container, or SIGTERM.
    ns: only these namespaces: inodes, or text as `--ns` takes it.
    container, pod: only the namespaces of these containers, by name, label, pattern or beginning of the ID, and of
        these pods, by NAMESPACE/NAME or pattern.

    Each row has a `verdict` ("stops at once", "waits for KILL", "can't be told", or "" if there is nothing to stop)
    and the reason, `why`. A namespace that ends meanwhile is left out. Raises BadInput if there is no such signal,
    container or namespace, or no /proc.

        for row in sigtrace.scan(pod="shop/*"):
            print(row.container and row.container.label, row.verdict, row.why)
    """
    chosen = None if stop_signal is None else signals.parse(str(stop_signal))
    only = {each if isinstance(each, int) else pidns.parse_ns(each, root) for each in several(ns)}
    wanted = ContainerSelector(several(container), several(pod))
    seen, now = survey(root), process.seconds_since_boot(root)
    mounted, homes = process.freezing_mounts(root), NamespaceContainers(seen, root)
    if not wanted.empty:
        wanted = wanted.checked(filter(None, map(homes.of, seen.namespaces)))
    rows = []
    for namespace in seen.namespaces:
        by_name = not (only and wanted.empty) and wanted.matches(homes.of(namespace))
        if not (by_name or namespace.nsid in only):
            continue
        if namespace.init_pid is None:
            rows.append(_without_init(namespace))
            continue
        request = stop_request(homes.of(namespace), homes.nested(namespace), chosen)
        try:
            target = process.read_target(namespace.init_pid, root, mounted)
        except BadInput:  # the init has exited since the survey
            continue
        # The survey and this read are not atomic: the PID may have been reused in between.
        if target.start_ticks == namespace.ns_start:
            left = remaining(seen, namespace.nsid, root) if target.lingering else ()
            rows.append(row(namespace, target, request, now, left))
    return Scan(tuple(rows), seen)


def row(
    namespace: PidNamespace,
    target: Target,
    request: StopRequest,
    now: float,
    left: tuple[Remaining, ...] = (),
) -> ScanRow:
    """Return the row of a namespace whose init was read as `target`, `now` seconds after boot.

    left: the processes that the init waits for, if it has exited.
    """
    # No process is outside the initial namespace: for its init a signal always comes from inside.
    relation: Relation = "same" if target.global_init else "ancestor"
    predictions = {number: predict(target, number, relation) for number in asked_about(request.signal)}
    words = {number: word(each) + "?" * _in_doubt(each) for number, each in predictions.items()}
    prediction = predictions[request.signal]
    if prediction.generate == "dying":
        verdict, why = _ending(target, prediction, left)
    else:
        verdict, why = _judge(target, request.signal, prediction)
        # A busy shell has a handler for INT that does not end it: to recommend INT would mislead.
        if prediction.dropped and not target.busy_shell:
            why += _alternatives(words)
        # A frozen init that drops the signal would go on dropping it after the thaw: the drop is the verdict.
        if target.frozen and prediction.effect != "frozen":
            why += f"; frozen (cgroup {target.frozen})"
        # A verdict that may be wrong is worse than none: the likely one goes into the reason.
        if _in_doubt(prediction):
            likely = f"{verdict}: {why}" if verdict != "can't be told" else why
            verdict, why = "can't be told", f"most likely {likely}; not certain: {prediction.doubt}"
        why += f"; {request.reason}" if request.reason else ""
    if target.global_init:
        verdict, why = "", "the initial namespace: nobody is outside it to stop it"
    age = max(now - target.start_ticks / process.TICKS_PER_SECOND, 0)
    return ScanRow(namespace, target.comm, age, target.frozen, words, verdict, why, left, request)


def _ending(target: Target, prediction: Prediction, left: Sequence[Remaining]) -> tuple[Verdict, str]:
    """Return the verdict and the reason for an init that is dying: how far it has come, and what it waits for."""
    if target.state in "ZX":
        return "", "its init is a zombie: the namespace has ended, and a parent outside has yet to reap it"
    if target.killed or target.core_dumping:
        return "", prediction.reason
    return "", f"ending already: its init has exited, and waits for {waits_for(left)}"


def _judge(target: Target, stop_signal: int, prediction: Prediction) -> tuple[Verdict, str]:
    """Return the verdict for a living init and the reason, as if all facts had been read."""
    name = signals.name(stop_signal)
    untold = program.untold(target, prediction, stop_signal)
    if untold:
        return "can't be told", untold
    if prediction.effect in ("handler", "taken", "terminate", "core"):
        return "stops at once", program.condition(target, prediction, stop_signal) or prediction.reason
    if prediction.dropped:
        return "waits for KILL", f"no handler for {name}, so the kernel drops it"
    even = ", even on SIGKILL" if prediction.effect == "frozen" and target.frozen == "v1" else ""
    return "waits for KILL", prediction.reason + even


def _in_doubt(prediction: Prediction) -> bool:
    """Whether unread facts may change the verdict.

    They do not if the only doubt is whether a thread waits for a signal that has a handler: either way, it reaches
    the program.
    """
    return prediction.doubt != "" and not (
        prediction.effect == "handler" and prediction.doubt in UNSEEN_WAITS
    )


def _alternatives(words: Mapping[int, str]) -> str:
    """Return which of the other signals the program takes, as text; empty if none."""
    better = [signals.name(number) for number, word in words.items() if word in ("handle", "take")]
    return f" (it does take {' and '.join(better)})" if better else ""


def _without_init(namespace: PidNamespace) -> ScanRow:
    """Return the row of a namespace whose init has exited, is not born yet, or is not visible in this /proc."""
    verdict: Verdict = ""
    why = "no process lives in it"
    if namespace.processes:
        verdict, why = "can't be told", "its init is out of sight"
    if namespace.kept_by:
        why += f"; kept by {', '.join(namespace.kept_by[:3])}"
    return ScanRow(namespace, "", None, "", {}, verdict, why)
