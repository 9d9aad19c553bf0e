"""Find the containers of living PID namespaces, and the init of a container by name.

A namespace belongs to the container of its init's cgroup. If a namespace above it belongs to the same container
(`unshare --pid` in a container), it is nested: inside the container, but the runtime stops the outer init.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from sigtrace.containers.runtimes.oci import SANDBOX
from sigtrace.containers.selector import ContainerSelector
from sigtrace.errors import BadInput
from sigtrace.events.container import SHORT_ID, Container
from sigtrace.procfs.namespaces import PidNamespace, Survey, survey
from sigtrace.text import printable

__all__ = ["SANDBOX", "Namer", "NamespaceContainers", "by_files", "find_init"]

_MOST = 8

Namer = Callable[[int], "Container | None"]
"""A function that returns the container of a PID."""


class NamespaceContainers:
    """The containers of a survey's namespaces, each looked up on first use."""

    def __init__(self, seen: Survey, root: str = "/proc", namer: Namer | None = None) -> None:
        self._above = {each.nsid: each for each in seen.namespaces}
        self._above.pop(None, None)
        self._namer = namer or by_files(root)
        self._known: dict[int, Container | None] = {}

    def of(self, namespace: PidNamespace) -> Container | None:
        """Return the container that its init lives in; None if there is none, or if it is not known."""
        pid = namespace.init_pid
        if pid is None:
            return None
        if pid not in self._known:
            self._known[pid] = self._namer(pid)
        return self._known[pid]

    def nested(self, namespace: PidNamespace) -> bool:
        """Return whether it was created inside its container, so that its init is not the container's PID 1."""
        container = self.of(namespace)
        return (
            container is not None
            and container.id != ""
            and any(
                above is not None and (above.id, above.runtime) == (container.id, container.runtime)
                for above in map(self.of, self._ancestors(namespace))
            )
        )

    def _ancestors(self, namespace: PidNamespace) -> Iterator[PidNamespace]:
        above = self._above.get(namespace.parent_nsid)
        while above is not None:
            yield above
            above = self._above.get(above.parent_nsid)


def find_init(
    selector: ContainerSelector, root: str = "/proc", namer: Namer | None = None
) -> tuple[int, Container]:
    """Return the PID of the init of the one container that matches, and the container.

    A pod's sandbox counts only if no other container of the pod has a PID namespace. Raises BadInput if no container
    matches, or several do.
    """
    seen = survey(root)
    containers = NamespaceContainers(seen, root, namer)
    inits = [
        (each.init_pid, container)
        for each in seen.namespaces
        if each.init_pid is not None and (container := containers.of(each)) and not containers.nested(each)
    ]
    selector = selector.checked(container for _, container in inits)
    found = [(pid, container) for pid, container in inits if selector.matches(container)]
    found = [each for each in found if each[1].name != SANDBOX or selector.singles_out(each[1])] or found
    if len(found) == 1:
        return found[0]
    words = " ".join(printable(word) for word in selector.words)
    if not found:
        raise BadInput(f"no container here matches all of: {words}")
    listed = ", ".join(
        f"{printable(each.label)} (PID {pid}, ID {printable(each.id[:SHORT_ID])})"
        for pid, each in found[:_MOST]
    )
    more = f" and {len(found) - _MOST} more" if len(found) > _MOST else ""
    raise BadInput(
        f"{words} matches {len(found)} containers: {listed}{more}; choose one with --container, by its name or ID"
    )


def by_files(root: str = "/proc") -> Namer:
    """Return a function that looks containers up, with the roots of $SIGTRACE_ROOTS. Raises BadInput."""
    from sigtrace.containers.daemons import Daemons
    from sigtrace.containers.lookup import of_process
    from sigtrace.containers.paths import Roots

    roots, daemons = Roots.from_environment(), Daemons(root)
    return lambda pid: of_process(pid, roots, root, daemons)
