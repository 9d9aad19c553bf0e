"""Advice against a stop that hangs, in the runtime's own commands: a small init, another stop signal."""

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
"""For an unknown runtime."""
_OTHER = replace(_ANY, init_option="")
"""For a runtime that is named but has no descriptor here."""


def kill(container: Container | None) -> str:
    """Return the command that sends the container SIGKILL from outside."""
    return _of(container).kill


def small_init(container: Container | None) -> str:
    """Return how to run a small init as PID 1, which forwards signals: the end of a sentence."""
    return _of(container).small_init


def stop_signal(container: Container | None) -> str:
    """Return where the runtime's stop signal is configured; empty if the runtime is not known."""
    return _of(container).stop_signal


def init_option(container: Container | None) -> str:
    """Return the command that adds a small init to the same image; empty if the runtime has none."""
    return _of(container).init_option


def _of(container: Container | None) -> Advice:
    if container is None or not container.runtime:
        return _ANY
    runtime = registry.of(container)
    if runtime is None:
        return _OTHER
    return (runtime.pod_advice if container.pod else None) or runtime.advice
