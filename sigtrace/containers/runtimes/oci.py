"""What runtimes have in common: the annotations of an OCI bundle, names of Kubernetes, stop signals."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

from sigtrace import signals
from sigtrace.containers.files import Files, mapping, text
from sigtrace.containers.place import Place
from sigtrace.errors import BadInput

STOP_SIGNAL = "org.opencontainers.image.stopSignal"
"""The annotation that image-spec's conversion.md gives an image's StopSignal."""

SANDBOX = "POD"
"""The name of the container that holds a pod's namespaces, as the kubelet calls it."""


def notes(files: Files, place: Place, *bundle: str) -> dict[str, str]:
    """The annotations in a bundle's config.json (runtime-spec, config.md); empty if there is none."""
    return texts(files.json(place, *bundle, "config.json").get("annotations"))


def texts(value: Any) -> dict[str, str]:
    """The texts of a JSON object."""
    return {key: text(item) for key, item in mapping(value).items() if isinstance(item, str)}


def pod(labels: Mapping[str, str]) -> tuple[str, str, str]:
    """Pod, Kubernetes namespace and container by the labels that the kubelet gives (kuberuntime/labels.go)."""
    return (
        labels.get("io.kubernetes.pod.name", ""),
        labels.get("io.kubernetes.pod.namespace", ""),
        labels.get("io.kubernetes.container.name", ""),
    )


def signal_name(written: Any, default: str = "") -> str:
    """A signal as runtimes write it (`QUIT`, `SIGRTMIN+3`, `15`, 15) by its name; the default if it is none."""
    with contextlib.suppress(BadInput):
        return signals.name(signals.parse(str(written)[:32])) if written else default
    return default
