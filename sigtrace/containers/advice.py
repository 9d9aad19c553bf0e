"""What a runtime offers against a stop that hangs, in its own words: a small init, another stop signal."""

from __future__ import annotations

from sigtrace.events.container import Container

_INITS = {
    "docker": "docker run --init (compose: init: true), or tini or catatonit in the image",
    "podman": "podman run --init, or tini or catatonit in the image",
    "kubernetes": "tini or catatonit in the image, or shareProcessNamespace: true in the pod's spec, "
    "where the sandbox is PID 1",
    "containerd": "tini or catatonit in the image, or nerdctl run --init",
    "runc": "tini or catatonit in the bundle, first in process.args of config.json",
    "lxc": "lxc-execute does, or tini or catatonit as lxc.init.cmd",
    "nspawn": "tini or catatonit in the machine, before its command (--as-pid2 does not pass signals on)",
}
_ANY_INIT = "docker run --init, or tini or catatonit in the image"

_STOP_SIGNALS = {
    "docker": "STOPSIGNAL in the image, or docker run --stop-signal",
    "podman": "STOPSIGNAL in the image, or podman run --stop-signal",
    "kubernetes": "STOPSIGNAL in the image, or lifecycle.stopSignal in newer Kubernetes",
    "containerd": "nerdctl run --stop-signal, or ctr tasks kill --signal",
    "runc": "runc kill ID SIGNAL",
    "crun": "crun kill ID SIGNAL",
    "lxc": "lxc.signal.halt in its configuration",
    "nspawn": "systemd-nspawn --kill-signal, or KillSignal= in its .nspawn file",
}

_KILLS = {
    "docker": "docker kill",
    "podman": "podman kill",
    "kubernetes": "crictl stop --timeout 0",
    "containerd": "ctr tasks kill -s SIGKILL",
    "runc": "runc kill ID KILL",
    "crun": "crun kill ID KILL",
    "lxc": "lxc-stop -k",
    "nspawn": "machinectl terminate",
}
_ANY_KILL = "docker kill, crictl stop, lxc-stop -k"


def kill(container: Container | None) -> str:
    """The command that ends it by a SIGKILL from outside."""
    return _KILLS.get(_kind(container), _ANY_KILL)


def small_init(container: Container | None) -> str:
    """How to have a small init as PID 1, which passes signals on: the end of a sentence."""
    return _INITS.get(_kind(container).replace("crun", "runc"), _ANY_INIT)


def stop_signal(container: Container | None) -> str:
    """Where its runtime is told to stop it with another signal; empty when the runtime is not known."""
    return _STOP_SIGNALS.get(_kind(container), "")


def init_option(container: Container | None) -> str:
    """The command that adds a small init without another image; empty where the runtime has none."""
    kind = _kind(container)
    return f"{kind or 'docker'} run --init" if kind in ("docker", "podman", "") else ""


def _kind(container: Container | None) -> str:
    if container is None:
        return ""
    return "kubernetes" if container.pod and container.runtime != "podman" else container.runtime
