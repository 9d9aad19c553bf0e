"""What is known of a container: the facts other modules and recordings name it by. No I/O."""

from __future__ import annotations

from dataclasses import dataclass

from sigtrace.text import columns, printable, shorten

COLUMNS = ("container_id", "container_name", "runtime", "image", "pod", "pod_namespace")
"""The columns of the event table that a `Container` fills."""

SHORT_ID = 12
"""Characters of an ID that people see, as the runtimes' own tools print it."""


@dataclass(frozen=True)
class Container:
    """One container as its runtime knows it; what is not known is empty. All text is somebody else's: hostile."""

    id: str
    name: str = ""
    """For Kubernetes its name in the pod; a pod's sandbox is called `POD`."""
    runtime: str = ""
    """docker, podman, containerd, cri-o, runc, crun, lxc or nspawn."""
    image: str = ""
    pod: str = ""
    pod_namespace: str = ""
    """Of Kubernetes; podman's pods have none."""
    stop_signal: str = ""
    """What its runtime stops it with, as `SIGQUIT`; empty if that is not known, or the usual SIGTERM."""

    @property
    def label(self) -> str:
        """What people call it: `web-1`, `shop/checkout-7d4f/app`, or a short ID. Not made safe for a terminal."""
        name = self.name or self.id[:SHORT_ID]
        return "/".join(part for part in (self.pod_namespace, self.pod, name) if part)

    def fitting(self, width: int) -> str:
        """The most telling part of the label that fits `width` columns, printable; cut where none does.

        A pod tells more than the Kubernetes namespace, and than the container's name in the pod.
        """
        name = self.name or self.id[:SHORT_ID]
        shorter = (self.label, f"{self.pod}/{name}" if self.pod else name, self.pod or name)
        return next((part for text in shorter if columns(part := printable(text)) <= width), "") or shorten(
            shorter[-1], width
        )

    @property
    def columns(self) -> tuple[str, ...]:
        """The values of `COLUMNS`."""
        return (self.id, self.name, self.runtime, self.image, self.pod, self.pod_namespace)
