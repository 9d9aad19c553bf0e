"""Docker: `DATA-ROOT/containers/ID/config.v2.json`, written on creation (moby, container/container.go)."""

from __future__ import annotations

from sigtrace.containers.files import Files, mapping, text
from sigtrace.containers.hint import Clue
from sigtrace.containers.runtimes import oci
from sigtrace.events.container import Container


def find(clue: Clue, files: Files) -> Container | None:
    """The container as dockerd knows it; of its pod where Docker is the runtime of Kubernetes (cri-dockerd).

    A container that dockerd's OCI runtime knows of, but whose own file is gone, is one without a name.
    """
    if not clue.may_be("docker"):
        return None
    for place in files.roots.places("docker", clue.user):
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
    for place in files.roots.places("docker_run", clue.user):
        if files.exists(place, "runtime-runc", "moby", clue.id):
            return Container(clue.id, runtime="docker")
    return None
