"""Predicts what the init of each PID namespace would do with its stop signal.

`scan` combines the survey of namespaces with a prediction for each init, for a signal from outside, as a container
runtime sends it. The verdict of a row says whether the namespace would stop on its stop signal, or only on SIGKILL
after a grace period. The stop signal is the container's configured one.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from sigtrace import signals
from sigtrace.arguments import several
from sigtrace.containers.of_namespace import NamespaceContainers
from sigtrace.containers.selector import ContainerSelector
from sigtrace.containers.stop_signal import stop_request
from sigtrace.errors import BadInput
from sigtrace.events.container import Container
from sigtrace.predict.kernel_rules import predict
from sigtrace.predict.passing import follow
from sigtrace.predict.scan_row import MANY_ZOMBIES, Init, ScanRow, relation_to, row, untold, without_init
from sigtrace.procfs import freezer, pidns, process
from sigtrace.procfs import target as targets
from sigtrace.procfs.pidns import PidNamespace, Survey, survey
from sigtrace.procfs.remaining import remaining

_APART = 0.05
"""Seconds between two looks at many zombies: whoever reaps does so as soon as SIGCHLD wakes it."""


@dataclass(frozen=True)
class Scan:
    """The result of `scan`; iterating yields its rows, one per namespace, in the order of the tree."""

    rows: tuple[ScanRow, ...]
    survey: Survey
    """All namespaces that were found, and the number of processes that could not be read."""
    containers: tuple[Container, ...] = ()
    """The containers of all namespaces that were found, whatever was asked for."""

    def __iter__(self) -> Iterator[ScanRow]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)


def scan(
    stop_signal: int | str | None = None,
    *,
    ns: int | str | Iterable[int | str] = (),
    container: str | Iterable[str] = (),
    pod: str | Iterable[str] = (),
    root: str = "/proc",
) -> Scan:
    """Predict what the init of each PID namespace would do with its stop signal. No signal is sent.

    stop_signal: a number or a name; by default that of each container, or SIGTERM.
    ns: only these namespaces: inodes, or text as `--ns` takes it.
    container, pod: only the namespaces of these containers, by name, label, pattern or beginning of the ID, and of
        these pods, by NAMESPACE/NAME or pattern.

    Each row has a `verdict` ("stops at once", "waits for KILL", "can't be told", or "" if there is nothing to stop)
    and the reason, `why`. A namespace that ends meanwhile is left out. Raises BadInput if there is no such signal,
    container or namespace, or no /proc.

        for row in sigtrace.scan(pod="shop/*"):
            print(row.container and row.container.label, row.verdict, row.why)
    """
    chosen = None if stop_signal is None else signals.parse(str(stop_signal))
    only = {each if isinstance(each, int) else pidns.parse_ns(each, root) for each in several(ns)}
    wanted = ContainerSelector(several(container), several(pod))
    seen, now = survey(root), process.seconds_since_boot(root)
    mounted, homes = process.freezing_mounts(root), NamespaceContainers(seen, root)
    containers = tuple(filter(None, map(homes.of, seen.namespaces)))
    if not wanted.empty:
        wanted = wanted.checked(containers)
    rows = []
    for namespace in seen.namespaces:
        by_name = not (only and wanted.empty) and wanted.matches(homes.of(namespace))
        if not (by_name or namespace.nsid in only):
            continue
        if namespace.init_pid is None:
            rows.append(without_init(namespace))
            continue
        request = stop_request(homes.of(namespace), homes.nested(namespace), chosen)
        try:
            init = _read(namespace, request.signal, seen, root, mounted)
            # The survey and this read are not atomic: the PID may have been reused in between.
            if init.target.start_ticks == namespace.ns_start:
                rows.append(row(namespace, init, request, now))
        except BadInput:  # the init has exited since the survey
            continue
        except Exception as err:  # whatever one namespace's processes make of it, the others have their rows
            rows.append(untold(namespace, request, err))
    return Scan(tuple(rows), seen, containers)


def _unreaped(pid: int, seen: Survey, root: str) -> int:
    """Return how many children of a process were zombies in the survey and still are, a little later."""
    dead = seen.zombies.get(pid, ())
    if len(dead) >= MANY_ZOMBIES:
        time.sleep(_APART)
    return sum(_is_zombie(child, start, root) for child, start in dead)


def _is_zombie(pid: int, start_ticks: int, root: str) -> bool:
    try:
        stat = process.read_stat(pid, root)
    except OSError:
        return False
    return stat.state == "Z" and stat.start_ticks == start_ticks


def _read(
    namespace: PidNamespace, signal: int, seen: Survey, root: str, mounted: tuple[freezer.Hierarchy, ...]
) -> Init:
    """Read the init of a namespace, and those to which it passes the signal. Raises BadInput."""
    assert namespace.init_pid is not None
    target = targets.read_target(namespace.init_pid, root, mounted)
    left = remaining(seen, namespace.nsid, root) if target.lingering else ()
    prediction = predict(target, signal, relation_to(target))
    step = follow(target, signal, prediction, targets.read_cmdline(target, root), root)
    return Init(target, left, step, _unreaped(target.pid, seen, root))
