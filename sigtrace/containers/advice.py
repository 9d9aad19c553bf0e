"""What a runtime offers against a stop that hangs, in its own words: a small init, another stop signal."""

from __future__ import annotations

from dataclasses import replace

from sigtrace.containers.runtimes import registry
from sigtrace.containers.runtimes.runtime import Advice
from sigtrace.events.container import Container

_ANY = Advice(
    small_init="docker run --init, or tini or catatonit in the image",
    init_option="docker run --init",
    stop_signal="",
    kill="docker kill, crictl stop, lxc-stop -k",
)
"""Where it is not said which runtime it is."""
_OTHER = replace(_ANY, init_option="")
"""Where it is one that is not known here."""


def kill(container: Container | None) -> str:
    """The command that ends it by a SIGKILL from outside."""
    return _of(container).kill


def small_init(container: Container | None) -> str:
    """How to have a small init as PID 1, which passes signals on: the end of a sentence."""
    return _of(container).small_init


def stop_signal(container: Container | None) -> str:
    """Where its runtime is told to stop it with another signal; empty when the runtime is not known."""
    return _of(container).stop_signal


def init_option(container: Container | None) -> str:
    """The command that adds a small init without another image; empty where the runtime has none."""
    return _of(container).init_option


def _of(container: Container | None) -> Advice:
    if container is None or not container.runtime:
        return _ANY
    runtime = registry.of(container)
    if runtime is None:
        return _OTHER
    return (runtime.pod_advice if container.pod else None) or runtime.advice
