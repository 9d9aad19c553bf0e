"""A container: the facts by which other modules and recordings identify it. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sigtrace.text import columns, printable, shorten

COLUMNS: Mapping[str, str] = {
    "container_id": "ID of the container that the target's namespace is of; empty, like the next five, if not known",
    "container_name": "the container's name; in Kubernetes its name in the pod, and `POD` for the pod's sandbox",
    "runtime": "whose container it is: `docker`, `podman`, `containerd`, `cri-o`, `runc`, `crun`, `lxc` or `nspawn`",
    "image": "the container's image, as the runtime names it",
    "pod": "the pod's name, also of podman's pods",
    "pod_namespace": "the pod's Kubernetes namespace; podman's pods have none",
}
"""The columns of the event table that a `Container` fills, and what they mean."""

_LEAST_OF_POD = 4
"""Characters of a pod's name that are still worth showing."""
_LONGEST = 512
"""Characters of each part of a label: a recording may have names of any length."""
SHORT_ID = 12
"""Characters of an ID that are shown, as the runtimes' own tools print it."""


@dataclass(frozen=True)
class Container:
    """One container as its runtime knows it; what is not known is empty. All text is untrusted."""

    id: str
    name: str = ""
    """In Kubernetes, the name within the pod; `POD` for a pod's sandbox."""
    runtime: str = ""
    """docker, cri-o, nspawn, ...: one of those in `containers.runtimes`."""
    image: str = ""
    pod: str = ""
    pod_namespace: str = ""
    """The pod's Kubernetes namespace; empty for pods of podman."""
    stop_signal: str = ""
    """The configured stop signal, such as `SIGQUIT`, or an engine's default; empty if there is none, or not known.

    `containers.runtimes.registry.unread` tells which.
    """
    claims: str = field(default="", compare=False)
    """The label of another container whose name its cgroup has, but which it is not as far as that one's runtime says.

    If no container is known besides, `id` is empty, and `name` is `claims to be` and this label.
    """

    @property
    def label(self) -> str:
        """The name for people: `web-1`, `shop/checkout-7d4f/app`, or a short ID. It is not escaped."""
        name = self.name or self.id[:SHORT_ID]
        return "/".join(part[:_LONGEST] for part in (self.pod_namespace, self.pod, name) if part)

    def fitting(self, width: int) -> str:
        """Return as much of the label as fits into `width` columns, printable.

        The Kubernetes namespace is left out first, then the end of the pod's name, then the end of the container's.
        """
        name = printable((self.name or self.id[:SHORT_ID])[:_LONGEST])
        for text in (printable(self.label), f"{printable(self.pod[:_LONGEST])}/{name}" if self.pod else name):
            if columns(text) <= width:
                return text
        room = width - columns(name) - 1  # for the pod's name: its beginning, and an ellipsis
        return (
            f"{shorten(self.pod, room)}/{name}"
            if self.pod and room >= _LEAST_OF_POD
            else shorten(name, width)
        )

    @property
    def columns(self) -> tuple[str, ...]:
        """The values of `COLUMNS`."""
        return (self.id, self.name, self.runtime, self.image, self.pod, self.pod_namespace)
