"""Live cases: this host's namespaces as they are now, from snapshots of /proc and the signals traced meanwhile."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from sigtrace.containers.of_namespace import SANDBOX, NamespaceContainers
from sigtrace.containers.selector import ContainerSelector
from sigtrace.errors import CannotTrace
from sigtrace.events import wire
from sigtrace.events.batch import Batch
from sigtrace.events.container import Container
from sigtrace.events.losses import Losses
from sigtrace.events.nskey import NsKey
from sigtrace.live.collector import Collector
from sigtrace.postmortem.case import Case, Window
from sigtrace.procfs.pidns import PidNamespace, survey
from sigtrace.snapshot import Helper, SnapshotRow


@dataclass(frozen=True)
class Home:
    """A PID namespace of this host. Its inode is another's once it has ended, so its init's start belongs to it."""

    nsid: int
    start: int = 0
    """Start of its init in clock ticks, as /proc shows it; 0: its init is gone."""
    container: Container | None = None

    @property
    def key(self) -> NsKey:
        """Its identity; the start is 0 if its init is gone."""
        return NsKey.from_proc(self.nsid, self.start) if self.start else NsKey(self.nsid, 0)


def alive(wanted: ContainerSelector) -> list[Home]:
    """Return the namespaces below our own whose containers are wanted (by default all).

    Namespaces made inside a wanted container are left out, and the sandbox of a pod that has other containers. Raises
    BadInput for words that match no container, or several.
    """
    seen = survey()
    homes = NamespaceContainers(seen)
    below = [(each, _home(homes, each)) for each in seen.namespaces if each.nsid is not None and each.level]
    if wanted.empty:
        return [home for _, home in below]
    sure = wanted.checked(home.container for _, home in below if home.container)
    found = [
        home
        for each, home in below
        if home.container and sure.matches(home.container) and not homes.nested(each)
    ]
    own = [
        home
        for home in found
        if home.container and (home.container.name != SANDBOX or sure.singles_out(home.container))
    ]
    return own or found


def home_of(nsid: int) -> Home:
    """Return the namespace that has this inode now."""
    seen = survey()
    found = seen.find(nsid)
    return _home(NamespaceContainers(seen), found) if found else Home(nsid)


def _home(homes: NamespaceContainers, namespace: PidNamespace) -> Home:
    """Return a namespace with its container, without its stop signal for a namespace nested in the container.

    The runtime sends the configured stop signal to the container's own init only.
    """
    container = homes.of(namespace)
    if container and homes.nested(namespace):
        container = replace(container, stop_signal="")
    return Home(namespace.nsid or 0, namespace.ns_start or 0, container)


def live(home: Home, listen: float) -> tuple[Case, str]:
    """Return the case of a namespace now: a snapshot, its signals during `listen` seconds, and another snapshot.

    The second value is a sentence about what could not be read; empty if nothing. Without the privilege to trace, the
    case has only the snapshots.
    """
    problem, since, batch, losses = "", 0, _nothing(), Losses()
    with Helper() as helper:
        helper.start()
        try:
            with Collector(ns={home.nsid: home.start}, descendants=True, scope="all") as collector:
                since, rows = time.time_ns(), _looked(helper, home, listen)
                batch = collector.drain()
                losses = collector.losses()
        except CannotTrace as err:
            rows, problem = _looked(helper, home, listen), f"no signals were seen: {err}"
    batch = batch[np.argsort(batch.records["time"], kind="stable")]
    window = Window(since, time.time_ns() if since else 0, live=True, has_members=since > 0)
    case = Case.from_batch(batch, rows, ns=home.key, window=window, container=home.container)
    return replace(case, losses=replace(losses, thinned=case.losses.thinned)), problem or _problems(rows)


def all_live(pause: float, homes: Iterable[Home]) -> Iterator[Case]:
    """Yield a case for each of these namespaces (of `alive`), from two snapshots taken `pause` seconds apart."""
    rows: dict[Home, list[SnapshotRow]] = {home: [] for home in homes}
    with Helper() as helper:
        for again in (False, True):
            for home, own in rows.items():
                own.extend(helper.take(home.nsid, "asked", ns_start=home.key.start, again=again))
            if not again and rows:
                time.sleep(pause)
    for home, own in rows.items():
        window = Window(live=True)
        yield Case.from_batch(_nothing(), own, ns=home.key, window=window, container=home.container)


def examined(key: NsKey, container: Container | None, events: Batch | None, since: int, pause: float) -> Case:
    """Return the case of a namespace now, of its events and of two snapshots taken `pause` seconds apart.

    since: the time from which on the events are complete, ns UTC; 0: they are not.
    """
    batch = _nothing() if events is None else events[np.argsort(events.records["time"], kind="stable")]
    with Helper() as helper:
        rows = helper.take(key.inode, "asked", ns_start=key.start)
        time.sleep(pause)
        rows += helper.take(key.inode, "asked", ns_start=key.start, again=True)
    window = Window(since, time.time_ns() if since else 0, live=True)
    return Case.from_batch(batch, rows, ns=key, window=window, container=container)


def _looked(helper: Helper, home: Home, pause: float) -> list[SnapshotRow]:
    """Take two snapshots, `pause` seconds apart, and return their rows."""
    rows = helper.take(home.nsid, "asked", ns_start=home.key.start)
    time.sleep(pause)
    return rows + helper.take(home.nsid, "asked", ns_start=home.key.start, again=True)


def _problems(rows: Iterable[SnapshotRow]) -> str:
    return next((str(row["problem"]) for row in rows if row["problem"]), "")


def _nothing() -> Batch:
    """Return an empty batch."""
    return Batch(np.zeros(0, wire.EVENT.dtype()), 0)
