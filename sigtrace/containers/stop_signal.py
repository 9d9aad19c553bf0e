"""Determine the signal that asks a container to stop, and who chose it."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import Literal

from sigtrace import signals
from sigtrace.containers.runtimes import registry
from sigtrace.errors import BadInput
from sigtrace.events.container import Container


@dataclass(frozen=True)
class StopRequest:
    """How the init of a namespace would be asked to stop, and its container."""

    signal: int = signals.TERM
    source: Literal["option", "container", "default", "unknown"] = "default"
    """Who chose the signal: the user, the container's configuration, or nobody (SIGTERM).

    unknown: the container's configuration may have one, but could not be read, or is none; SIGTERM is assumed.
    """
    container: Container | None = None
    nested: bool = False
    """The namespace was created inside the container, whose runtime stops another init."""

    @property
    def reason(self) -> str:
        """Why it is not SIGTERM, if the container configures another signal; else empty."""
        own = self.source == "container" and self.signal != signals.TERM
        return f"{signals.name(self.signal)} is its own stop signal" if own else ""


def stop_request(container: Container | None, nested: bool = False, chosen: int | None = None) -> StopRequest:
    """Return the request with the signal that was `chosen`, else the container's stop signal, else SIGTERM."""
    if chosen is not None:
        return StopRequest(chosen, "option", container, nested)
    if container is not None and container.stop_signal and not nested:
        with contextlib.suppress(BadInput):
            return StopRequest(signals.parse(container.stop_signal), "container", container)
    if container is not None and not nested and (container.stop_signal or registry.unread(container)):
        return StopRequest(signals.TERM, "unknown", container)
    return StopRequest(signals.TERM, "default", container, nested)
