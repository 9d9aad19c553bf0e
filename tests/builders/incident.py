"""A recording made by hand of a bad night: what reports are tested on, without a kernel."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sigtrace.recording import schema
from sigtrace.snapshot.columns import COLUMNS, row
from tests.builders.recordings import UTC, Made
from tests.builders.records import record

SECOND = 10**9
HOST = 4026531836
WEB, DB, STORM, EVIL, NESTED = (4026532000 + number for number in range(5))
NAMES = {
    WEB: "web-1",
    DB: "db",
    STORM: "probe",
    EVIL: "<img src=x onerror=pwn()>",
    NESTED: "web-1",
}
EVIL_COMM = b"\x1b]0;\xe2\x80\xae'\"<b>"
EVIL_SENDER = b"</script><i>"
EVIL_IMAGE = "x\u2028\u202e\"'--></style></title><svg onload=pwn()>{{7*7}}<script>pwn()</script>"
EVIL_COMMAND = "sh -c </script><script>pwn()</script><!--<a href=javascript:pwn()>\u2029\x07" + "W" * 400
DROPS_OF_STORM = 4_000


def incident(path: Path, host: str = "") -> Path:
    """web-1 drops a SIGTERM and is killed after 10 s; db handles its own; probe drops thousands; one is hostile."""
    recording = Made(path)
    events = [
        *_stopped(WEB, 100, 10, b"gunicorn"),
        *_handled(DB, 130),
        *_stopped(EVIL, 150, 3, EVIL_COMM, EVIL_SENDER),
        *_stopped(NESTED, 170, 1, b"build", ns_level=2),
        *_storm(STORM, 200),
    ]
    records = np.concatenate(events)
    recording.add(records[np.argsort(records["time"], kind="stable")])
    recording.writer.rows("namespaces", schema.NAMESPACES, [_namespace(nsid) for nsid in NAMES])
    recording.writer.rows("snapshots", schema.row_schema(COLUMNS), _snapshot())
    recording.close()
    manifest = json.loads((path / "manifest.json").read_text())
    (path / "manifest.json").write_text(json.dumps({**manifest, "host": host or recording.run.host}))
    return path


def _base(nsid: int, comm: bytes, **changes: Any) -> dict[str, Any]:
    pid = nsid - HOST
    about = {"nsid": nsid, "ns_start": nsid - HOST, "ns_level": 1, "target_comm": comm, "target_pid": pid}
    return {**about, "target_tid": pid, "target_ns_pid": 1, "target_start": nsid - HOST, **changes}


def _stopped(
    nsid: int, at: int, grace: int, comm: bytes, sender: bytes = b"runc", **changes: Any
) -> list[npt.NDArray[np.void]]:
    """SIGTERM is dropped, SIGKILL follows."""
    base = _base(nsid, comm, **changes)
    by = {"sender_pid": 9, "sender_tid": 9, "sender_comm": sender, "sender_parent_pid": 8}
    by["sender_parent_comm"] = b"containerd-shim"
    end = (at + grace) * SECOND
    flags = ("unkillable", "init")
    return [
        record(**base, **by, time=at * SECOND),
        record(**base, **by, time=end, signal=9, result=0, flags=flags),
        record(**base, time=end + 5_000_000, stage="exit", signal=0, result=-1, exit_code=9, flags=("init",)),
    ]


def _handled(nsid: int, at: int) -> list[npt.NDArray[np.void]]:
    base, time = _base(nsid, b"postgres"), at * SECOND
    did = {"disposition": "handler", "signal": 15}
    return [
        record(**base, **did, time=time, result=0, sender_pid=9, sender_comm=b"runc"),
        record(**base, **did, time=time + 40_000, stage="deliver", result=-1, relation=0),
        record(**base, time=time + 80_000_000, stage="exit", signal=0, result=-1, flags=("init",)),
    ]


def _storm(nsid: int, at: int) -> list[npt.NDArray[np.void]]:
    drop = record(**_base(nsid, b"java"), signal=1, sender_pid=77, sender_comm=b"health-probe")
    many = np.repeat(drop, DROPS_OF_STORM)
    many["time"] = at * SECOND + np.arange(DROPS_OF_STORM) * 1_000_000
    return [many]


def _namespace(nsid: int) -> dict[str, Any]:
    hostile = nsid == EVIL
    return {
        "time": UTC,
        "nsid": nsid,
        "ns_start": nsid - HOST,
        "parent_nsid": WEB if nsid == NESTED else HOST,
        "ns_level": 2 if nsid == NESTED else 1,
        "init_pid": nsid - HOST,
        "init_comm": "app",
        "container_id": f"{WEB if nsid == NESTED else nsid:064x}",
        "container_name": NAMES[nsid],
        "runtime": "docker",
        "image": EVIL_IMAGE if hostile else "shop/app:2",
    }


def _snapshot() -> list[dict[str, Any]]:
    """What /proc said of the hostile one."""
    same = {"time": UTC + 151 * SECOND, "nsid": EVIL, "trigger": "dropped"}
    pid = EVIL - HOST
    init = {"pid": pid, "tid": pid, "ns_pid": 1, "task_nsid": EVIL, "is_init": True, "state": "S"}
    masks = dict.fromkeys(("caught", "ignored", "blocked", "pending", "shared_pending"), "0" * 16)
    comm = EVIL_COMM.decode()
    return [row(**same, tasks=1), row(**same, **init, **masks, comm=comm, cmdline=EVIL_COMMAND)]
