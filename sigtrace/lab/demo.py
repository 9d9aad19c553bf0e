"""The demo: a namespace's init is stopped as a container runtime does, and the story is told from the
record alone.

A stop is one `Batch`: every record about the processes of one namespace. `perform` makes them on the live
kernel, `replay` reads those that ship with the package, `save` wrote them; `read_stop` cannot tell the
difference.

The shipped recording is two files: `demo.npy`, the records in the wire dtype, and `demo.json`, a manifest
with what turns their clock into UTC and the kernel they come from. `sigtrace demo --save sigtrace/lab/data`
makes them anew, and has to when the wire format changes.
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
"""Between SIGTERM and SIGKILL. Docker's default is 10, Kubernetes' 30."""

RECORDING = Path(__file__).parent / "data"
_RECORDS, _MANIFEST = "demo.npy", "demo.json"
_HOST = "demo"
"""The name of the machine in a saved recording: nobody's."""


@dataclass(frozen=True)
class StopStep:
    """One moment of a stop: `after` seconds since the request that it is counted from."""

    after: float
    signal: int
    """The signal sent, or the one the init was killed by, 0 for none."""
    sender_comm: str
    """Empty, as all of the sender, when the init ended."""
    sender_pid: int
    sender_parent_comm: str
    sender_parent_pid: int
    verdicts: tuple[str, ...]
    """At generation and, if the signal got that far, at delivery; empty when the init ended."""
    exit_code: int = 0


@dataclass(frozen=True)
class DemoStop:
    """How stopping one namespace went, as the record tells it: one attempt, and what became of each signal."""

    nsid: int
    init: str
    """comm of its init."""
    pid: int
    sent: tuple[StopStep, ...]
    end: StopStep
    time: str
    """When it was asked, ISO 8601 UTC."""

    @property
    def dropped(self) -> bool:
        """Whether the first signal was dropped by init protection."""
        return any(name.startswith("dropped") for name in self.sent[0].verdicts)


def read_stop(batch: Batch) -> DemoStop:
    """The story in one stop's records: signals that asked the init to end, what became of each, and how it ended."""
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
    """Stop two inits on the live kernel, the first without a SIGTERM handler, the second with one.

    One batch a stop, as soon as it is over. Raises CannotTrace, or StageFailed where no namespace can be
    made.
    """
    with Collector(ns=[0], scope="all") as live, Stage() as stage:
        runtime = stage.actor()
        runtime("name('demo-runtime')")
        for handles in (False, True):
            namespace = _container(stage, handles)
            yield _stop(live, runtime, namespace, grace)


def _container(stage: Stage, handles: bool) -> Namespace:
    """What a runtime starts: a shim outside, and as pid 1 the application, which may handle SIGTERM."""
    namespace = stage.namespace()
    namespace.holder("name('demo-shim')")
    namespace.init("name('demo-app')")
    if handles:
        namespace.init("signal.signal(signal.SIGTERM, lambda *_: os._exit(0)) and None")
    return namespace


def _stop(live: Collector, runtime: Actor, namespace: Namespace, grace: float) -> Batch:
    """SIGTERM, `grace` seconds, SIGKILL, each by a short-lived process of the runtime."""
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
    """The batches of a saved demo, one a stop, and where they come from in words.

    Raises SigtraceError when the recording is missing, damaged, or of another wire format.
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
    """Write a demo that `replay` reads, overwriting an older one."""
    records = np.concatenate([batch.records for batch in batches])
    release = re.match(r"[\d.]+", os.uname().release)
    manifest = {
        "kernel": f"Linux {release[0] if release else ''} {os.uname().machine}",
        "recorded": datetime.now(timezone.utc).date().isoformat(),
        "boot_to_utc": batches[0].boot_to_utc,
    }
    np.save(directory / _RECORDS, records, allow_pickle=False)
    (directory / _MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n")
