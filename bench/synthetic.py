"""A recording of many short-lived PID namespaces, written by the package's own writer. Run as a child.

python -m bench.synthetic DIR NAMESPACES     write it, unless DIR is there; one JSON object: what DIR holds

In a process of its own, so that whoever measures children stays small: a child's peak RSS begins with its parent's.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import sigtrace
from sigtrace.clock import TICK_NS
from sigtrace.errors import BadInput
from sigtrace.events import wire
from sigtrace.events.batch import Batch
from sigtrace.events.container import Container
from sigtrace.events.counts import COUNT, Counts
from sigtrace.events.nskey import NsKey
from sigtrace.recording import namespace_rows, schema
from sigtrace.recording.directory import Directory
from sigtrace.recording.writer import Limits, Run, Writer

SECOND = 10**9
UTC = 1_700_000_000 * SECOND
"""What is added to CLOCK_BOOTTIME."""
BEGIN = 1000 * SECOND
BIRTHS_A_SECOND = 10
SEGMENT = 600 * SECOND
"""As `sigtrace record` rotates by default."""
REUSED, LATER = 33, 100
"""One namespace in so many (3 %) has the inode of the one that was born so many before it, and is gone."""

_FIRST_INODE, _HOST_NS = 4026540000, 4026531836
_STORY = (  # stage, signal, result
    *(("init", 0, -1), ("exec", 0, -1)),
    *(("generate", 15, 1), ("generate", 9, 0)),
    *(("deliver", 9, -1), ("exit", 0, -1)),
)
_SENT = [0, 2, 3]
"""The rows of the story in which a runtime does it."""
Known = dict[NsKey, Container]


def events(count: int) -> npt.NDArray[np.void]:
    """What becomes of so many namespaces, in the order of time: shape (6 * count,), dtype of the wire event.

    Each is born, execs, is sent a SIGTERM that is dropped, 2 to 3 s later a SIGKILL that is not, and exits.
    """
    random = np.random.default_rng(7)
    r = np.zeros((len(_STORY), count), wire.EVENT.dtype())
    number = np.arange(count)
    born = BEGIN + number * (SECOND // BIRTHS_A_SECOND) + random.integers(0, SECOND // 20, count)
    term = born + random.integers(SECOND // 2, 2 * SECOND, count)
    kill = term + random.integers(2 * SECOND, 3 * SECOND, count)
    r["time"] = [born + 200_000, born + 900_000, term, kill, kill + 60_000, kill + 2_000_000]
    r["ns_start"] = r["target_start"] = born
    again = (number % REUSED == 0) & (number >= LATER)
    r["nsid"] = _FIRST_INODE + np.where(again, number - LATER, number)
    r["ns_level"] = r["target_ns_pid"] = 1
    r["target_pid"] = r["target_tid"] = 2000 + number * 7 % 4_000_000
    r["target_comm"] = random.choice([b"app", b"gunicorn", b"node", b"java", b"sh"], count)
    r["target_comm"][0] = b"runc:[2:INIT]"
    r["flags"] = wire.FLAG["init"] | wire.FLAG["unkillable"]
    for row, (stage, signal, result) in enumerate(_STORY):
        r["stage"][row], r["signal"][row], r["result"][row] = wire.STAGE[stage], signal, result
        if signal:
            r["disposition"][row] = wire.DISPOSITION["default"]
        if stage == "generate":
            r["flags"][row] |= wire.FLAG["group"]
            r["relation"][row] = wire.RELATION["ancestor"]
    r["relation"][0] = wire.RELATION["ancestor"]
    r["flags"][4:] = wire.FLAG["init"]
    r["exit_code"][5] = 9
    for name, value in (
        *(("sender_pid", 1809), ("sender_tid", 1809), ("sender_parent_pid", 1700), ("sender_nsid", _HOST_NS)),
        *(("sender_comm", b"runc"), ("sender_parent_comm", b"containerd-shim")),
    ):
        r[name][_SENT] = value
    flat = r.reshape(-1)
    flat = flat[np.argsort(flat["time"], kind="stable")]
    flat["seq"] = np.arange(len(flat))
    return flat


def containers(records: npt.NDArray[np.void]) -> Known:
    """Whose they are: of ten namespaces four have no container, three are of docker, three of a pod."""
    births = records[records["stage"] == wire.STAGE["init"]]
    found: Known = {}
    for number, (nsid, start) in enumerate(
        zip(births["nsid"].tolist(), births["ns_start"].tolist(), strict=True)
    ):
        name, image = f"job-{number // 10 % 500}", f"shop/app:{number % 40}"
        if number % 10 < 3:
            found[NsKey.of(nsid, start)] = Container(f"{number + 1:064x}", name, "docker", image)
        elif number % 10 < 6:
            pod = (f"{name}-{number:05x}", "shop")
            found[NsKey.of(nsid, start)] = Container(f"{number + 1:064x}", "app", "containerd", image, *pod)
    return found


def write(path: Path, count: int) -> None:
    """Write the recording as a recorder does, segment by segment: in whole or, if this is interrupted, not at all."""
    new = path.with_name(path.name + ".new")
    shutil.rmtree(new, ignore_errors=True)
    new.parent.mkdir(parents=True, exist_ok=True)
    directory = Directory(new)
    run = Run("bench", "b" * 32, "bench", "synthetic", sigtrace.__version__)
    # A segment may last 0 s of our time, and so ends with each flush.
    writer = Writer(directory, run, Limits(max_bytes=1 << 40, max_age=1e9, rotate=0), sys.exit)
    records = events(count)
    known = containers(records)
    last = int(records["time"][-1])
    for begin in range(BEGIN, last + 1, SEGMENT):
        _write_segment(writer, records, known, begin)
        writer.flush()
    writer.close()
    directory.release()
    new.rename(path)


def _write_segment(writer: Writer, records: npt.NDArray[np.void], known: Known, begin: int) -> None:
    """What a recorder says at the beginning of a segment, and what happens in it."""
    past = records[records["time"] < begin]
    now = records[(records["time"] >= begin) & (records["time"] < begin + SEGMENT)]
    ended = set(past["ns_start"][past["stage"] == wire.STAGE["exit"]].tolist())
    standing = past[(past["stage"] == wire.STAGE["exec"]) & ~np.isin(past["ns_start"], list(ended))]
    batch = Batch(now, UTC, "bench", known.get)
    there = {key: known[key] for key in [*_keys(standing), *_keys(now)] if key in known}
    rows = [
        *_standing(standing, begin + UTC),
        *namespace_rows.changes(batch),
        *namespace_rows.named(begin + UTC, there.items()),
    ]
    writer.rows("namespaces", schema.NAMESPACES, rows)
    writer.rows("losses", schema.LOSSES, [{"time": begin + UTC, "committed": len(past) + len(now)}])
    if len(past):
        writer.counts(_counts(past), begin + UTC)
    writer.counts(_counts(now), min(begin + SEGMENT, int(records["time"][-1])) + UTC)
    writer.events(batch)


def _keys(records: npt.NDArray[np.void]) -> dict[NsKey, None]:
    """The namespaces, in the order in which they first appear."""
    both = zip(records["nsid"].tolist(), records["ns_start"].tolist(), strict=True)
    return dict.fromkeys(NsKey.of(nsid, start) for nsid, start in both)


def _standing(execs: npt.NDArray[np.void], now: int) -> list[dict[str, Any]]:
    """A row for the host's namespace, and for each of those that are alive, as /proc shows them."""
    host = {"nsid": _HOST_NS, "ns_start": TICK_NS, "ns_level": 0, "init_pid": 1, "init_comm": "systemd"}
    rows: list[dict[str, Any]] = [{"time": now, **host}]
    for record in execs:
        start = int(record["ns_start"]) // TICK_NS * TICK_NS
        about = {"nsid": int(record["nsid"]), "ns_start": start, "ns_level": 1, "parent_nsid": _HOST_NS}
        init = {"init_pid": int(record["target_pid"]), "init_comm": record["target_comm"].decode()}
        rows.append({"time": now, **about, **init, "born": start + UTC})
    return rows


def _counts(records: npt.NDArray[np.void]) -> Counts:
    """The kernel's counts of these events, no two of which are of one key: each happens once to a namespace."""
    counts = np.zeros(len(records), COUNT)
    for name in ("ns_start", "nsid", "stage", "signal", "result", "disposition", "relation", "flags"):
        counts[name] = records[name]
    counts["count"] = 1
    return Counts(counts)


def describe(path: Path) -> dict[str, Any]:
    """What a recording holds, and of a container from the middle of it the ID and the inode."""
    recording = sigtrace.open(path)
    table = recording.namespaces()
    named = table[table["container_id"] != ""]
    if not len(named):
        raise BadInput(f"{path} names no container: give a recording that does")
    middle = named.iloc[len(named) // 2]
    return {
        "namespaces": len(table),
        "reused": len(table) - len(set(zip(table["host"], table["boot_id"], table["nsid"], strict=True))),
        "named": len(named),
        "events": recording.rows("events"),
        "files": len(list(path.glob("namespaces-*"))),
        "rows": recording.rows("namespaces"),
        "bytes": sum(file.stat().st_size for file in path.iterdir()),
        "nsid": int(middle["nsid"]),
        "container": str(middle["container_id"]),
    }


if __name__ == "__main__":
    place = Path(sys.argv[1])
    try:
        if not place.exists():
            write(place, int(sys.argv[2]))
        print(json.dumps(describe(place)))
    except BadInput as err:
        sys.exit(f"bench: {err}")
