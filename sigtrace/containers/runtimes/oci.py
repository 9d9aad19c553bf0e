"""Shared code of the runtimes: annotations of an OCI bundle, Kubernetes' labels, stop signals."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

from sigtrace import signals
from sigtrace.containers.files import Files, mapping, text
from sigtrace.containers.hint import Init
from sigtrace.containers.place import Place
from sigtrace.errors import BadInput

STOP_SIGNAL = "org.opencontainers.image.stopSignal"
"""The annotation that image-spec's conversion.md gives an image's StopSignal."""

_PID_MAX = 4194304
"""PID_MAX_LIMIT (`include/linux/threads.h`)."""

SANDBOX = "POD"
"""The kubelet's name for the container that holds a pod's namespaces."""


def notes(files: Files, place: Place, *bundle: str) -> dict[str, str]:
    """Return the annotations in a bundle's config.json (runtime-spec, config.md); empty if there are none."""
    return texts(files.json(place, *bundle, "config.json").get("annotations"))


def texts(value: Any) -> dict[str, str]:
    """Return the members of a JSON object that are texts."""
    return {key: text(item) for key, item in mapping(value).items() if isinstance(item, str)}


def init_of(state: Mapping[str, Any], pid: str, start: str = "") -> Iterator[Init]:
    """Yield the init in a runtime's record of a container, given the keys of its PID and of its start."""
    found, since = state.get(pid), state.get(start)
    if type(found) is int and 0 < found <= _PID_MAX:
        yield Init(found, since if type(since) is int else None)


def init_in(raw: bytes | None) -> Iterator[Init]:
    """Yield the init in a file that contains its PID."""
    if raw and raw.strip().isdigit() and len(raw) < 16:
        yield from init_of({"pid": int(raw)}, "pid")


def pod(labels: Mapping[str, str]) -> tuple[str, str, str]:
    """Return pod, Kubernetes namespace and container from the kubelet's labels (kuberuntime/labels.go)."""
    return (
        labels.get("io.kubernetes.pod.name", ""),
        labels.get("io.kubernetes.pod.namespace", ""),
        labels.get("io.kubernetes.container.name", ""),
    )


def signal_name(written: Any, default: str = "") -> str:
    """Return the name of a signal as runtimes write it (`QUIT`, `SIGRTMIN+3`, `15`, 15); the default if invalid."""
    with contextlib.suppress(BadInput):
        return signals.name(signals.parse(str(written)[:32])) if written else default
    return default
