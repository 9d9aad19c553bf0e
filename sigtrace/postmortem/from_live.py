"""Cases of this host as it is now: snapshots of /proc, and the signals of a moment."""

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
from sigtrace.live.collector import Collector
from sigtrace.postmortem.case import Case, Scene
from sigtrace.procfs.pidns import PidNamespace, survey
from sigtrace.snapshot import Helper, SnapshotRow


def alive(wanted: ContainerSelector) -> dict[int, Container | None]:
    """The namespaces below this one whose containers are wanted (by default all), by inode.

    Those made inside a container that was asked for are left out, and a pod's sandbox where the pod has others.
    Raises BadInput for words that mean nothing here, or several things.
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
    own = {nsid: each for nsid, each in found.items() if sure.containers or each.name != SANDBOX}
    return {**(own or found)}


def home_of(nsid: int) -> Container | None:
    """The container of a namespace, if it is known."""
    seen = survey()
    found = seen.find(nsid)
    return _home(NamespaceContainers(seen), found) if found else None


def _home(homes: NamespaceContainers, namespace: PidNamespace) -> Container | None:
    """The container of a namespace; nobody stops one inside it by the container's own signal."""
    container = homes.of(namespace)
    return replace(container, stop_signal="") if container and homes.nested(namespace) else container


def live(nsid: int, listen: float, container: Container | None = None) -> tuple[Case, str]:
    """The case of a namespace now: a snapshot, `listen` seconds of its signals, and another snapshot.

    Also a sentence about what could not be seen, or an empty text: where this host cannot trace there are only the
    snapshots.
    """
    problem, since, batch = "", 0, _nothing()
    with Helper() as helper:
        helper.start()
        try:
            with Collector(ns=[nsid], descendants=True, scope="all") as collector:
                since, rows = time.time_ns(), _looked(helper, nsid, listen)
                batch = collector.drain()
        except CannotTrace as err:
            rows, problem = _looked(helper, nsid, listen), f"no signals were seen: {err}"
    batch = batch[np.argsort(batch.records["time"], kind="stable")]
    scene = Scene(since, time.time_ns() if since else 0, live=True, has_members=since > 0)
    case = Case.from_batch(batch, rows, ns=nsid, scene=scene, container=container)
    return case, problem or _problems(rows)


def all_live(pause: float, whose: Mapping[int, Container | None]) -> Iterator[Case]:
    """A case for each of these namespaces (of `alive`), from two snapshots each, `pause` seconds apart."""
    rows: dict[int, list[SnapshotRow]] = {}
    with Helper() as helper:
        for again in (False, True):
            for nsid in whose:
                rows.setdefault(nsid, []).extend(helper.take(nsid, "asked", again=again))
            if not again and whose:
                time.sleep(pause)
    for nsid, container in whose.items():
        yield Case.from_batch(_nothing(), rows[nsid], ns=nsid, scene=Scene(live=True), container=container)


def _looked(helper: Helper, nsid: int, pause: float) -> list[SnapshotRow]:
    """Two snapshots, `pause` seconds apart."""
    rows = helper.take(nsid, "asked")
    time.sleep(pause)
    return rows + helper.take(nsid, "asked", again=True)


def _problems(rows: Iterable[SnapshotRow]) -> str:
    return next((str(row["problem"]) for row in rows if row["problem"]), "")


def _nothing() -> Batch:
    """No events."""
    return Batch(np.zeros(0, wire.EVENT.dtype()), 0)
