"""All container runtimes, in the order in which they are tried."""

from __future__ import annotations

from sigtrace.containers.runtimes import containerd, crun, docker, kubernetes, lxc, nspawn, podman, runc
from sigtrace.containers.runtimes.oci import SANDBOX
from sigtrace.containers.runtimes.runtime import Runtime
from sigtrace.events.container import Container

RUNTIMES: tuple[Runtime, ...] = (
    docker.DOCKER,
    podman.PODMAN,
    kubernetes.KUBERNETES,
    kubernetes.CRIO,
    containerd.CONTAINERD,
    lxc.LXC,
    nspawn.NSPAWN,
    runc.RUNC,
    crun.CRUN,
)
"""runc and crun come last: the other runtimes use them."""

ROOTS = tuple(dict.fromkeys(each for runtime in RUNTIMES for each in runtime.roots))
"""The directories of all runtimes, each once: some share them."""


def of(container: Container) -> Runtime | None:
    """Return the runtime of a container; None if not known."""
    return choose([each for each in RUNTIMES if each.runtime == container.runtime], container)


def unread(container: Container) -> bool:
    """Return whether the container's stop signal is not known, as the file of its runtime that has it was not found.

    Engines that give IDs keep one for every container, be it their default; so it is empty only if it was not read. A
    sandbox has none: it is killed.
    """
    if not container.id or container.stop_signal or container.name == SANDBOX:
        return False
    runtime = of(container)
    return runtime.named_beside_id if runtime else not container.runtime


def choose(runtimes: list[Runtime], container: Container | None) -> Runtime | None:
    """Choose the runtime for containers in pods if this one is in a pod, else the one for the others."""
    in_pod = container is not None and container.pod != ""
    fitting = (each for each in runtimes if each.in_pods == in_pod)
    return next(fitting, runtimes[0] if runtimes else None)


def asked_by(asker: str) -> Runtime | None:
    """Return the runtime with this `Runtime.asker`; None if there is none."""
    return next((each for each in RUNTIMES if each.asker == asker), None)
