"""containerd without Kubernetes (ctr, nerdctl): the task's bundle, and containerd's own database.

The bundle is `STATE/io.containerd.runtime.v2.task/NAMESPACE/ID/config.json`. Image, labels and stop signal are in
`ROOT/io.containerd.metadata.v1.bolt/meta.db`: v1/NAMESPACE/containers/ID (metadata/buckets.go).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import replace

from sigtrace.containers.cgroup import Candidate
from sigtrace.containers.files import Files, mapping, text
from sigtrace.containers.hint import Clue, is_id
from sigtrace.containers.paths import Place
from sigtrace.containers.runtimes import bolt, oci
from sigtrace.events.container import Container

KUBERNETES, DOCKER = "k8s.io", "moby"
"""containerd's namespaces for the containers of the two."""

TASKS = "io.containerd.runtime.v2.task"
_DATABASE = ("io.containerd.metadata.v1.bolt", "meta.db")


def find(clue: Clue, files: Files) -> Container | None:
    """A container of ctr or nerdctl. Its name is nerdctl's, or its ID where people chose that."""
    if not clue.may_be("containerd"):
        return None
    for place, namespace in bundles(clue, files):
        if namespace in (KUBERNETES, DOCKER):
            continue
        notes = oci.notes(files, place, TASKS, namespace, clue.id)
        name = notes.get("nerdctl/name") or stored(clue, files, namespace, "labels", "nerdctl/name")
        stop = stored(clue, files, namespace, "labels", "io.containerd.image.config.stop-signal")
        return Container(
            clue.id,
            name or clue.name or ("" if len(clue.id) == 64 else clue.id),
            "containerd",
            stored(clue, files, namespace, "image"),
            stop_signal=oci.signal_name(stop or notes.get(oci.STOP_SIGNAL)),
        )
    return None


def named(clue: Clue, candidates: Iterable[Candidate], files: Files) -> Clue | None:
    """The clue in a path `/NAMESPACE/ID`, ctr's own form, if a bundle says that this is its cgroup."""
    for candidate in candidates:
        if is_id(candidate.parent):
            for place in files.roots.places("containerd", clue.user):
                spec = files.json(place, TASKS, candidate.parent, candidate.name, "config.json")
                path = mapping(spec.get("linux")).get("cgroupsPath")
                if path == f"/{candidate.parent}/{candidate.name}":
                    return replace(clue, id=candidate.name, runtime="containerd", namespace=candidate.parent)
    return None


def bundles(clue: Clue, files: Files) -> Iterator[tuple[Place, str]]:
    """Where containerd keeps a task of this ID, and in which of its namespaces."""
    for place in files.roots.places("containerd", clue.user):
        namespaces = [clue.namespace] if is_id(clue.namespace) else files.names(place, TASKS)
        for namespace in namespaces:
            if files.exists(place, TASKS, namespace, clue.id):
                yield place, namespace


def stored(clue: Clue, files: Files, namespace: str, *path: str) -> str:
    """What containerd's database says of the container under `path`; empty if nothing."""
    return text(stored_bytes(clue, files, namespace, *path).decode("utf-8", "backslashreplace"))


def stored_bytes(clue: Clue, files: Files, namespace: str, *path: str) -> bytes:
    """The same, as it is stored."""
    for place in files.roots.places("containerd_data", clue.user):
        with contextlib.suppress(OSError), files.opened(place, *_DATABASE) as fd:
            if value := bolt.get(fd, "v1", namespace, "containers", clue.id, *path):
                return value
    return b""
