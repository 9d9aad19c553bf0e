"""The descriptor of a container runtime; each runtime's module defines one, beside the code that reads its files.

No field has a default, so that a new runtime cannot forget one. A table in the tests says why a field is empty.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from sigtrace.containers.files import Files
from sigtrace.containers.hint import Candidate, Clue, Init
from sigtrace.containers.place import Root
from sigtrace.events.container import Container


@dataclass(frozen=True)
class CgroupForm:
    """The form of a container's cgroup path. Patterns match a whole component of the path."""

    component: re.Pattern[str]
    """Its group 1 is the container's ID."""
    below: str = ""
    """The exact parent component; empty if it does not matter, because the name alone identifies the runtime."""
    pod: re.Pattern[str] | None = None
    """Pattern of the parent component; its group 1 is the ID of the runtime's own pod."""
    namespace: str = ""
    """containerd's namespace that the container is in."""


@dataclass(frozen=True)
class Shim:
    """A process per container that several runtimes use: only the container tells which runtime it serves."""

    comm: str
    clients: str
    """As `Runtime.calls`, for containers that are not known; empty if nothing can be said of them."""


@dataclass(frozen=True, kw_only=True)
class Grace:
    """The default grace period of a stop."""

    seconds: int
    of: str
    """The command with this default, or the setting."""


@dataclass(frozen=True, kw_only=True)
class Advice:
    """Advice against a stop that hangs, in the runtime's own commands."""

    small_init: str
    """How to run a small init as PID 1, which forwards signals: the end of a sentence."""
    init_option: str
    """The command that adds a small init to the same image."""
    stop_signal: str
    """Where the stop signal is configured."""
    kill: str
    """The command that sends a container SIGKILL from outside."""


@dataclass(frozen=True, kw_only=True)
class Runtime:
    """One container runtime."""

    name: str
    """Unique among the descriptors."""
    runtime: str
    """`Container.runtime` of its containers. Two descriptors may share it if one is for containers in pods."""
    in_pods: bool
    """It is for containers in pods of Kubernetes."""

    # --- how its containers are found ---

    roots: tuple[Root, ...]
    """The directories of the files that `find` reads."""
    cgroups: tuple[CgroupForm, ...]
    """The forms of cgroup paths that identify its containers without a file."""
    from_monitor: Callable[[tuple[str, ...]], Clue | None] | None
    """Command line of an init's parent -> the container, if the parent is a monitor of this runtime; else None."""
    find: Callable[[Clue, Files], Container | None]
    """Reads the container of a clue from the runtime's files; None if there is no such container.

    Never blocks: what is not known stays empty. Whatever it raises counts as None.
    """
    from_cgroup: Callable[[Clue, Iterable[Candidate], Files], Clue | None] | None
    """Components of a cgroup path without a form -> the clue, if the runtime's files name the path as a container's."""
    from_init: Callable[[Clue, Files], Clue | None] | None
    """Clue with a PID -> the clue to the container whose init has this PID in the runtime's files."""
    inits: Callable[[Clue, Files], Iterable[Init]] | None
    """Clue -> the inits of the container in the runtime's files, those with a start first; None if it records none."""
    named_beside_id: bool
    """Its containers have an ID of 64 hexadecimal digits; name and stop signal are only in files, and always there."""

    # --- who asks through it for a stop ---

    asker: str
    """The sender of a stop, as in `postmortem.Stop.by`: the daemon, or the command that people run."""
    calls: str
    """The sender in words, put before the processes that were seen; empty if the first of them is the sender."""
    processes: tuple[str, ...]
    """comm of its own processes that send signals, or that run an OCI runtime to send them. At most 15 characters."""
    shims: tuple[Shim, ...]
    """Such processes that it shares with other runtimes."""
    makers: tuple[str, ...]
    """comm of the process that creates the namespace, and is its init until it executes the container's program."""
    for_others: bool
    """It is an OCI runtime: its makers also send signals, on behalf of the process that started them."""

    # --- how it stops them ---

    grace: Grace | None
    """None if it has none of its own, because its caller decides how long to wait."""
    at_once: str
    """The commands that make it send SIGKILL without a signal before."""

    # --- what it offers ---

    advice: Advice
    """Against a stop that hangs."""
    pod_advice: Advice | None
    """The same for containers in pods of Kubernetes; None if it has no such containers, or `advice` is for them."""
