"""Podman: the index of its storage, the bundle's annotations, and its database for the names of pods.

containers/storage: `GRAPHROOT/DRIVER-containers/containers.json`, and for containers of `podman run --rm`
`RUNROOT/DRIVER-containers/volatile-containers.json` (store.go, containers.go); the bundle is `ID/userdata` beside
the former. The database is `GRAPHROOT/libpod/bolt_state.db` or, since Podman 4.8, `GRAPHROOT/db.sql` (libpod/).
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Iterator
from typing import Any

from sigtrace.containers.files import Files, Places, mapping, parse_json, text
from sigtrace.containers.hint import HEX, Clue, Init, is_id
from sigtrace.containers.place import Place, Root
from sigtrace.containers.runtimes import bolt, crun, oci, runc
from sigtrace.containers.runtimes.runtime import Advice, CgroupForm, Grace, Runtime, Shim
from sigtrace.containers.runtimes.words import option, program
from sigtrace.events.container import Container

GRAPH = Root("podman", ("/var/lib/containers/storage",), at_home=".local/share/containers/storage")
"""`graphroot` of Podman and CRI-O (`podman --root`)."""
RUN = Root("podman-run", ("/run/containers/storage",), running="containers")
"""`runroot` of the two (`podman --runroot`)."""
CONMON = Shim("conmon", clients="")
"""conmon starts the OCI runtime, holds the container's pipes, and sends SIGKILL after a time limit."""

PODS = ("libpod_parent",)
"""The component of a cgroup path below which pods have theirs, with the ID of the pod as its name."""
DRIVERS = ("overlay", "vfs", "btrfs", "zfs", "aufs", "devicemapper")
_INDEX_LIMIT = 32 << 20
_SQL_STEPS = 100_000


def find(clue: Clue, files: Files) -> Container | None:
    """Find a container of Podman, with the name of its pod."""
    if not clue.may_be("podman"):
        return None
    graphs = graph_roots(clue, files.roots)
    for graph in graphs:
        for driver in DRIVERS:
            notes = oci.notes(files, graph, f"{driver}-containers", clue.id, "userdata")
            if notes.get("io.container.manager", "libpod") != "libpod":
                return None  # CRI-O uses the same storage
            entry = _entry(clue, files, graph, driver)
            if entry or notes:
                names = entry.get("names")
                facts = mapping(parse_json(text_of(entry.get("metadata")).encode("utf-8", "replace")))
                pod_id = clue.pod_id or notes.get("io.kubernetes.cri-o.SandboxID", "")
                return Container(
                    clue.id,
                    text(names[0] if isinstance(names, list) and names else facts.get("name")) or clue.name,
                    "podman",
                    text(facts.get("image-name")),
                    _pod_name(pod_id, files, graphs),
                    stop_signal=oci.signal_name(notes.get(oci.STOP_SIGNAL)),
                )
    return None


def graph_roots(clue: Clue, roots: Places) -> tuple[Place, ...]:
    """Return the storage of Podman and CRI-O; conmon's `-b GRAPHROOT/DRIVER-containers/ID/userdata` names one."""
    known = roots.places(GRAPH, clue.user)
    parts = clue.bundle.split("/")
    if clue.user is None and len(parts) > 3 and parts[0] == "" and ".." not in parts:
        return (*known, Place("/".join(parts[:-3])))
    return known


def text_of(value: Any) -> str:
    """Return the value if it is text, of any length; else empty."""
    return value if isinstance(value, str) else ""


def _entry(clue: Clue, files: Files, graph: Place, driver: str) -> dict[str, Any]:
    """What the indices of the storage say of the container; empty if nothing."""
    indices = [(graph, "containers.json")]
    indices += [(run, "volatile-containers.json") for run in files.roots.places(RUN, clue.user)]
    for place, name in indices:
        raw = files.read(place, f"{driver}-containers", name, limit=_INDEX_LIMIT)
        if raw and (entry := _in_index(raw, clue.id)):
            return entry
    return {}


def _in_index(raw: bytes, container: str) -> dict[str, Any]:
    """Return the object of one container of the list. Go writes `id` first, so the rest need not be parsed."""
    start = raw.find(b'{"id":"%s"' % container.encode())
    if start < 0:
        return {}
    with contextlib.suppress(ValueError, RecursionError):
        piece = raw[start : start + (1 << 20)].decode("utf-8", "backslashreplace")
        return mapping(json.JSONDecoder(parse_int=lambda digits: 0).raw_decode(piece)[0])
    return {}


def _pod_name(pod_id: str, files: Files, graphs: tuple[Place, ...]) -> str:
    if not is_id(pod_id):
        return ""
    for graph in graphs:
        with contextlib.suppress(OSError), files.opened(graph, "db.sql") as fd:
            if name := _in_sqlite(fd, pod_id):
                return name
        with contextlib.suppress(OSError), files.opened(graph, "libpod", "bolt_state.db") as fd:
            if found := bolt.get(fd, "allPods", pod_id):
                return text(found.decode("utf-8", "backslashreplace"))
    return ""


def _in_sqlite(fd: int, pod_id: str) -> str:
    """Return the pod's name from the table PodConfig. Takes no lock, and runs no trigger or view of the database."""
    try:
        import sqlite3
    except ImportError:  # Python can be built without it
        return ""
    if os.fstat(fd).st_size > _INDEX_LIMIT:
        return ""
    allowed = (sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ)
    uri = f"file:/proc/self/fd/{fd}?mode=ro&immutable=1"
    try:
        with contextlib.closing(sqlite3.connect(uri, uri=True, timeout=0)) as database:
            database.set_authorizer(
                lambda action, *_: sqlite3.SQLITE_OK if action in allowed else sqlite3.SQLITE_DENY
            )
            database.set_progress_handler(lambda: 1, _SQL_STEPS)  # no more steps than these
            row = database.execute("SELECT Name FROM PodConfig WHERE ID = ?", (pod_id,)).fetchone()
    except (sqlite3.Error, ValueError, OverflowError):
        return ""
    return text(row[0]) if row else ""


def inits(clue: Clue, files: Files) -> Iterator[Init]:
    """Yield the init as the OCI runtime and as conmon record it (`pidfile` beside the volatile index)."""
    yield from runc.inits(clue, files)
    yield from crun.inits(clue, files)
    for place in files.roots.places(RUN, clue.user):
        for driver in DRIVERS:
            yield from oci.init_in(files.read(place, f"{driver}-containers", clue.id, "userdata", "pidfile"))


def from_monitor(words: tuple[str, ...]) -> Clue | None:
    """Return the container of a conmon of Podman."""
    return None if for_crio(words) else monitored(words, "podman")


def monitored(words: tuple[str, ...], runtime: str) -> Clue | None:
    """Return the container of a conmon with this command line."""
    if program(words) != CONMON.comm:
        return None
    return Clue(option(words, "-c"), runtime, option(words, "-n"), bundle=option(words, "-b"))


def for_crio(words: tuple[str, ...]) -> bool:
    """Return whether a conmon is CRI-O's: its directories contain `crio`."""
    return any("crio" in word for word in words)


PODMAN = Runtime(
    name="podman",
    runtime="podman",
    in_pods=False,
    roots=(GRAPH, RUN),
    cgroups=(
        CgroupForm(
            re.compile(rf"libpod-({HEX})(?:\.scope)?"),
            pod=re.compile(rf"(?:.*libpod_pod_)?({HEX})(?:\.slice)?"),
        ),
    ),
    from_monitor=from_monitor,
    find=find,
    from_cgroup=None,
    from_init=None,
    inits=inits,
    named_beside_id=True,
    asker="podman",
    calls="podman, through",
    # Observed: runc or crun, a child of podman.
    processes=("podman",),
    shims=(CONMON,),
    makers=(),
    for_others=False,
    grace=Grace(seconds=10, of="`podman stop`"),
    at_once="podman kill, or podman rm -f -t 0",
    advice=Advice(
        small_init="podman run --init, or tini or catatonit in the image",
        init_option="podman run --init",
        stop_signal="STOPSIGNAL in the image, or podman run --stop-signal",
        kill="podman kill",
    ),
    pod_advice=None,
)
"""Podman; its pods are not those of Kubernetes."""
