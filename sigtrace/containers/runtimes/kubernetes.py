"""Kubernetes: the containers of pods, from the annotations of containerd's CRI plugin and of CRI-O.

containerd: the task's bundle in the namespace k8s.io (pkg/cri/annotations), and the record of the container
(pkg/cri/store/container/metadata.go). CRI-O: the bundle in containers/storage (pkg/annotations).
"""

from __future__ import annotations

import re

from sigtrace.containers.files import Files, mapping, parse_json
from sigtrace.containers.hint import HEX, NAME, Clue
from sigtrace.containers.runtimes import containerd, oci
from sigtrace.containers.runtimes.podman import (
    CONMON,
    DRIVERS,
    GRAPH,
    RUN,
    for_crio,
    graph_roots,
    inits,
    monitored,
)
from sigtrace.containers.runtimes.runtime import Advice, CgroupForm, Grace, Runtime
from sigtrace.events.container import Container

_CRI, _CRIO = "io.kubernetes.cri.", "io.kubernetes.cri-o."
_METADATA = ("extensions", "io.cri-containerd.container.metadata")


def find(clue: Clue, files: Files) -> Container | None:
    """Find a container of a pod on containerd. The pod's sandbox has the name POD."""
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
    """Return the signal of StopContainer: the image's, which the CRI plugin keeps with the container; else SIGTERM."""
    raw = containerd.stored_bytes(clue, files, namespace, *_METADATA)
    # a protobuf Any whose value is JSON
    record = mapping(parse_json(raw[raw.find(b"{") : raw.rfind(b"}") + 1]))
    metadata = mapping(record.get("Metadata"))
    return oci.signal_name(metadata.get("StopSignal"), "SIGTERM") if metadata else ""


def find_crio(clue: Clue, files: Files) -> Container | None:
    """Find a container of a pod on CRI-O."""
    if not clue.may_be("cri-o"):
        return None
    for place in (*files.roots.places(RUN, clue.user), *graph_roots(clue, files.roots)):
        for driver in DRIVERS:
            notes = oci.notes(files, place, f"{driver}-containers", clue.id, "userdata")
            if notes.get("io.container.manager") == "cri-o" or f"{_CRIO}KubeName" in notes:
                return _annotated(clue, notes)
    return None


def _annotated(clue: Clue, notes: dict[str, str]) -> Container:
    """Make a container from CRI-O's annotations, which contain the kubelet's labels, singly and as JSON."""
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


def from_monitor_crio(words: tuple[str, ...]) -> Clue | None:
    """Return the container of a conmon of CRI-O."""
    return monitored(words, "cri-o") if for_crio(words) else None


_ASKER, _CALLS = "CRI", "Kubernetes: a CRI call (kubelet or crictl), through"
_GRACE = Grace(seconds=30, of="a pod's terminationGracePeriodSeconds")
_AT_ONCE = "a grace period of 0, or the end of its pod's sandbox"
ADVICE = Advice(
    small_init="tini or catatonit in the image, or shareProcessNamespace: true in the pod's spec, "
    "where the sandbox is PID 1",
    init_option="",
    stop_signal="STOPSIGNAL in the image, or lifecycle.stopSignal in newer Kubernetes",
    kill="crictl stop --timeout 0",
)

KUBERNETES = Runtime(
    name="kubernetes",
    runtime="containerd",
    in_pods=True,
    roots=(containerd.STATE, containerd.DATA),
    cgroups=(
        CgroupForm(
            re.compile(rf"(?:[^:]*:)?cri-containerd[-:]({NAME}?)(?:\.scope)?"), namespace=containerd.CRI
        ),
    ),
    from_monitor=None,
    find=find,
    from_cgroup=None,
    from_init=None,
    inits=containerd.inits,
    named_beside_id=True,
    asker=_ASKER,
    calls=_CALLS,
    # Observed: runc, a child of containerd-shim.
    processes=("containerd",),
    shims=(containerd.SHIM,),
    makers=(),
    for_others=False,
    grace=_GRACE,
    at_once=_AT_ONCE,
    advice=ADVICE,
    pod_advice=None,
)
"""containerd's CRI plugin."""

CRIO = Runtime(
    name="cri-o",
    runtime="cri-o",
    in_pods=True,
    roots=(GRAPH, RUN),
    cgroups=(CgroupForm(re.compile(rf"crio-({HEX})(?:\.scope)?")),),
    from_monitor=from_monitor_crio,
    find=find_crio,
    from_cgroup=None,
    from_init=None,
    inits=inits,
    named_beside_id=True,
    asker=_ASKER,
    calls=_CALLS,
    # Observed: runc or crun, a child of crio.
    processes=("crio",),
    shims=(CONMON,),
    makers=(),
    for_others=False,
    grace=_GRACE,
    at_once=_AT_ONCE,
    advice=ADVICE,
    pod_advice=None,
)
"""CRI-O."""
