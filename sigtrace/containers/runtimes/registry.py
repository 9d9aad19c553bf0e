"""All container runtimes, in the order they are asked. What else is known of one is in its own module."""

from __future__ import annotations

from sigtrace.containers.runtimes import containerd, crun, docker, kubernetes, lxc, nspawn, podman, runc
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
"""runc and crun come last: the others have them run their containers."""

ROOTS = tuple(dict.fromkeys(each for runtime in RUNTIMES for each in runtime.roots))
"""Each once: some share them."""


def of(container: Container) -> Runtime | None:
    """Whose a container is; None if that is not known."""
    return choose([each for each in RUNTIMES if each.runtime == container.runtime], container)


def choose(runtimes: list[Runtime], container: Container | None) -> Runtime | None:
    """The one of several that has the containers in pods, if this is in a pod; else one that has the others."""
    in_pod = container is not None and container.pod != ""
    fitting = (each for each in runtimes if each.in_pods == in_pod)
    return next(fitting, runtimes[0] if runtimes else None)


def asked_by(asker: str) -> Runtime | None:
    """The runtime through which this one asks, as `Runtime.asker`; None for anybody else."""
    return next((each for each in RUNTIMES if each.asker == asker), None)
