"""Kubernetes: the containers of pods, as containerd's CRI plugin and CRI-O annotate them.

containerd: the task's bundle in the namespace k8s.io (pkg/cri/annotations), and its record of the container
(pkg/cri/store/container/metadata.go). CRI-O: the bundle in containers/storage (pkg/annotations).
"""

from __future__ import annotations

from sigtrace.containers.files import Files, mapping, parse_json
from sigtrace.containers.hint import Clue
from sigtrace.containers.runtimes import containerd, oci
from sigtrace.containers.runtimes.podman import DRIVERS, graph_roots
from sigtrace.events.container import Container

_CRI, _CRIO = "io.kubernetes.cri.", "io.kubernetes.cri-o."
_METADATA = ("extensions", "io.cri-containerd.container.metadata")


def find(clue: Clue, files: Files) -> Container | None:
    """A container of a pod, its sandbox being called POD; None if it is none."""
    return _of_containerd(clue, files) or _of_crio(clue, files)


def _of_containerd(clue: Clue, files: Files) -> Container | None:
    if not clue.may_be("containerd"):
        return None
    for place, namespace in containerd.bundles(clue, files):
        notes = oci.notes(files, place, containerd.TASKS, namespace, clue.id)
        if (kind := notes.get(f"{_CRI}container-type")) is None:
            continue
        pod, pod_namespace = notes.get(f"{_CRI}sandbox-name", ""), notes.get(f"{_CRI}sandbox-namespace", "")
        if kind == "sandbox":
            return Container(clue.id, oci.SANDBOX, "containerd", "", pod, pod_namespace)
        name, image = notes.get(f"{_CRI}container-name", ""), notes.get(f"{_CRI}image-name", "")
        stop = _configured_stop(clue, files, namespace)
        return Container(clue.id, name, "containerd", image, pod, pod_namespace, stop)
    return None


def _configured_stop(clue: Clue, files: Files, namespace: str) -> str:
    """StopContainer's signal: the image's, which the CRI plugin keeps with the container; else SIGTERM."""
    raw = containerd.stored_bytes(clue, files, namespace, *_METADATA)
    # a protobuf Any whose value is JSON
    record = mapping(parse_json(raw[raw.find(b"{") : raw.rfind(b"}") + 1]))
    metadata = mapping(record.get("Metadata"))
    return oci.signal_name(metadata.get("StopSignal"), "SIGTERM") if metadata else ""


def _of_crio(clue: Clue, files: Files) -> Container | None:
    if not clue.may_be("cri-o"):
        return None
    for place in (*files.roots.places("podman_run", clue.user), *graph_roots(clue, files.roots)):
        for driver in DRIVERS:
            notes = oci.notes(files, place, f"{driver}-containers", clue.id, "userdata")
            if notes.get("io.container.manager") == "cri-o" or f"{_CRIO}KubeName" in notes:
                return _annotated(clue, notes)
    return None


def _annotated(clue: Clue, notes: dict[str, str]) -> Container:
    """By CRI-O's annotations: the kubelet's labels are among them, and once more as JSON."""
    pod, namespace, name = oci.pod(notes | oci.texts(parse_json(notes.get(f"{_CRIO}Labels", "").encode())))
    if notes.get(f"{_CRIO}ContainerType") == "sandbox":
        pod, namespace = (
            pod or notes.get(f"{_CRIO}KubeName", ""),
            namespace or notes.get(f"{_CRIO}Namespace", ""),
        )
        return Container(clue.id, oci.SANDBOX, "cri-o", "", pod, namespace)
    image = notes.get(f"{_CRIO}ImageName") or notes.get(f"{_CRIO}Image", "")
    name = name or oci.texts(parse_json(notes.get(f"{_CRIO}Metadata", "").encode())).get("name", "")
    stop = oci.signal_name(notes.get(oci.STOP_SIGNAL), "SIGTERM")
    return Container(clue.id, name, "cri-o", image, pod, namespace, stop)
