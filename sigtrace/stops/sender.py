"""Who sent a signal, as people know them: the runtime behind a short-lived `runc kill`, told by names and parents.

What the kernel sees of a runtime's stop (sender, child of parent) is in the runtime's descriptor. Most have an OCI
runtime send their signals, which is gone at once, some through a shim that others have too: whose that is, only the
container says.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from sigtrace.containers.runtimes.registry import RUNTIMES, choose
from sigtrace.containers.runtimes.runtime import Runtime
from sigtrace.events.container import Container
from sigtrace.text import shorten

INSIDE, KERNEL = "inside", "kernel"

_MAKERS = frozenset(comm for each in RUNTIMES for comm in each.makers)
"""They make the namespace, and its init is a process of their own until it runs the container's program."""
_FOR_OTHERS = frozenset(comm for each in RUNTIMES if each.for_others for comm in each.makers)
"""OCI runtimes: they send signals for the process that started them."""
_CLIENTS = {shim.comm: shim.clients for each in RUNTIMES for shim in each.shims if shim.clients}
"""Helpers that are told of when nobody knows whose they are -> who may be behind them."""
_WORDS = {
    **{each.asker: each.calls for each in RUNTIMES if each.calls},
    **_CLIENTS,
    "systemd": "systemd, for a unit:",
}
"""Who asks -> what to call it before the processes that were seen."""


class Sent(Protocol):
    """What is known of a signal's sender and of its target: a `postmortem.event.Event`, or a `request.Record`."""

    @property
    def relation(self) -> str: ...
    @property
    def target_comm(self) -> str: ...
    @property
    def sender_pid(self) -> int: ...
    @property
    def sender_comm(self) -> str: ...
    @property
    def sender_parent_pid(self) -> int: ...
    @property
    def sender_parent_comm(self) -> str: ...


@dataclass(frozen=True)
class Asker:
    """Who sent a signal."""

    by: str
    """`Runtime.asker`, as `dockerd` or `CRI`; a shim of runtimes, if it is not known of which; `inside` for a process
    of the namespace; `kernel`; the name of any other process; empty if nobody is known."""
    runtime: str = ""
    """The runtime that it speaks for, as `Container.runtime` has it; empty for anybody else."""
    via: tuple[str, ...] = ()
    """The processes that were seen, the sender last: `containerd-shim[1700]`, `runc[1809]`."""

    def same(self, other: Asker) -> bool:
        """Whether it is the same party; each of its signals may have another process."""
        return (self.by, self.runtime) == (other.by, other.runtime)

    def __str__(self) -> str:
        """For people: `docker: dockerd, through containerd-shim[1700] and runc[1809]`."""
        if not self.via:
            return "the kernel itself" if self.by == KERNEL else "nobody that is known"
        sender = ", child of ".join(reversed(self.via))
        if self.by == INSIDE:
            return f"a process inside: {sender}"
        if self.runtime and self.via[0].startswith(f"{self.by}["):
            return ", through ".join(self.via)
        if self.by in _WORDS:
            return f"{_WORDS[self.by]} {' and '.join(self.via)}"
        return sender if self.runtime else f"a person or a script: {sender}"


def asker(event: Sent, container: Container | None) -> Asker:
    """Who sent it, to a namespace of this container."""
    if event.relation == "kernel":
        return Asker(KERNEL)
    if not event.sender_pid:
        return Asker("")
    chain = _chain(event)
    if event.relation in ("same", "descendant", "self"):
        return Asker(INSIDE, "", chain)
    sender = _program(event.sender_comm)
    for_another = sender in _FOR_OTHERS
    acting = event.sender_parent_comm if for_another else sender
    if runtime := _runtime_of(acting, container):
        return Asker(runtime.asker, runtime.runtime, chain if for_another else chain[-1:])
    if acting in _CLIENTS:
        return Asker(acting, "", chain)
    return Asker(sender, sender if for_another else "", chain)


def by_its_maker(event: Sent) -> bool:
    """Whether the target is a runtime's own process yet, as an init is before it runs anything, and the sender too."""
    maker = _program(event.target_comm)
    return maker in _MAKERS and maker == _program(event.sender_comm)


def _program(comm: str) -> str:
    """A thread of runc is called `runc:[2:INIT]`."""
    return comm.partition(":")[0]


def _runtime_of(process: str, container: Container | None) -> Runtime | None:
    """Which runtime a process belongs to; None for none, or if only the container could tell, and does not."""
    known = container.runtime if container else ""
    found = [
        each
        for each in RUNTIMES
        if process in each.processes
        or (each.runtime == known and any(process == shim.comm for shim in each.shims))
    ]
    return choose(found, container)


def _chain(event: Sent) -> tuple[str, ...]:
    """The sender's parent, if it is known, and the sender."""
    sender = f"{shorten(event.sender_comm, 16)}[{event.sender_pid}]"
    if not event.sender_parent_pid:
        return (sender,)
    return f"{shorten(event.sender_parent_comm, 16)}[{event.sender_parent_pid}]", sender
