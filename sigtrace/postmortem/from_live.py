"""Live cases: this host's namespaces as they are now, from snapshots of /proc and the signals traced meanwhile."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

import numpy as np

from sigtrace.containers.of_namespace import SANDBOX, NamespaceContainers
from sigtrace.containers.selector import ContainerSelector
from sigtrace.errors import CannotTrace
from sigtrace.events import wire
from sigtrace.events.batch import Batch
from sigtrace.events.container import Container
from sigtrace.events.losses import Losses
from sigtrace.live.collector import Collector
from sigtrace.postmortem.case import Case, Window
from sigtrace.procfs.pidns import PidNamespace, survey
from sigtrace.snapshot import Helper, SnapshotRow


def alive(wanted: ContainerSelector) -> dict[int, Container | None]:
    """Return the namespaces below our own whose containers are wanted (by default all), by inode.

    Namespaces made inside a wanted container are left out, and the sandbox of a pod that has other containers. Raises
    BadInput for words that match no container, or several.
    """
    seen = survey()
    homes = NamespaceContainers(seen)
    below = [(each, _home(homes, each)) for each in seen.namespaces if each.nsid is not None and each.level]
    if wanted.empty:
        return {each.nsid: container for each, container in below if each.nsid is not None}
    sure = wanted.checked(container for _, container in below if container)
    found = {
        each.nsid: container
        for each, container in below
        if each.nsid is not None and container and sure.matches(container) and not homes.nested(each)
    }
    own = {nsid: each for nsid, each in found.items() if each.name != SANDBOX or sure.singles_out(each)}
    return {**(own or found)}


def home_of(nsid: int) -> Container | None:
    """Return the container of a namespace; None if it is not known."""
    seen = survey()
    found = seen.find(nsid)
    return _home(NamespaceContainers(seen), found) if found else None


def _home(homes: NamespaceContainers, namespace: PidNamespace) -> Container | None:
    """Return the container of a namespace, without its stop signal for a namespace nested in the container.

    The runtime sends the configured stop signal to the container's own init only.
    """
    container = homes.of(namespace)
    return replace(container, stop_signal="") if container and homes.nested(namespace) else container


def live(nsid: int, listen: float, container: Container | None = None) -> tuple[Case, str]:
    """Return the case of a namespace now: a snapshot, its signals during `listen` seconds, and another snapshot.

    The second value is a sentence about what could not be read; empty if nothing. Without the privilege to trace, the
    case has only the snapshots.
    """
    problem, since, batch, losses = "", 0, _nothing(), Losses()
    with Helper() as helper:
        helper.start()
        try:
            with Collector(ns=[nsid], descendants=True, scope="all") as collector:
                since, rows = time.time_ns(), _looked(helper, nsid, listen)
                batch = collector.drain()
                losses = collector.losses()
        except CannotTrace as err:
            rows, problem = _looked(helper, nsid, listen), f"no signals were seen: {err}"
    batch = batch[np.argsort(batch.records["time"], kind="stable")]
    window = Window(since, time.time_ns() if since else 0, live=True, has_members=since > 0)
    case = Case.from_batch(batch, rows, ns=nsid, window=window, container=container)
    return replace(case, losses=replace(losses, thinned=case.losses.thinned)), problem or _problems(rows)


def all_live(pause: float, containers: Mapping[int, Container | None]) -> Iterator[Case]:
    """Yield a case for each of these namespaces (of `alive`), from two snapshots taken `pause` seconds apart."""
    rows: dict[int, list[SnapshotRow]] = {}
    with Helper() as helper:
        for again in (False, True):
            for nsid in containers:
                rows.setdefault(nsid, []).extend(helper.take(nsid, "asked", again=again))
            if not again and containers:
                time.sleep(pause)
    for nsid, container in containers.items():
        yield Case.from_batch(_nothing(), rows[nsid], ns=nsid, window=Window(live=True), container=container)


def _looked(helper: Helper, nsid: int, pause: float) -> list[SnapshotRow]:
    """Take two snapshots, `pause` seconds apart, and return their rows."""
    rows = helper.take(nsid, "asked")
    time.sleep(pause)
    return rows + helper.take(nsid, "asked", again=True)


def _problems(rows: Iterable[SnapshotRow]) -> str:
    return next((str(row["problem"]) for row in rows if row["problem"]), "")


def _nothing() -> Batch:
    """Return an empty batch."""
    return Batch(np.zeros(0, wire.EVENT.dtype()), 0)
