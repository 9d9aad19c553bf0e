"""Cases of a recording: of a namespace, of a container, or of all there are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from sigtrace.clock import TICK_NS
from sigtrace.containers.of_namespace import SANDBOX
from sigtrace.containers.selector import Wanted
from sigtrace.errors import BadInput
from sigtrace.events.batch import Batch
from sigtrace.events.container import Container
from sigtrace.events.nskey import NsKey
from sigtrace.postmortem.case import Case, Scene
from sigtrace.procfs.pidns import PID_MAX_LIMIT
from sigtrace.text import printable

if TYPE_CHECKING:
    import pandas as pd

    from sigtrace.recording import Recording


@dataclass(frozen=True)
class Place:
    """Which recorded namespace is meant. What is empty or 0 is any."""

    nsid: int
    ns_start: int = 0
    """Of several that had the inode, the one whose init started then (ns of CLOCK_BOOTTIME); 0 = the last."""
    boot: tuple[str, str] = ("", "")
    """Host and boot_id."""
    born: int = 0
    """When its init started, ns UTC; 0 = not known."""


def recorded(recording: Recording, place: Place, at: int | None = None) -> list[Case]:
    """The cases of one namespace: one for each host (and boot) that had it.

    at: only what was recorded until then (ns UTC). Raises BadInput when there is none.
    """
    known, nsid = recording.namespaces(), place.nsid
    wanted = list({nsid, *_below(known, nsid)})
    cases = []
    for boot, batch, scene, rows in _boots(recording, at):
        if place.boot not in (("", ""), boot):
            continue
        part = batch[np.isin(batch.records["nsid"], wanted)]
        its = [row for row in rows if row["nsid"] == nsid]
        there = known[(known["nsid"] == nsid) & (known["host"] == boot[0]) & (known["boot_id"] == boot[1])]
        if len(part) or its or len(there):
            one = replace(scene, ns_start=place.ns_start)
            cases.append(Case.from_batch(part, its, nsid=nsid, scene=one))
    if not cases:
        some = ", ".join(str(inode) for inode in known["nsid"].tolist()[:8])
        raise BadInput(f"the recording knows no PID namespace {nsid}; it has {some or 'none'}.")
    return cases


def all_recorded(
    recording: Recording,
    at: int | None = None,
    places: Sequence[Place] | None = None,
    since: int | None = None,
) -> Iterator[Case]:
    """A case for every namespace with events (or for these places), on its own: without those below it.

    since, at: only what was recorded from and until then (ns UTC).
    """
    meant = {(each.boot, each.nsid, each.ns_start // TICK_NS) for each in places or ()}
    for boot, batch, scene, rows in _boots(recording, at, since):
        by_nsid: dict[int, list[dict[str, Any]]] = {}
        for row in rows:
            by_nsid.setdefault(row["nsid"], []).append(row)
        r = batch.records
        inside = np.flatnonzero((r["ns_level"] > 0) & (r["ns_start"] > 0))
        keys = r["nsid"][inside].astype("u8") << 32 ^ r["ns_start"][inside]
        order = inside[np.argsort(keys, kind="stable")]
        _, starts = np.unique(np.sort(keys), return_index=True)
        for which in np.split(order, starts[1:]) if len(order) else ():
            nsid, ns_start = int(r["nsid"][which[0]]), int(r["ns_start"][which[0]])
            if places is None or (boot, nsid, ns_start // TICK_NS) in meant:
                own = replace(scene, ns_start=ns_start)
                yield Case.from_batch(batch[which], by_nsid.get(nsid, ()), nsid=nsid, scene=own)


def named(recording: Recording, text: str) -> Place:
    """The namespace that a user means by `4026532249`, `pid:[4026532249]` or the PID of a recorded init."""
    word = text.strip().removeprefix("pid:[").removesuffix("]")
    if not (word.isascii() and word.isdigit()):
        raise BadInput(f"{text!r} names no recorded PID namespace: give its inode, or the PID of its init.")
    number = int(word)
    if number > PID_MAX_LIMIT:
        return Place(number)
    known = recording.namespaces()
    found = known[known["init_pid"] == number]
    if not len(found):
        raise BadInput(f"no PID namespace of the recording had the init {number}.")
    return Place(int(found["nsid"].iloc[-1]), int(found["ns_start"].iloc[-1]))


def namesakes(recording: Recording, nsid: int) -> tuple[Place, ...]:
    """The namespaces that had this inode, in the order of time."""
    known = recording.namespaces().sort_values("born", kind="stable")
    known = known[known["nsid"] == nsid]
    columns = [known[name].tolist() for name in ("ns_start", "host", "boot_id")]
    rows = zip(*columns, _utc(known["born"]), strict=True)
    return tuple(Place(nsid, start, (host, boot_id), born) for start, host, boot_id, born in rows)


def _utc(moments: pd.Series[Any]) -> list[int]:
    """In ns; 0 where it is not known."""
    known: list[bool] = moments.notna().tolist()
    return [each.value if there else 0 for each, there in zip(moments, known, strict=True)]


@dataclass(frozen=True)
class Lives:
    """The recorded namespaces of one container, which has one each time it runs."""

    container: Container
    places: tuple[Place, ...]
    """In the order of time; those made inside the container are left out."""


def lives(recording: Recording, wanted: Wanted, at: int | None = None) -> list[Lives]:
    """The containers that are wanted, each with its namespaces (that were there by `at`, ns UTC).

    A pod's sandbox is left out where the pod has others. Raises BadInput for words that mean nothing there, or several
    things.
    """
    import pandas as pd

    containers = recording.containers()
    sure = wanted.checked(containers.values(), "in the recording")
    table = recording.namespaces().sort_values("born", kind="stable").fillna({"ns_level": 0})
    if at is not None:
        table = table[~(table["born"] > pd.Timestamp(at, tz="UTC"))]
    columns = [table[name].tolist() for name in ("host", "boot_id", "nsid", "ns_start", "ns_level")]
    found: dict[tuple[str, ...], list[tuple[int, Place, Container]]] = {}
    for host, boot_id, nsid, ns_start, level, born in zip(*columns, _utc(table["born"]), strict=True):
        container = containers.get((host, boot_id, NsKey.of(nsid, ns_start)))
        if container and sure.matches(container):
            place = Place(nsid, ns_start, (host, boot_id), born)
            name = container.label if container.name else container.id
            found.setdefault((host, container.runtime, name), []).append((int(level), place, container))
    if not found:
        raise BadInput(f"nothing of {' '.join(map(printable, wanted.words))} had been started by then.")
    every = [_outermost(each) for each in found.values()]
    return [each for each in every if sure.containers or each.container.name != SANDBOX] or every


def _outermost(found: Sequence[tuple[int, Place, Container]]) -> Lives:
    """Those namespaces that no other of the same container is above."""
    least: dict[str, int] = {}
    for level, _, container in found:
        least[container.id] = min(level, least.get(container.id, level))
    places = tuple(place for level, place, container in found if level == least[container.id])
    return Lives(found[-1][2], places)


def _boots(
    recording: Recording, at: int | None, since: int | None = None
) -> Iterator[tuple[tuple[str, str], Batch, Scene, list[dict[str, Any]]]]:
    """(host, boot_id), its events, how they were recorded, and the rows of its snapshots, for each boot."""
    frame = recording.snapshots()
    frame = frame.assign(time=frame["time"].astype("int64")) if len(frame) else frame
    for boot, batch in recording.boots(since=since, until=None if at is None else at + 1):
        if not len(batch):
            continue
        its = frame
        if len(frame):
            its = frame[(frame["host"] == boot[0]) & (frame["boot_id"] == boot[1])]
        if at is not None and len(its):
            its = its[its["time"] <= at]
        if since is not None and len(its):
            its = its[its["time"] >= since]
        yield boot, batch, Scene.of(batch), _dicts(its)


def _dicts(frame: pd.DataFrame) -> list[dict[str, Any]]:
    names = [str(name) for name in frame.columns]
    columns = [frame[name].tolist() for name in frame.columns]
    return [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]


def _below(known: pd.DataFrame, nsid: int) -> set[int]:
    """The namespaces below one, however deep."""
    parents = known.dropna(subset=["parent_nsid"])
    pairs = list(zip(parents["nsid"].tolist(), parents["parent_nsid"].tolist(), strict=True))
    found: set[int] = set()
    new = {nsid}
    while new:
        new = {int(child) for child, parent in pairs if parent in new} - found
        found |= new
    return found
