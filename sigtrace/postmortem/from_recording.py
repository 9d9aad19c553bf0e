"""Cases of a recording: of some namespaces, of a container, or of all there are."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from sigtrace.containers.of_namespace import SANDBOX
from sigtrace.containers.selector import ContainerSelector
from sigtrace.errors import BadInput
from sigtrace.events.batch import Batch
from sigtrace.events.container import Container
from sigtrace.events.nskey import HostNs, NsKey, among
from sigtrace.postmortem.case import Case, Scene
from sigtrace.recording.namespaces import Namespaces, RecordedNs
from sigtrace.recording.selection import Selection
from sigtrace.text import printable

if TYPE_CHECKING:
    import pandas as pd

    from sigtrace.recording.reader import Recording

_Row = Mapping[str, Any]


def recorded(recording: Recording, chosen: Collection[RecordedNs], at: int | None = None) -> list[Case]:
    """The cases of these namespaces, each with what happened in those below it.

    at: only what was recorded until then (ns UTC). Raises BadInput when nothing was.
    """
    spaces, cases = recording.spaces, []
    for boot, batch, scene, rows in _boots(recording, Selection(until=_end(at))):
        its = _by_namespace(boot, rows, spaces)
        for each in (each for each in chosen if each.boot == boot):
            keys = [each.key, *(home.key for home in spaces.below([each.home]))]
            part = batch[among(batch.records["nsid"], batch.records["ns_start"], keys)]
            cases.append(Case.from_batch(part, its.get(each.home, ()), ns=each.key, scene=scene))
    if not cases:
        inodes = ", ".join(dict.fromkeys(str(each.nsid) for each in chosen))
        raise BadInput(f"nothing had been recorded of PID namespace {inodes} by then.")
    return cases


def all_recorded(
    recording: Recording, selection: Selection | None = None, only: Collection[HostNs] | None = None
) -> Iterator[Case]:
    """A case for every namespace with events, on its own: without those below it.

    selection: of which part of the recording; its signals and verdicts are not looked at. only: of these namespaces.
    """
    spaces = recording.spaces
    chosen = replace(selection or Selection(), signal=(), verdict=())
    where = recording.filter(chosen)
    for boot, batch, scene, rows in _boots(
        recording, replace(chosen, ns=(), container=(), pod=(), descendants=False)
    ):
        its = _by_namespace(boot, rows, spaces)
        r = batch.records
        inside = np.flatnonzero((r["ns_level"] > 0) & (r["ns_start"] > 0))
        keys, which = NsKey.from_records(r["nsid"][inside], r["ns_start"][inside])
        order = np.argsort(which, kind="stable")
        ends = np.cumsum(np.bincount(which, minlength=len(keys)))
        parts = np.split(inside[order], ends[:-1]) if keys else []
        for key, its_rows in sorted(zip(keys, parts, strict=True), key=lambda each: each[0]):
            home = HostNs(*boot, key)
            if (only is None or home in only) and (not where.by_namespace or where.takes(home)):
                yield Case.from_batch(batch[its_rows], its.get(home, ()), ns=key, scene=scene)


@dataclass(frozen=True)
class Lives:
    """The recorded namespaces of one container, which has one each time it runs."""

    container: Container
    namespaces: tuple[RecordedNs, ...]
    """In the order of time; those made inside the container are left out."""


def lives(recording: Recording, wanted: ContainerSelector, at: int | None = None) -> list[Lives]:
    """The containers that are wanted, each with its namespaces (that were there by `at`, ns UTC).

    A pod's sandbox is left out where the pod has others. Raises BadInput for words that mean nothing there, or several
    things.
    """
    sure = wanted.checked(recording.spaces.containers.values(), "in the recording")
    found: dict[tuple[str, ...], list[tuple[RecordedNs, Container]]] = {}
    for each in recording.spaces:
        container = each.container
        if container and sure.matches(container) and (at is None or each.born <= at):
            name = container.label if container.name else container.id
            found.setdefault((each.home.host, container.runtime, name), []).append((each, container))
    if not found:
        raise BadInput(f"nothing of {' '.join(map(printable, wanted.words))} had been started by then.")
    every = [_outermost(each) for each in found.values()]
    return [each for each in every if sure.containers or each.container.name != SANDBOX] or every


def last_of_each_boot(namespaces: Sequence[RecordedNs]) -> list[RecordedNs]:
    """Of namespaces in the order of their births, the last on each host and boot."""
    return list({each.boot: each for each in namespaces}.values())


def _outermost(found: Sequence[tuple[RecordedNs, Container]]) -> Lives:
    """Those namespaces that no other of the same container is above."""
    least: dict[str, int] = {}
    for each, container in found:
        least[container.id] = min(each.level, least.get(container.id, each.level))
    namespaces = tuple(each for each, container in found if each.level == least[container.id])
    return Lives(found[-1][1], namespaces)


def _boots(
    recording: Recording, selection: Selection
) -> Iterator[tuple[tuple[str, str], Batch, Scene, list[_Row]]]:
    """(host, boot_id), its events, how they were recorded, and the rows of its snapshots, for each boot."""
    where = recording.filter(selection)
    frame = recording.snapshots()
    frame = frame.assign(time=frame["time"].astype("int64")) if len(frame) else frame
    for boot, batch in recording.boots(selection):
        if not len(batch):
            continue
        its = frame
        if len(frame):
            its = frame[(frame["host"] == boot[0]) & (frame["boot_id"] == boot[1])]
        if where.until is not None and len(its):
            its = its[its["time"] < where.until]
        if where.since is not None and len(its):
            its = its[its["time"] >= where.since]
        yield boot, batch, Scene.of(batch), _dicts(its)


def _by_namespace(
    boot: tuple[str, str], rows: Sequence[_Row], spaces: Namespaces
) -> dict[HostNs, list[_Row]]:
    """Rows of snapshots by the namespace they are of; one whose init was gone is of whoever had the inode then."""
    found: dict[HostNs, list[_Row]] = {}
    for row in rows:
        nsid, ticks = int(row["nsid"]), int(row["ns_start"])
        holder = None if ticks else spaces.holder(boot, nsid, row["time"])
        home = holder.home if holder else HostNs(*boot, NsKey(nsid, ticks))
        found.setdefault(home, []).append(row)
    return found


def _end(at: int | None) -> int | None:
    return None if at is None else at + 1


def _dicts(frame: pd.DataFrame) -> list[_Row]:
    names = [str(name) for name in frame.columns]
    columns = [frame[name].tolist() for name in frame.columns]
    return [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]
