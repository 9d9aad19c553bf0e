"""Who sent a signal, as people know them: the runtime behind a short-lived `runc kill`, told by names and parents.

What the kernel sees of each runtime's stop (sender, child of parent), observed on live runtimes:

    docker              runc, child of containerd-shim: dockerd and containerd never send a signal themselves
    containerd (ctr)    the same
    Kubernetes          the same on containerd; on CRI-O runc or crun, child of crio
    podman              runc or crun, child of podman
    runc, crun          runc or crun, child of whoever ran it
    LXC                 SIGPWR by lxc-stop itself; SIGKILL by the container's monitor, lxc-start
    systemd-nspawn      systemd-nspawn

So only the container says whose shim it was. The kernel cuts names to 15 characters: containerd-shim-runc-v2.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from sigtrace.events.container import Container
from sigtrace.text import shorten

INSIDE, KERNEL = "inside", "kernel"

_OCI = frozenset({"runc", "crun", "youki"})
_MAKERS = _OCI | {"lxc-start"}
"""They make the namespace, and its init is a process of their own until it runs the container's program."""
_SHIM = "containerd-shim"
_RUNTIMES = {
    **{"dockerd": "docker", "containerd": "containerd", "crio": "cri-o", "podman": "podman"},
    **{"lxc-start": "lxc", "lxc-stop": "lxc", "systemd-nspawn": "nspawn"},
}
"""A process that sends signals, or runs an OCI runtime to send them -> its runtime."""
_SPEAKERS = {
    **{"docker": "dockerd", "containerd": "containerd", "cri-o": "CRI", "podman": "podman"},
    **{"lxc": "lxc-stop", "nspawn": "systemd-nspawn"},
}
"""Runtime -> who it is that asks."""
_WORDS = {
    "dockerd": "docker: dockerd, through",
    "CRI": "Kubernetes: a CRI call (kubelet or crictl), through",
    "containerd": "containerd's API (ctr or nerdctl), through",
    "podman": "podman, through",
    "lxc-stop": "lxc-stop, through the container's monitor",
    _SHIM: "a client of containerd (docker, Kubernetes or ctr), through",
    "systemd": "systemd, for a unit:",
}
"""Who asks -> what to call it before the processes that were seen."""


class Sent(Protocol):
    """What is known of a signal's sender and of its target: a `postmortem.event.Event`, or a `requests.Record`."""

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
    """`dockerd`, `CRI`, `podman`, `containerd`, `containerd-shim` (of whom is not known), `runc`, `crun`, `lxc-stop`,
    `systemd-nspawn`; `inside` for a process of the namespace; `kernel`; the name of any other process; empty if
    nobody is known."""
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
    if not event.sender_pid:
        return Asker(KERNEL if event.relation == "kernel" else "")
    chain = _chain(event)
    if event.relation in ("same", "descendant", "self"):
        return Asker(INSIDE, "", chain)
    sender = _program(event.sender_comm)
    acting = event.sender_parent_comm if sender in _OCI else sender
    runtime = _runtime_of(acting, container)
    if runtime:
        kubernetes = container is not None and container.pod != "" and runtime == "containerd"
        return Asker(
            "CRI" if kubernetes else _SPEAKERS[runtime], runtime, chain if sender in _OCI else chain[-1:]
        )
    if acting == _SHIM:
        return Asker(_SHIM, "", chain)
    return Asker(sender, sender if sender in _OCI else "", chain)


def by_its_maker(event: Sent) -> bool:
    """Whether the target is a runtime's own process yet, as an init is before it runs anything, and the sender too."""
    maker = _program(event.target_comm)
    return maker in _MAKERS and maker == _program(event.sender_comm)


def _program(comm: str) -> str:
    """A thread of runc is called `runc:[2:INIT]`."""
    return comm.partition(":")[0]


def _runtime_of(process: str, container: Container | None) -> str:
    """Which runtime a process belongs to; empty for none, or if only the container could tell, and does not."""
    known = container.runtime if container else ""
    if process == _SHIM:
        return known if known in ("docker", "containerd") else ""
    if process == "conmon":
        return known if known in ("podman", "cri-o") else ""
    return _RUNTIMES.get(process, "")


def _chain(event: Sent) -> tuple[str, ...]:
    """The sender's parent, if it is known, and the sender."""
    sender = f"{shorten(event.sender_comm, 16)}[{event.sender_pid}]"
    if not event.sender_parent_pid:
        return (sender,)
    return f"{shorten(event.sender_parent_comm, 16)}[{event.sender_parent_pid}]", sender
