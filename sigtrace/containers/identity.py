"""Check that a process is in the container that its cgroup or its parent's command line names.

Whoever may make cgroups can give one the name of another's container: a container below its own cgroup, a user below
the user's service manager. But the kernel says in which cgroup the init is that the runtime has recorded.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from sigtrace.containers import cgroup
from sigtrace.containers.files import Files
from sigtrace.containers.hint import Clue, Init
from sigtrace.containers.runtimes.registry import RUNTIMES
from sigtrace.events.container import Container
from sigtrace.procfs import process

_Standing = Literal["own", "other", "unknown"]


def believed(clue: Clue, container: Container, files: Files, made_by_others: bool) -> bool:
    """Return whether the process of a clue is in this container, as far as its runtime knows.

    made_by_others: others than the container's owner may have chosen the name that led to the clue. Then a container
    with a name has to be confirmed. Otherwise a record that gives both PID and start of another init refutes it; a
    record may also be missing, because the runtime is still writing it.
    """
    standing = _standing(clue, container, files) if clue.pid else "own"
    if standing == "own" or not made_by_others:
        return standing != "other"
    return standing == "unknown" and not container.name


def claim(label: str) -> Container:
    """Return what is known of a process whose cgroup has the name of a container that it is not in."""
    return Container("", f"claims to be {label}", claims=label)


def _standing(clue: Clue, container: Container, files: Files) -> _Standing:
    """Return whether the container's recorded init is the process, or is in the cgroup or the namespace of the process.

    other: it is a living process for certain, and elsewhere.
    """
    standing: _Standing = "unknown"
    for init in _recorded(clue, container, files):
        try:
            if init.start is not None and process.read_stat(init.pid, clue.proc).start_ticks != init.start:
                continue  # the record is an old one
            if init.pid == clue.pid or _same_cgroup(clue, init.pid) or _same_namespace(clue, init.pid):
                return "own"
        except (OSError, ValueError):
            continue
        standing = standing if init.start is None else "other"
    return standing


def _recorded(clue: Clue, container: Container, files: Files) -> Iterator[Init]:
    for inits in (each.inits for each in RUNTIMES if each.runtime == container.runtime and each.inits):
        try:
            yield from inits(clue, files)
        except Exception:  # of a reader of foreign files, as in `lookup`
            continue


def _same_cgroup(clue: Clue, pid: int) -> bool:
    """Return whether a process is in the cgroup that named the container, or below."""
    named = tuple(part for part in clue.path.split("/") if part)
    paths = cgroup.paths_of(process.read(f"{clue.proc}/{pid}/cgroup")) if named else ()
    return any(path[: len(named)] == named for path in paths)


def _same_namespace(clue: Clue, pid: int) -> bool:
    """Return whether a process is in the same PID namespace, unless that is the one of /proc."""
    try:
        nsid = process.namespace_link(pid, clue.proc)
        own, outside = (process.namespace_link(each, clue.proc) for each in (clue.pid, "self"))
    except OSError:
        return False
    return nsid is not None and nsid == own != outside
