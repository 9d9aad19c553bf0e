"""Docker: `DATA-ROOT/containers/ID/config.v2.json`, written when a container is created (moby, container.go)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from sigtrace.containers.files import Files, mapping, text
from sigtrace.containers.hint import HEX, Clue, Init
from sigtrace.containers.place import Root
from sigtrace.containers.runtimes import containerd, kubernetes, oci, runc
from sigtrace.containers.runtimes.runtime import Advice, CgroupForm, Grace, Runtime
from sigtrace.events.container import Container

_DATA = Root("docker", ("/var/lib/docker",), at_home=".local/share/docker")
"""`data-root`."""
_RUN = Root("docker-run", ("/run/docker",), running="docker")
"""`exec-root`."""


def find(clue: Clue, files: Files) -> Container | None:
    """Find a container of dockerd, with its pod if Docker is the runtime of Kubernetes (cri-dockerd).

    If dockerd's OCI runtime has the container, but the file is gone, the container has no name.
    """
    if not clue.may_be("docker"):
        return None
    for place in files.roots.places(_DATA, clue.user):
        found = files.json(place, "containers", clue.id, "config.v2.json")
        if found.get("ID") == clue.id:
            config = mapping(found.get("Config"))
            labels = oci.texts(config.get("Labels"))
            pod, namespace, name = oci.pod(labels)
            if labels.get("io.kubernetes.docker.type") == "podsandbox":
                name = oci.SANDBOX
            return Container(
                clue.id,
                name if pod and name else text(found.get("Name")).removeprefix("/"),
                "docker",
                text(config.get("Image")),
                pod,
                namespace,
                oci.signal_name(config.get("StopSignal"), "SIGTERM"),
            )
    for place in files.roots.places(_RUN, clue.user):
        if files.exists(place, "runtime-runc", containerd.MOBY, clue.id):
            return Container(clue.id, runtime="docker")
    return None


def inits(clue: Clue, files: Files) -> Iterator[Init]:
    """Yield the init as runc and as dockerd record it; dockerd writes it once the container runs."""
    for place in files.roots.places(_RUN, clue.user):
        yield from runc.recorded(files, place, "runtime-runc", containerd.MOBY, clue.id)
    for place in files.roots.places(_DATA, clue.user):
        state = files.json(place, "containers", clue.id, "config.v2.json").get("State")
        yield from oci.init_of(mapping(state), "Pid")


def from_monitor(words: tuple[str, ...]) -> Clue | None:
    """Return the container of a containerd shim of dockerd."""
    clue = containerd.from_shim(words)
    return replace(clue, runtime="docker") if clue and clue.namespace == containerd.MOBY else None


DOCKER = Runtime(
    name="docker",
    runtime="docker",
    in_pods=False,
    roots=(_DATA, _RUN),
    cgroups=(
        CgroupForm(re.compile(rf"docker-({HEX})\.scope"), namespace=containerd.MOBY),
        CgroupForm(re.compile(f"({HEX})"), below="docker"),
    ),
    from_monitor=from_monitor,
    find=find,
    from_cgroup=None,
    from_init=None,
    inits=inits,
    named_beside_id=True,
    asker="dockerd",
    calls="docker: dockerd, through",
    # Observed: runc, a child of containerd-shim. dockerd itself never sends a signal.
    processes=("dockerd",),
    shims=(containerd.SHIM,),
    makers=(),
    for_others=False,
    grace=Grace(seconds=10, of="`docker stop`"),
    at_once="docker kill or docker rm -f",
    advice=Advice(
        small_init="docker run --init (compose: init: true), or tini or catatonit in the image",
        init_option="docker run --init",
        stop_signal="STOPSIGNAL in the image, or docker run --stop-signal",
        kill="docker kill",
    ),
    pod_advice=kubernetes.ADVICE,
)
"""Docker Engine; in pods with cri-dockerd."""
