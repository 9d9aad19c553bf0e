"""What is to be known of a container runtime: one frozen descriptor each, beside the code that reads its files.

No field has a default. Where a runtime has nothing to fill in it says so, and a table in the tests says why.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from sigtrace.containers.files import Files
from sigtrace.containers.hint import Candidate, Clue
from sigtrace.containers.place import Root
from sigtrace.events.container import Container


@dataclass(frozen=True)
class CgroupForm:
    """How one of its cgroups is called. Patterns match a whole component of the path."""

    component: re.Pattern[str]
    """Its group 1 is the container's ID."""
    below: str = ""
    """The component right above it, word for word; empty where any will do. Then the name alone tells the runtime."""
    pod: re.Pattern[str] | None = None
    """The component right above it, whose group 1 is the ID of a pod of the runtime's own."""
    namespace: str = ""
    """containerd's namespace that the container is in."""


@dataclass(frozen=True)
class Shim:
    """A process beside each container that several runtimes have: only the container says whose it is."""

    comm: str
    clients: str
    """What to call who asks while the container is not known, as `Runtime.calls`; empty where nobody is guessed."""


@dataclass(frozen=True, kw_only=True)
class Grace:
    """The grace period that a stop gives unless it is told another."""

    seconds: int
    of: str
    """Whose default that is, or where it is set."""


@dataclass(frozen=True, kw_only=True)
class Advice:
    """What it offers against a stop that hangs, in its own words."""

    small_init: str
    """How to have a small init as PID 1, which passes signals on: the end of a sentence."""
    init_option: str
    """The command that adds a small init without another image."""
    stop_signal: str
    """Where it is told to stop a container by another signal."""
    kill: str
    """The command that ends a container by a SIGKILL from outside."""


@dataclass(frozen=True, kw_only=True)
class Runtime:
    """One container runtime."""

    name: str
    """Its own: no two descriptors have one name."""
    runtime: str
    """`Container.runtime` of its containers. Two may share it, if one of them has those in pods."""
    in_pods: bool
    """Its containers are those in pods of Kubernetes."""

    # --- how its containers are found ---

    roots: tuple[Root, ...]
    """Where it keeps the files that `find` reads."""
    cgroups: tuple[CgroupForm, ...]
    """The forms by which a cgroup's path alone tells that a container is its own."""
    says: Callable[[tuple[str, ...]], Clue | None] | None
    """The container that the parent of an init is the monitor of, by its command line; None if that is not its own."""
    find: Callable[[Clue, Files], Container | None]
    """The container that a clue means, as its files tell of it; None if it has no such container.

    It never waits and never raises: what is unknown stays empty.
    """
    named: Callable[[Clue, Iterable[Candidate], Files], Clue | None] | None
    """The clue in a cgroup path without a form, by files that say that this is their container's cgroup."""
    started: Callable[[Clue, Files], Clue | None] | None
    """The clue in files that say which process is the init of their container, whatever its cgroup."""
    named_beside_id: bool
    """Its containers have an ID of 64 hexadecimal digits, and besides a name, which only files tell."""

    # --- who asks through it for a stop ---

    asker: str
    """Who asks, as `postmortem.Stop.by` has it: the daemon, or the command that people run."""
    calls: str
    """What to call who asks before the processes that were seen; empty if the first of these is it."""
    processes: tuple[str, ...]
    """comm of the processes of its own that send signals, or run an OCI runtime to send them. At most 15 characters."""
    shims: tuple[Shim, ...]
    """The same, of processes that it shares with others."""
    makers: tuple[str, ...]
    """comm of what makes the namespace, and is its init until the container's own program runs."""
    for_others: bool
    """It is an OCI runtime: its makers send signals too, for the process that started them."""

    # --- how it stops them ---

    grace: Grace | None
    """None if it has none of its own: whoever calls it waits, or nobody does."""
    at_once: str
    """What makes it send SIGKILL and nothing before."""

    # --- what it offers ---

    advice: Advice
    """Against a stop that hangs."""
    pod_advice: Advice | None
    """The same for its containers in pods of Kubernetes; None if it has none, or `advice` is meant for them."""
