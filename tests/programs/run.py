"""Starts all programs as PID 1, has sigtrace look at them, stops them, and has sigtrace explain what happened.

What becomes of them is observed without sigtrace. All run at the same time, while two recorders
record the same: everything, and what concerns inits, which is the default.
"""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import sigtrace
from sigtrace.lab.stage import Stage
from sigtrace.live.recorder import FLUSH_SECONDS
from sigtrace.postmortem import Report
from sigtrace.predict.scan_row import ScanRow
from tests.commands import at_work
from tests.patience import patient
from tests.programs.instance import Instance
from tests.programs.program import KILL, Program, Stop

GRACE = 3.0
"""Seconds from the stop signal to SIGKILL."""
PACE = 0.05
"""Seconds between two stops."""
AT_ONCE = 16
"""Programs that are being stopped at a time."""
PATIENCE = patient(60)
"""Seconds for what has to happen on a busy machine, too: to start; to end, if it is to end by itself."""


RECORDINGS = {"all": ("--all",), "inits": ()}
"""The recordings, with their options."""


@dataclass
class Case:
    """One program and one signal: what was expected, and what happened."""

    program: Program
    signal: str
    fate: str = ""
    """What became of it, as `Stop.fate` has it."""
    row: ScanRow | None = None
    """What `scan` said of it before."""
    reports: dict[str, Report] = field(default_factory=dict)
    """The postmortems, by the recording, of RECORDINGS."""
    failure: str = ""
    """Why there is nothing to judge."""
    comm: str = ""
    """Of its init, when it had started."""

    @property
    def stop(self) -> Stop:
        return self.program.stops[self.signal]

    @property
    def number(self) -> int:
        return signal.Signals[f"SIG{self.signal}"].value


def run(cases: Iterable[Case], directory: Path) -> None:
    """Fill in the cases; RECORDINGS are made in `directory`, where the programs' logs are too."""
    with Stage() as stage, contextlib.ExitStack() as recorders:
        house = stage.namespace()
        paths = {name: directory / name for name in RECORDINGS}
        within = ("--ns", str(house.inode), "--descendants")
        at_it = [
            recorders.enter_context(at_work("record", str(path), *within, *RECORDINGS[name]))
            for name, path in paths.items()
        ]
        everything = [
            (case, Instance(case.program, house, directory / f"{number}.log"))
            for number, case in enumerate(cases)
        ]
        started = _start(everything)
        _scan(started)
        _stop(started, lambda: set.intersection(*map(_seen, paths.values())))
        for recorder in at_it:
            recorder.send_signal(signal.SIGINT)
            recorder.wait(PATIENCE)
    for name, path in paths.items():
        with sigtrace.open(path) as recording:
            for case, instance in started:
                case.reports[name] = recording.postmortem(ns=instance.nsid)


Pairs = list[tuple[Case, Instance]]


def _seen(recording: Path) -> set[int]:
    """The namespaces of which there is a snapshot with a living init."""
    with sigtrace.open(recording) as opened:
        tasks = opened.snapshots()
    return set(tasks["nsid"][tasks["is_init"] & ~tasks["exiting"]]) if len(tasks) else set()


def _start(pairs: Pairs) -> Pairs:
    """Wait until all have started; returns those that have."""
    waiting, started, deadline = pairs, [], time.monotonic() + PATIENCE
    while waiting and time.monotonic() < deadline:
        still = []
        for case, instance in waiting:
            try:
                (started if instance.started() else still).append((case, instance))
            except RuntimeError as err:
                case.failure = str(err)
        waiting = still
        time.sleep(0.02)
    for case, instance in started:
        case.comm = instance.comm
    for case, instance in waiting:
        case.failure = f"it is not ready: {instance.said()}"
    return started


def _scan(pairs: Pairs) -> None:
    for number in {case.number for case, _ in pairs}:
        asked = {instance.nsid: case for case, instance in pairs if case.number == number}
        for row in sigtrace.scan(number, ns=asked):
            asked[row.namespace.nsid or 0].row = row


def _stop(pairs: Pairs, seen: Callable[[], set[int]]) -> None:
    """Send every program its signal, and SIGKILL to those that have not ended when their grace period is over.

    seen: which namespaces the recorder has looked at since. Those that are to hang come first, a few at a time, and
    SIGKILL waits for that look, as if each were stopped for itself: however busy the machine is.
    """
    waiting, hanging, looked = sorted(pairs, key=lambda pair: pair[0].stop.fate != KILL), [], set()
    next_look = 0.0
    while waiting or hanging:
        if waiting and len(hanging) < AT_ONCE:
            case, instance = waiting.pop(0)
            instance.send(case.number)
            hanging.append(_Hanging(case, instance))
        time.sleep(PACE)
        unseen = any(each.over() and each.instance.nsid not in looked for each in hanging)
        if unseen and time.monotonic() >= next_look:
            looked, next_look = seen(), time.monotonic() + FLUSH_SECONDS
        for each in hanging:
            each.case.fate = each.instance.fate()
            if each.over() and (each.instance.nsid in looked or each.over(each.case.stop.look)):
                each.instance.send(signal.SIGKILL)
        hanging = [each for each in hanging if not each.case.fate]


@dataclass
class _Hanging:
    """A program that was asked to stop."""

    case: Case
    instance: Instance
    since: float = field(default_factory=time.monotonic)

    def over(self, seconds: float = 0) -> bool:
        """Whether its grace period is over, and more than that by so many seconds."""
        grace = GRACE if self.case.stop.fate == KILL else PATIENCE
        return time.monotonic() > self.since + grace + seconds
