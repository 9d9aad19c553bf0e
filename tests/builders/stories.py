"""Recordings that tell something, made by hand: a stop that took ten seconds, and as many events as one likes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

import sigtrace
from sigtrace.events import wire
from sigtrace.events.batch import Batch
from sigtrace.recording import schema
from sigtrace.recording.reader import Recording
from tests.builders.recordings import UTC, Made, another
from tests.builders.records import record

SECOND = 10**9
NSID, HOST_NS = 4026532249, 4026531836
INIT: dict[str, Any] = {
    **{"nsid": NSID, "ns_level": 1, "ns_start": 5 * SECOND, "target_start": 5 * SECOND},
    **{"target_pid": 4242, "target_ns_pid": 1, "target_comm": b"app"},
}
MEMBER: dict[str, Any] = {
    **INIT,
    "target_pid": 4250,
    "target_ns_pid": 7,
    "target_comm": b"worker",
    "flags": (),
}
RUNC: dict[str, Any] = {
    **{"sender_pid": 1809, "sender_comm": b"runc", "sender_parent_pid": 1700, "sender_nsid": HOST_NS},
    "sender_parent_comm": b"containerd-shim",
}
WEB = {
    **{"nsid": NSID, "ns_start": 5 * SECOND, "ns_level": 1, "parent_nsid": HOST_NS, "init_pid": 4242},
    **{"init_comm": "app", "born": UTC + 5 * SECOND, "died": UTC + 18 * SECOND},
    **{"container_id": "ab" * 32, "container_name": "web-1", "runtime": "docker", "image": "shop/web:3"},
}


def kill(time: int, who: dict[str, Any] = INIT, **changes: Any) -> Any:
    """A SIGKILL that is obeyed."""
    return record(**{**who, "time": time, "signal": 9, "result": 0, **changes})


def end(time: int, status: int = 9, who: dict[str, Any] = INIT) -> Any:
    """An exit."""
    flags = ("init",) if who.get("flags") is None else ()
    nothing = {"signal": 0, "result": -1, "relation": 0, "disposition": 0}
    return record(**{**who, **nothing, "flags": flags, "time": time, "stage": "exit", "exit_code": status})


def stop_of_ten_seconds() -> list[Any]:
    """`docker stop`: TERM is dropped, ten seconds later KILL, and a member goes down with its init."""
    alive = ("init", "unkillable")
    return [
        record(**INIT, time=5 * SECOND, stage="init", signal=0, result=-1, flags=alive),
        record(**INIT, time=5 * SECOND + 100, stage="exec", signal=0, result=-1, flags=alive),
        record(**INIT, **RUNC, time=8 * SECOND),
        record(
            **MEMBER,
            time=9 * SECOND,
            signal=10,
            result=0,
            disposition="handler",
            sender_pid=4242,
            sender_comm=b"app",
        ),
        record(
            **MEMBER, time=9 * SECOND + 50_000, signal=10, stage="deliver", result=-1, disposition="handler"
        ),
        kill(18 * SECOND, **RUNC),
        record(**INIT, time=18 * SECOND + 80_000, signal=9, stage="deliver", result=-1, relation="kernel"),
        end(18 * SECOND + 400_000),
        kill(18 * SECOND + 500_000, MEMBER, relation="kernel"),
        end(18 * SECOND + 900_000, who=MEMBER),
    ]


def stop(nsid: int = NSID, pid: int = 4242, start: int = 100 * SECOND, grace: int = 10) -> list[Any]:
    """A stop as `docker stop` does it: SIGTERM dropped, SIGKILL after the grace period."""
    about = {"nsid": nsid, "ns_start": start, "ns_level": 1, "target_pid": pid, "target_ns_pid": 1}
    about |= {"target_comm": b"app", "target_start": start, "sender_pid": 77, "sender_comm": b"runc"}
    about |= {"sender_parent_pid": 70, "sender_parent_comm": b"shim"}
    at = start + SECOND
    killed = at + grace * SECOND
    return [
        record(**about, time=at),
        record(**about | {"time": killed, "signal": 9, "result": 0}),
        record(**about | {"time": killed, "signal": 0, "stage": "exit", "exit_code": 9}),
    ]


def recorded_stop(path: Path) -> Recording:
    """That stop as a recording, opened; the container is web-1."""
    return sigtrace.open(recorded(path, stop_of_ten_seconds(), WEB))


def recorded(path: Path, records: Sequence[Any], *namespaces: dict[str, Any], host: str = "web-1") -> Path:
    """A closed recording of these records and rows of the namespaces table."""
    path.parent.mkdir(exist_ok=True, parents=True)
    recording = Made(path, another(host=host, run=host))
    recording.add(*records)
    initial = {
        "time": UTC,
        "nsid": HOST_NS,
        "ns_start": 1,
        "ns_level": 0,
        "init_pid": 1,
        "init_comm": "systemd",
    }
    rows = [initial, *({"time": UTC, **row} for row in namespaces)]
    recording.writer.rows("namespaces", schema.NAMESPACES, rows)
    recording.close()
    return path


def storm(count: int, seconds: int = 600) -> Batch:
    """So many events of every kind, in one namespace, evenly over the time."""
    random = np.random.default_rng(7)
    r = np.zeros(count, wire.EVENT.dtype())
    init = random.random(count) < 0.5
    pids = random.integers(100, 140, count)
    r["time"] = np.linspace(10 * SECOND, (10 + seconds) * SECOND, count).astype("u8")
    r["nsid"], r["ns_level"], r["ns_start"] = NSID, 1, 5 * SECOND
    r["target_pid"], r["target_comm"] = np.where(init, 4242, pids), np.where(init, b"app", b"worker")
    r["target_start"] = np.where(init, 5 * SECOND, 6 * SECOND + pids)
    r["sender_pid"] = random.integers(2, 40, count)
    r["sender_comm"] = np.array([b"sender-%d" % number for number in range(30)], "S16")[
        random.integers(0, 30, count)
    ]
    r["signal"] = random.choice([15, 2, 1, 10], count)
    r["stage"] = np.where(random.random(count) < 0.8, wire.STAGE["generate"], wire.STAGE["deliver"])
    r["disposition"] = random.choice(
        [wire.DISPOSITION[name] for name in ("default", "handler", "ignore")], count
    )
    r["relation"] = wire.RELATION["ancestor"]
    r["flags"] = np.where(init, wire.FLAG["init"] | wire.FLAG["unkillable"], 0)
    discarded = (r["disposition"] == wire.DISPOSITION["ignore"]) | init & (
        r["disposition"] == wire.DISPOSITION["default"]
    )
    r["result"] = np.where(r["stage"] == wire.STAGE["generate"], np.where(discarded, 1, 0), -1)
    return Batch(r, UTC, "web-1")
