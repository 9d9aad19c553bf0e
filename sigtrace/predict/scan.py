"""What every PID namespace's init would do with the signals that are meant to stop it.

`scan` combines the survey of namespaces with a prediction for each init, sent from outside as a container
runtime does. One verdict a row: would the namespace stop when asked, or only by SIGKILL after a grace period?
It is asked as its container's runtime would ask: by the container's own stop signal.
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
from sigtrace.procfs.zap import Remaining, remaining, waits_for

Verdict = Literal["stops at once", "waits for KILL", "can't be told", ""]
"""What a stop would come to; empty where there is nothing to stop: the host, an empty namespace, one that ends.

`stops at once` is the kernel's part of it: it ends the init, or hands the signal to the program; `why` then
says on what it depends (`if its handler ends it`).
"""

STOP_SIGNALS = (signals.TERM, signals.INT, signals.HUP, signals.QUIT)
"""What runtimes, terminals and users send to stop something."""

_NO_CONTAINER = StopRequest()


@dataclass(frozen=True)
class ScanRow:
    """One namespace and what stopping it would come to."""

    namespace: PidNamespace
    comm: str
    age: float | None
    """Seconds since its init started."""
    frozen: str
    """The cgroup version that freezes its init, or empty."""
    words: Mapping[int, str]
    """Signal number -> what the init does with it, a `words.Word`; empty without a readable init.

    A `?` at its end: that is only most likely, as not all facts could be read."""
    verdict: Verdict
    why: str
    remaining: tuple[Remaining, ...] = ()
    """The processes that an ended init waits for."""
    request: StopRequest = _NO_CONTAINER

    @property
    def container(self) -> Container | None:
        """The container it lives in, if that is known."""
        return self.request.container

    @property
    def ending(self) -> bool:
        """Its init has ended, or was killed and cannot act on it yet."""
        return "dead" in self.words.values()

    def as_dict(self) -> dict[str, object]:
        """The row for JSON Lines: stable keys, see `sigtrace.cli.scan`."""
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
    """The signals a row answers for: the usual four, and the stop signal if it is another."""
    return STOP_SIGNALS if stop_signal in STOP_SIGNALS else (*STOP_SIGNALS, stop_signal)


@dataclass(frozen=True)
class Scan:
    """What `scan` found: iterate for its rows, one a namespace, in the order of the tree."""

    rows: tuple[ScanRow, ...]
    survey: Survey
    """All the namespaces that were seen, and how many processes could not be looked at."""

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
    """What the init of every PID namespace would do with the signal that is meant to stop it. Nothing is sent.

    stop_signal: a number or a name; None asks each container for its own, else it is SIGTERM.
    ns: only the namespaces with these inodes, or that these texts name as `--ns` takes them.
    container, pod: only those of these containers, by name, label, pattern or beginning of the ID, and in these pods,
        by NAMESPACE/NAME or pattern.

    Each row has a `verdict` ("stops at once", "waits for KILL", "can't be told", or "" where there is nothing to
    stop), and says `why`. A namespace that ends meanwhile is left out. Raises BadInput when there is no such signal, no
    such container, or no /proc.

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
        except BadInput:
            continue
        if target.start_ticks == namespace.ns_start:  # else the number is another process's by now
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
    """The row of a namespace whose init was read as `target`, `now` seconds after boot.

    `left` are the processes it waits for if it has ended.
    """
    relation: Relation = "same" if target.global_init else "ancestor"
    predictions = {number: predict(target, number, relation) for number in asked_about(request.signal)}
    words = {number: word(each) + "?" * _in_doubt(each) for number, each in predictions.items()}
    prediction = predictions[request.signal]
    if prediction.generate == "dying":
        verdict, why = _ending(target, prediction, left)
    else:
        verdict, why = _judge(target, request.signal, prediction)
        if prediction.dropped and not target.busy_shell:  # a shell's handler for INT does not end it
            why += _alternatives(words)
        if target.frozen and prediction.effect != "frozen":
            why += f"; frozen (cgroup {target.frozen})"
        if _in_doubt(prediction):
            likely = f"{verdict}: {why}" if verdict != "can't be told" else why
            verdict, why = "can't be told", f"most likely {likely}; not certain: {prediction.doubt}"
        why += f"; {request.reason}" if request.reason else ""
    if target.global_init:
        verdict, why = "", "the initial namespace: nobody is outside it to stop it"
    age = max(now - target.start_ticks / process.TICKS_PER_SECOND, 0)
    return ScanRow(namespace, target.comm, age, target.frozen, words, verdict, why, left, request)


def _ending(target: Target, prediction: Prediction, left: Sequence[Remaining]) -> tuple[Verdict, str]:
    """No signal can change it any more: how far it has come, and what it waits for."""
    if target.state in "ZX":
        return "", "its init is a zombie: the namespace has ended, and a parent outside has yet to reap it"
    if target.killed or target.core_dumping:
        return "", prediction.reason
    return "", f"ending already: its init has exited, and waits for {waits_for(left)}"


def _judge(target: Target, stop_signal: int, prediction: Prediction) -> tuple[Verdict, str]:
    """Would the stop signal end it, and why, if the facts that could not be read do not matter."""
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
    """Handled, or taken by a wait we may not see: it reaches the program either way."""
    return prediction.doubt != "" and not (
        prediction.effect == "handler" and prediction.doubt in UNSEEN_WAITS
    )


def _alternatives(words: Mapping[int, str]) -> str:
    """Which of the other signals would do."""
    better = [signals.name(number) for number, said in words.items() if said in ("handle", "take")]
    return f" (it does take {' and '.join(better)})" if better else ""


def _without_init(namespace: PidNamespace) -> ScanRow:
    """A namespace whose init is gone, not born yet, or out of sight."""
    verdict: Verdict = ""
    why = "no process lives in it"
    if namespace.processes:
        verdict, why = "can't be told", "its init is out of sight"
    if namespace.kept_by:
        why += f"; kept by {', '.join(namespace.kept_by[:3])}"
    return ScanRow(namespace, "", None, "", {}, verdict, why)
