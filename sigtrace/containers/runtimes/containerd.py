"""containerd without Kubernetes (ctr, nerdctl): the task's bundle, and containerd's own database.

The bundle is `STATE/io.containerd.runtime.v2.task/NAMESPACE/ID/config.json`. Image, labels and stop signal are in
`ROOT/io.containerd.metadata.v1.bolt/meta.db`: v1/NAMESPACE/containers/ID (metadata/buckets.go).
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace

from sigtrace.containers.files import Files, mapping, text
from sigtrace.containers.hint import HEX, Candidate, Clue, Init, is_id
from sigtrace.containers.place import Place, Root
from sigtrace.containers.runtimes import bolt, oci, runc
from sigtrace.containers.runtimes.runtime import Advice, CgroupForm, Runtime, Shim
from sigtrace.containers.runtimes.words import option, program
from sigtrace.events.container import Container

STATE = Root("containerd", ("/run/containerd", "/run/k3s/containerd"), running="containerd")
"""`state`."""
DATA = Root(
    "containerd-data",
    ("/var/lib/containerd", "/var/lib/rancher/k3s/agent/containerd"),
    at_home=".local/share/containerd",
)
"""`root`."""
SHIM = Shim("containerd-shim", clients="a client of containerd (docker, Kubernetes or ctr), through")
"""containerd-shim-runc-v2, truncated to 15 characters by the kernel."""

CRI, MOBY = "k8s.io", "moby"
"""containerd's namespaces for the containers of its CRI plugin and of dockerd."""

TASKS = "io.containerd.runtime.v2.task"
_DATABASE = ("io.containerd.metadata.v1.bolt", "meta.db")


def find(clue: Clue, files: Files) -> Container | None:
    """Find a container of ctr or nerdctl. Its name is nerdctl's, or its ID if the user chose that."""
    if not clue.may_be("containerd"):
        return None
    for place, namespace in bundles(clue, files):
        if namespace in (CRI, MOBY):
            continue
        notes = oci.notes(files, place, TASKS, namespace, clue.id)
        name = notes.get("nerdctl/name") or stored(clue, files, namespace, "labels", "nerdctl/name")
        stop = stored(clue, files, namespace, "labels", "io.containerd.image.config.stop-signal")
        known = stored_bytes(clue, files, namespace, "createdat") != b""
        return Container(
            clue.id,
            name or clue.name or ("" if len(clue.id) == 64 else clue.id),
            "containerd",
            stored(clue, files, namespace, "image"),
            stop_signal=oci.signal_name(stop or notes.get(oci.STOP_SIGNAL), "SIGTERM" if known else ""),
        )
    return None


def from_cgroup(clue: Clue, candidates: Iterable[Candidate], files: Files) -> Clue | None:
    """Return the clue in a path `/NAMESPACE/ID`, ctr's form, if a bundle confirms that this is its cgroup."""
    for candidate in candidates:
        if is_id(candidate.parent):
            for place in files.roots.places(STATE, clue.user):
                spec = files.json(place, TASKS, candidate.parent, candidate.name, "config.json")
                path = mapping(spec.get("linux")).get("cgroupsPath")
                if path == f"/{candidate.parent}/{candidate.name}":
                    found = replace(clue, id=candidate.name, runtime="containerd", path=candidate.path)
                    return replace(found, namespace=candidate.parent)
    return None


def bundles(clue: Clue, files: Files) -> Iterator[tuple[Place, str]]:
    """Yield the places with a task of this ID, and containerd's namespace."""
    for place in files.roots.places(STATE, clue.user):
        namespaces = [clue.namespace] if is_id(clue.namespace) else files.names(place, TASKS)
        for namespace in namespaces:
            if files.exists(place, TASKS, namespace, clue.id):
                yield place, namespace


def inits(clue: Clue, files: Files) -> Iterator[Init]:
    """Yield the init as runc and as the task's shim record it (`init.pid` in the bundle)."""
    tasks = list(bundles(clue, files))
    for place, namespace in tasks:
        yield from runc.recorded(files, place, "runc", namespace, clue.id)
    for place, namespace in tasks:
        yield from oci.init_in(files.read(place, TASKS, namespace, clue.id, "init.pid"))


def stored(clue: Clue, files: Files, namespace: str, *path: str) -> str:
    """Read the container's text under `path` in containerd's database; empty if there is none."""
    return text(stored_bytes(clue, files, namespace, *path).decode("utf-8", "backslashreplace"))


def stored_bytes(clue: Clue, files: Files, namespace: str, *path: str) -> bytes:
    """Read the container's bytes under `path` in containerd's database; empty if there are none."""
    for place in files.roots.places(DATA, clue.user):
        with contextlib.suppress(OSError), files.opened(place, *_DATABASE) as fd:
            if value := bolt.get(fd, "v1", namespace, "containers", clue.id, *path):
                return value
    return b""


def from_monitor(words: tuple[str, ...]) -> Clue | None:
    """Return the container of a shim, unless it is dockerd's."""
    clue = from_shim(words)
    return clue if clue and clue.namespace != MOBY else None


def from_shim(words: tuple[str, ...]) -> Clue | None:
    """Return the container of a shim with this command line. The shim of a pod has the ID of the pod's sandbox."""
    if not program(words).startswith(SHIM.comm):
        return None
    return Clue(option(words, "-id"), "containerd", namespace=option(words, "-namespace"))


CONTAINERD = Runtime(
    name="containerd",
    runtime="containerd",
    in_pods=False,
    roots=(STATE, DATA),
    cgroups=(CgroupForm(re.compile(rf"nerdctl-({HEX})\.scope")),),
    from_monitor=from_monitor,
    find=find,
    from_cgroup=from_cgroup,
    from_init=None,
    inits=inits,
    named_beside_id=True,
    asker="containerd",
    calls="containerd's API (ctr or nerdctl), through",
    # Observed: runc, child of containerd-shim. containerd itself never sends a signal.
    processes=("containerd",),
    shims=(SHIM,),
    makers=(),
    for_others=False,
    grace=None,
    at_once="ctr tasks kill -s KILL, or ctr tasks rm -f",
    advice=Advice(
        small_init="tini or catatonit in the image, or nerdctl run --init",
        init_option="",
        stop_signal="nerdctl run --stop-signal, or ctr tasks kill --signal",
        kill="ctr tasks kill -s SIGKILL",
    ),
    pod_advice=None,
)
"""containerd by ctr and nerdctl."""
