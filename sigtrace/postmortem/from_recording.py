"""Cases from a recording: of some namespaces, of one container, or of all."""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from sigtrace.clock import TICK_NS
from sigtrace.containers.of_namespace import SANDBOX
from sigtrace.containers.selector import ContainerSelector
from sigtrace.errors import BadInput
from sigtrace.events.batch import Batch
from sigtrace.events.container import Container
from sigtrace.events.losses import Losses
from sigtrace.events.nskey import HostNs, NsKey, among
from sigtrace.postmortem.case import Case, Window
from sigtrace.postmortem.found import by_namespace, find
from sigtrace.postmortem.life import resident
from sigtrace.recording.namespaces import Namespaces, RecordedNs
from sigtrace.recording.selection import Selection
from sigtrace.text import printable

if TYPE_CHECKING:
    import pandas as pd

    from sigtrace.recording.reader import Recording

_Row = Mapping[str, Any]
_Lost = Callable[[int | None, int | None, tuple[str, str] | None], Losses]


def recorded(recording: Recording, chosen: Collection[RecordedNs], at: int | None = None) -> list[Case]:
    """Return the cases of these namespaces, each with the events of the namespaces below it.

    at: use only what was recorded until this time (ns UTC). Raises BadInput if nothing was.
    """
    spaces, cases, lost = recording.spaces, [], _lost(recording)
    counts = functools.cache(recording.counts)
    for boot, batch, window, rows in _boots(recording, Selection(until=_end(at))):
        snapshots = _by_namespace(boot, rows, spaces)
        for each in (each for each in chosen if each.boot == boot and (at is None or each.born <= at)):
            keys = [each.key, *(home.key for home in spaces.below([each.home]))]
            part = batch[among(batch.records["nsid"], batch.records["ns_start"], keys)]
            case = Case.from_batch(part, snapshots.get(each.home, ()), ns=each.key, window=window)
            case = _with_totals(case, counts, boot) if at is None else case
            cases.append(_with_losses(case, lost, boot, at) if lost else case)
    if not cases:
        inodes = ", ".join(dict.fromkeys(str(each.nsid) for each in chosen))
        raise BadInput(f"no events of PID namespace {inodes} had been recorded by then.")
    return cases


def all_recorded(
    recording: Recording, selection: Selection | None = None, only: Collection[HostNs] | None = None
) -> Iterator[Case]:
    """Yield a case for each namespace that has events, without the events of the namespaces below it.

    selection: the part of the recording to read; its signals and verdicts are ignored. only: restrict to these.
    """
    spaces = recording.spaces
    chosen = replace(selection or Selection(), signal=(), verdict=())
    where, lost = recording.filter(chosen), _lost(recording)
    counts = functools.cache(recording.counts)
    for boot, batch, window, rows in _boots(
        recording, replace(chosen, ns=(), container=(), pod=(), descendants=False)
    ):
        snapshots = _by_namespace(boot, rows, spaces)
        r = batch.records
        inside = np.flatnonzero((r["ns_level"] > 0) & (r["ns_start"] > 0))
        keys, which = NsKey.from_records(r["nsid"][inside], r["ns_start"][inside])
        homes = [HostNs(*boot, key) for key in keys]
        wanted = [
            (only is None or home in only) and (not where.by_namespace or where.takes(home)) for home in homes
        ]
        chosen_rows = inside[np.array(wanted, bool)[which]]
        for key, part in by_namespace(find(batch[chosen_rows])):
            rows_of = snapshots.get(HostNs(*boot, key), ())
            case = Case.of_found(part, key, resident(part.batch, key), rows_of, window)
            case = case if selection and selection.timed else _with_totals(case, counts, boot)
            yield _with_losses(case, lost, boot, where.until) if lost else case


@dataclass(frozen=True)
class Lives:
    """The recorded namespaces of one container: one for each time it ran."""

    container: Container
    namespaces: tuple[RecordedNs, ...]
    """In the order of time, without namespaces made inside the container."""


def lives(recording: Recording, wanted: ContainerSelector, at: int | None = None) -> list[Lives]:
    """Return the wanted containers, each with its namespaces that were born by `at` (ns UTC).

    The sandbox of a pod that has other containers is left out. Raises BadInput for words that match no container of
    the recording, or several.
    """
    spaces = recording.spaces
    sure = wanted.checked(spaces.containers.values(), "in the recording")
    found: dict[tuple[str, ...], list[tuple[RecordedNs, Container]]] = {}
    for each in spaces:
        container = each.container
        if container and sure.matches(container) and (at is None or each.born <= at):
            name = container.label if container.name else container.id
            found.setdefault((each.home.host, container.runtime, name), []).append((each, container))
    if not found:
        raise BadInput(f"no container of {' '.join(map(printable, wanted.words))} had been started by then.")
    every = [_outermost(each) for each in found.values()]
    return [
        each for each in every if each.container.name != SANDBOX or sure.singles_out(each.container)
    ] or every


def _outermost(found: Sequence[tuple[RecordedNs, Container]]) -> Lives:
    """Return the namespaces that have no other namespace of the same container above them."""
    least: dict[str, int] = {}
    for each, container in found:
        least[container.id] = min(each.level, least.get(container.id, each.level))
    namespaces = tuple(each for each, container in found if each.level == least[container.id])
    return Lives(found[-1][1], namespaces)


def _boots(
    recording: Recording, selection: Selection
) -> Iterator[tuple[tuple[str, str], Batch, Window, list[_Row]]]:
    """Yield (host, boot_id), the events, the window of the recording, and the rows of snapshots of each boot."""
    where = recording.filter(selection)
    frame = recording.snapshots()
    frame = frame.assign(time=frame["time"].astype("int64")) if len(frame) else frame
    for boot, batch in recording.boots(selection):
        if not len(batch):
            continue
        part = frame
        if len(frame):
            part = frame[(frame["host"] == boot[0]) & (frame["boot_id"] == boot[1])]
        if where.until is not None and len(part):
            part = part[part["time"] < where.until]
        if where.since is not None and len(part):
            part = part[part["time"] >= where.since]
        yield boot, batch, Window.of(batch), _dicts(part)


def _lost(recording: Recording) -> _Lost | None:
    """Return what was lost between two times on a boot; None if nothing was at all."""
    return None if recording.losses.complete else recording.losses_by_time()


def _with_totals(case: Case, counts: Callable[[], pd.DataFrame], boot: tuple[str, str]) -> Case:
    """Return the case with the kernel's totals of its init's events, if the records of some were thinned.

    The last of a flood are told by no record that comes after them.
    """
    if not case.batch.records["thinned"].any():
        return case
    table = counts()
    own = (table["host"] == boot[0]) & (table["boot_id"] == boot[1]) & table["is_init"]
    own &= (table["nsid"] == case.nsid) & (table["ns_start"] // TICK_NS == case.key.start)
    sums = table[own].groupby(["stage", "signal", "verdict"], observed=True)["count"].sum()
    found = {key: max(total, int(sums.get(key, 0))) for key, total in case.totals.items()}
    return replace(case, totals=found)


def _with_losses(case: Case, lost: _Lost, boot: tuple[str, str], until: int | None) -> Case:
    """Return the case with what may have been lost between its birth and its exit, or `until` (ns UTC)."""
    offset = int(np.asarray(case.batch.boot_to_utc).flat[0]) if len(case.batch) else 0
    born = case.key.start_ns + offset if case.key.start and offset else case.since
    losses = lost(born, case.exit.time if case.exit else until, boot)
    return replace(case, losses=replace(losses, thinned=case.losses.thinned))


def _by_namespace(
    boot: tuple[str, str], rows: Sequence[_Row], spaces: Namespaces
) -> dict[HostNs, list[_Row]]:
    """Group rows of snapshots by namespace."""
    found: dict[HostNs, list[_Row]] = {}
    for row in rows:
        home = spaces.of_snapshot(boot, int(row["nsid"]), int(row["ns_start"]), row["time"])
        found.setdefault(home, []).append(row)
    return found


def _end(at: int | None) -> int | None:
    return None if at is None else at + 1


def _dicts(frame: pd.DataFrame) -> list[_Row]:
    names = [str(name) for name in frame.columns]
    columns = [frame[name].tolist() for name in frame.columns]
    return [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]
