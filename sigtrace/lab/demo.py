"""The demo: an init is stopped as a container runtime does it, and the stop is explained from its records.

Each stop is one `Batch`, with all records about the processes of one namespace. `perform` records stops on the
running kernel, `replay` reads those that ship with the package, and `save` writes them; `read_stop` takes either.

The shipped recording consists of two files: `demo.npy`, the records in the wire dtype, and `demo.json`, a manifest
with the offset from their clock to UTC, and the kernel. `sigtrace demo --save sigtrace/lab/data` records them again,
which is necessary after each change of the wire format.
"""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Generator
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

import numpy as np

from sigtrace.errors import SigtraceError
from sigtrace.events import verdict, wire
from sigtrace.events.batch import Batch
from sigtrace.lab.actor import Actor, Namespace
from sigtrace.lab.stage import Stage
from sigtrace.live.collector import Collector
from sigtrace.stops.attempt import attempts
from sigtrace.text import decode
from sigtrace.units import SECOND

GRACE_SECONDS = 3.0
"""Seconds from SIGTERM to SIGKILL. Docker's default is 10, that of Kubernetes 30."""

RECORDING = Path(__file__).parent / "data"
_RECORDS, _MANIFEST = "demo.npy", "demo.json"
_HOST = "demo"
"""The host name in a saved recording, in place of the real one."""


@dataclass(frozen=True)
class StopStep:
    """One step of a stop: a signal, or the exit of the init."""

    after: float
    """Seconds since the request from which the stop is counted."""
    signal: int
    """The signal that was sent, or that killed the init; 0: it exited by itself."""
    sender_comm: str
    """Empty for the exit, as all members of the sender."""
    sender_pid: int
    sender_parent_comm: str
    sender_parent_pid: int
    verdicts: tuple[str, ...]
    """The verdicts at generation and, if there was one, at delivery; empty for the exit."""
    exit_code: int = 0


@dataclass(frozen=True)
class DemoStop:
    """The stop of one namespace: one attempt, with the outcome of each signal."""

    nsid: int
    init: str
    """comm of its init."""
    pid: int
    sent: tuple[StopStep, ...]
    end: StopStep
    time: str
    """The time of the request, ISO 8601 UTC."""

    @property
    def dropped(self) -> bool:
        """Whether the first signal was dropped by init protection."""
        return any(name.startswith("dropped") for name in self.sent[0].verdicts)


def read_stop(batch: Batch) -> DemoStop:
    """Return the stop in a batch: the requests to the init, their outcomes, and its exit.

    Raises SigtraceError if the batch has no stop that ends with an exit.
    """
    batch = batch[np.argsort(batch.records["time"], kind="stable")]
    attempt = next((each for each in attempts(batch) if each.exit is not None), None)
    if attempt is None or attempt.exit is None:
        raise SigtraceError(
            "the recording of the demo is incomplete: an init was neither signalled nor ended."
        )
    records, names = batch.records, np.array(verdict.VERDICTS)[batch.verdicts]
    delivered = ((records["flags"] & wire.FLAG["init"]) != 0) & (records["stage"] == wire.STAGE["deliver"])
    rows = sorted({*attempt.rows.tolist(), *([] if attempt.kill is None else [attempt.kill])})
    began = int(records["time"][attempt.first])
    steps = tuple(
        _step(records[row], began, (names[row], *names[delivered & (records["signal"] == signal)].tolist()))
        for row, signal in zip(rows, records["signal"][rows].tolist(), strict=True)
    )
    end = records[attempt.exit]
    return DemoStop(
        nsid=attempt.nsid,
        init=decode(bytes(end["target_comm"])),
        pid=attempt.init_pid,
        sent=steps,
        end=_step(end, began, ()),
        time=f"{batch.time[attempt.first]}Z",
    )


def _step(record: np.void, began: int, verdicts: tuple[str, ...]) -> StopStep:
    ended, status = record["stage"] == wire.STAGE["exit"], int(record["exit_code"])
    return StopStep(
        after=(int(record["time"]) - began) / SECOND,
        signal=status & 0x7F if ended else int(record["signal"]),
        sender_comm=decode(bytes(record["sender_comm"])),
        sender_pid=int(record["sender_pid"]),
        sender_parent_comm=decode(bytes(record["sender_parent_comm"])),
        sender_parent_pid=int(record["sender_parent_pid"]),
        verdicts=verdicts,
        exit_code=status >> 8 & 0xFF if ended else 0,
    )


def perform(grace: float = GRACE_SECONDS) -> Generator[Batch, None, None]:
    """Stop two inits on the running kernel, the first without a SIGTERM handler, the second with one.

    Yields the batch of each stop as soon as it is over. Raises CannotTrace, or StageFailed if no namespace can be
    created.
    """
    with Collector(ns=[0], scope="all") as live, Stage() as stage:
        runtime = stage.actor()
        runtime("name('demo-runtime')")
        for handles in (False, True):
            namespace = _container(stage, handles)
            yield _stop(live, runtime, namespace, grace)


def _container(stage: Stage, handles: bool) -> Namespace:
    """Start what a runtime starts: a shim outside, and as PID 1 the application, which may handle SIGTERM."""
    namespace = stage.namespace()
    namespace.holder("name('demo-shim')")
    namespace.init("name('demo-app')")
    if handles:
        namespace.init("signal.signal(signal.SIGTERM, lambda *_: os._exit(0)) and None")
    return namespace


def _stop(live: Collector, runtime: Actor, namespace: Namespace, grace: float) -> Batch:
    """Send SIGTERM and, `grace` seconds later, SIGKILL, each from a short-lived process of the runtime."""
    live.drain()
    live.set_filter(ns={namespace.inode: namespace.init.start_ticks()}, scope="all")
    for number, patience in ((signal.SIGTERM, grace), (signal.SIGKILL, 10.0)):
        sender = runtime.fork()
        sender("name('demo-stop')")
        sender.kill(namespace.init, number)
        sender.channel.request("os._exit(0)")
        if namespace.init.fate(patience).state != "running":
            break
    return live.drain()


def replay(directory: Path = RECORDING) -> tuple[list[Batch], str]:
    """Return the batches of a saved demo, one per stop, and their origin in words.

    Raises SigtraceError if the recording is missing, damaged, or has another wire format.
    """
    try:
        manifest = json.loads((directory / _MANIFEST).read_text())
        records = np.load(directory / _RECORDS, allow_pickle=False)
        origin = f"{manifest['kernel']}, {manifest['recorded']}"
        offset = int(manifest["boot_to_utc"])
    except (OSError, EOFError, ValueError, KeyError, TypeError) as err:
        raise SigtraceError(
            "the recording that ships with sigtrace cannot be read: reinstall sigtrace."
        ) from err
    if records.dtype != wire.EVENT.dtype():
        raise SigtraceError(
            "the recording that ships with sigtrace is of another version: reinstall sigtrace."
        )
    _, first = np.unique(records["ns_start"], return_index=True)
    lives = records["ns_start"][np.sort(first)]
    return [Batch(records[records["ns_start"] == life], offset, _HOST) for life in lives], origin


def save(batches: list[Batch], directory: Path) -> None:
    """Write a demo for `replay`; an older one is overwritten."""
    records = np.concatenate([batch.records for batch in batches])
    release = re.match(r"[\d.]+", os.uname().release)
    manifest = {
        "kernel": f"Linux {release[0] if release else ''} {os.uname().machine}",
        "recorded": datetime.now(timezone.utc).date().isoformat(),
        "boot_to_utc": batches[0].boot_to_utc,
    }
    np.save(directory / _RECORDS, records, allow_pickle=False)
    (directory / _MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n")
