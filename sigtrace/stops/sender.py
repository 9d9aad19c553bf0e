"""The sender of a signal: the runtime behind a short-lived `runc kill`, recognized by process and parent names.

The descriptor of each runtime has the processes that the kernel sees during its stop (the sender, and its parent).
Most runtimes have an OCI runtime send their signals, which exits at once; several share a shim, so that only the
container shows which of them it is.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

from sigtrace.containers.runtimes.registry import RUNTIMES, choose
from sigtrace.containers.runtimes.runtime import Runtime
from sigtrace.events.container import Container
from sigtrace.events.origin import words
from sigtrace.text import shorten

INSIDE, KERNEL = "inside", "kernel"

_MAKERS = frozenset(comm for each in RUNTIMES for comm in each.makers)
"""Processes that create the namespace; its init runs under their name until it executes the container's program."""
_FOR_OTHERS = frozenset(comm for each in RUNTIMES if each.for_others for comm in each.makers)
"""OCI runtimes, which send signals on behalf of their parent process."""
_CLIENTS = {shim.comm: shim.clients for each in RUNTIMES for shim in each.shims if shim.clients}
"""Shim -> the runtimes that may use it, for a container whose runtime is not known."""
_WORDS = {
    **{each.asker: each.calls for each in RUNTIMES if each.calls},
    **_CLIENTS,
    "systemd": "systemd, for a unit:",
}
"""`Asker.by` -> the words before the names of the processes."""


_CONTEXT = ("reboot", "hangup", "resize")
"""The origins whose context is the process that caused them."""


class Sent(Protocol):
    """The sender and the target of a signal: a `postmortem.event.Event`, or a `request.Record`."""

    @property
    def relation(self) -> str: ...
    @property
    def signal(self) -> int: ...
    @property
    def code(self) -> int: ...
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
    @property
    def context_pid(self) -> int: ...
    @property
    def context_comm(self) -> str: ...
    @property
    def origin(self) -> str: ...


@dataclass(frozen=True)
class Asker:
    """The sender of a signal."""

    by: str
    """`Runtime.asker`, such as `dockerd` or `CRI`; a shim, if its runtime is not known; `inside` for a process of the
    namespace; `kernel`; the name of any other process; empty if the sender is not known."""
    runtime: str = ""
    """The runtime that it acts for, as `Container.runtime` has it; empty for any other sender."""
    via: tuple[str, ...] = ()
    """The processes in the record, the sender last: `containerd-shim[1700]`, `runc[1809]`."""
    origin: str = ""
    """How it was sent: one of `origin.ORIGINS`."""
    words: str = ""
    """The text for a signal with such an origin."""

    def same(self, other: Asker) -> bool:
        """Whether both are the same sender, even if each signal came from another process of it."""
        return (self.by, self.runtime) == (other.by, other.runtime)

    def __str__(self) -> str:
        """Return text such as `docker: dockerd, through containerd-shim[1700] and runc[1809]`."""
        if self.words:
            return self.words
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
    """Return the sender of a signal to a namespace of this container (None: not known).

    For PR_SET_PDEATHSIG it is the kernel: a parent that dies asks for nothing.
    """
    who = _who(event, container)
    if not event.origin:
        return who
    context = (
        (_name(event.context_comm, event.context_pid),)
        if event.origin in _CONTEXT and event.context_pid
        else ()
    )
    sender = who.via[-1] if event.origin == "parent_death" else str(who) if who.via else ""
    text = words(event.origin, sender, "".join(context), event.signal, event.code)
    by = KERNEL if event.origin == "parent_death" else who.by
    via = (who.via[-1:] or context) if by == KERNEL else who.via
    return replace(who, by=by, via=via, origin=event.origin, words=text)


def _who(event: Sent, container: Container | None) -> Asker:
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
    """Whether the target is still a process of a runtime, as an init is before its exec, and the sender one too."""
    maker = _program(event.target_comm)
    return maker in _MAKERS and maker == _program(event.sender_comm)


def _program(comm: str) -> str:
    """Return the program of a comm: runc names its stages `runc:[2:INIT]`."""
    return comm.partition(":")[0]


def _runtime_of(process: str, container: Container | None) -> Runtime | None:
    """Return the runtime of a process; None if it has none, or if the shim is shared and the container not known."""
    known = container.runtime if container else ""
    found = [
        each
        for each in RUNTIMES
        if process in each.processes
        or (each.runtime == known and any(process == shim.comm for shim in each.shims))
    ]
    return choose(found, container)


def _chain(event: Sent) -> tuple[str, ...]:
    """Return the sender's parent, if it is known, and the sender."""
    sender = _name(event.sender_comm, event.sender_pid)
    if not event.sender_parent_pid:
        return (sender,)
    return _name(event.sender_parent_comm, event.sender_parent_pid), sender


def _name(comm: str, pid: int) -> str:
    return f"{shorten(comm, 16)}[{pid}]"
