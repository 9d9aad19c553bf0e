"""Where cases come from: a recording, or this host as it is now."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from sigtrace import wire
from sigtrace.batch import Batch
from sigtrace.errors import BadInput, CannotTrace
from sigtrace.pidns import PID_MAX_LIMIT, survey
from sigtrace.postmortem.case import Case, Scene
from sigtrace.snapshot import Helper, Row

if TYPE_CHECKING:
    import pandas as pd

    from sigtrace.recording import Recording


def nothing() -> Batch:
    """No events."""
    return Batch(np.zeros(0, wire.EVENT.dtype()), 0)


# A recording -------------------------------------------------------------------------------------------


def recorded(recording: Recording, nsid: int, ns_start: int = 0, at: int | None = None) -> list[Case]:
    """The cases of one namespace: one for each host (and boot) that had it.

    ns_start: of several that had the inode, the one whose init started then (ns of CLOCK_BOOTTIME); 0 = the last.
    at: only what was recorded until then (ns UTC). Raises BadInput when there is none.
    """
    known = recording.namespaces()
    wanted = list({nsid, *_below(known, nsid)})
    cases = []
    for batch, scene, rows in _boots(recording, at):
        part = batch[np.isin(batch.records["nsid"], wanted)]
        its = [row for row in rows if row["nsid"] == nsid]
        there = known[(known["nsid"] == nsid) & (known["host"] == _host(batch))]
        if len(part) or its or len(there):
            one = replace(scene, ns_start=ns_start)
            cases.append(Case.from_batch(part, its, nsid=nsid, scene=one))
    if not cases:
        some = ", ".join(str(inode) for inode in known["nsid"].tolist()[:8])
        raise BadInput(f"the recording knows no PID namespace {nsid}; it has {some or 'none'}.")
    return cases


def all_recorded(recording: Recording, at: int | None = None) -> Iterator[Case]:
    """A case for every namespace with events, on its own: without those below it."""
    for batch, scene, rows in _boots(recording, at):
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
            own = replace(scene, ns_start=ns_start)
            yield Case.from_batch(batch[which], by_nsid.get(nsid, ()), nsid=nsid, scene=own)


def named(recording: Recording, text: str) -> tuple[int, int]:
    """The inode and start that a user means by `4026532249`, `pid:[4026532249]` or the PID of a recorded init.

    The start (ns of CLOCK_BOOTTIME) is 0 for whichever had the inode last.
    """
    word = text.strip().removeprefix("pid:[").removesuffix("]")
    if not (word.isascii() and word.isdigit()):
        raise BadInput(f"{text!r} names no recorded PID namespace: give its inode, or the PID of its init.")
    number = int(word)
    if number > PID_MAX_LIMIT:
        return number, 0
    known = recording.namespaces()
    found = known[known["init_pid"] == number]
    if not len(found):
        raise BadInput(f"no PID namespace of the recording had the init {number}.")
    return int(found["nsid"].iloc[-1]), int(found["ns_start"].iloc[-1])


def namesakes(recording: Recording, nsid: int) -> int:
    """How many namespaces had this inode, one after the other."""
    known = recording.namespaces()
    return int((known["nsid"] == nsid).sum())


def _boots(recording: Recording, at: int | None) -> Iterator[tuple[Batch, Scene, list[dict[str, Any]]]]:
    """The events of each boot of each host, how they were recorded, and the rows of its snapshots."""
    frame = recording.snapshots()
    frame = frame.assign(time=frame["time"].astype("int64")) if len(frame) else frame
    for batch in recording.batches(until=None if at is None else at + 1):
        if not len(batch):
            continue
        its = frame[frame["host"] == _host(batch)] if len(frame) else frame
        if at is not None and len(its):
            its = its[its["time"] <= at]
        yield batch, Scene.of(batch), _dicts(its)


def _dicts(frame: pd.DataFrame) -> list[dict[str, Any]]:
    names = [str(name) for name in frame.columns]
    columns = [frame[name].tolist() for name in frame.columns]
    return [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]


def _host(batch: Batch) -> str:
    return batch.host if isinstance(batch.host, str) else batch.host.tolist()[0]


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


# This host ---------------------------------------------------------------------------------------------


def live(nsid: int, listen: float) -> tuple[Case, str]:
    """The case of a namespace now: a snapshot, `listen` seconds of its signals, and another snapshot.

    Also a sentence about what could not be seen, or an empty text: where this host cannot trace there are only the
    snapshots.
    """
    from sigtrace.collector import Collector

    with Helper() as helper:
        helper.start()
        try:
            with Collector(ns=[nsid], descendants=True, scope="all") as collector:
                since, rows = time.time_ns(), helper.take(nsid, "asked")
                time.sleep(listen)
                rows += helper.take(nsid, "asked", again=True)
                batch = collector.drain()
        except CannotTrace as err:
            rows = helper.take(nsid, "asked")
            time.sleep(listen)
            rows += helper.take(nsid, "asked", again=True)
            return Case.from_batch(
                nothing(), rows, nsid=nsid, scene=Scene(live=True)
            ), f"no signals were seen: {err}"
    batch = batch[np.argsort(batch.records["time"], kind="stable")]
    scene = Scene(since, time.time_ns(), live=True, has_members=True)
    case = Case.from_batch(batch, rows, nsid=nsid, scene=scene)
    return case, _problems(rows)


def all_live(pause: float) -> Iterator[Case]:
    """A case for every namespace below this one, from two snapshots each, `pause` seconds apart."""
    inodes = [each.nsid for each in survey().namespaces if each.nsid is not None and each.level]
    rows: dict[int, list[Row]] = {}
    with Helper() as helper:
        for again in (False, True):
            for nsid in inodes:
                rows.setdefault(nsid, []).extend(helper.take(nsid, "asked", again=again))
            if not again and inodes:
                time.sleep(pause)
    for nsid in inodes:
        yield Case.from_batch(nothing(), rows[nsid], nsid=nsid, scene=Scene(live=True))


def _problems(rows: Iterable[Row]) -> str:
    return next((str(row["problem"]) for row in rows if row["problem"]), "")
