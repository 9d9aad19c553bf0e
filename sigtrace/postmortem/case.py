"""A case: all that is known of one PID namespace, as every check gets it.

`batch` has the records of the namespace and of those below it in the order of kernel time; `events` the few of
them that tell the story; `sights` the snapshots. An episode of stopping runs from the first signal that asks
the init to end to its exit. Times are ns UTC.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from sigtrace.clock import TICK_NS
from sigtrace.events.batch import Batch
from sigtrace.events.columns import flag
from sigtrace.events.container import Container
from sigtrace.events.nskey import NsKey
from sigtrace.events.residents import Residents
from sigtrace.postmortem.event import Event, telling, totals
from sigtrace.postmortem.snapshot import Sight, sights
from sigtrace.signals import CONT, KILL, STOP
from sigtrace.stops.attempt import APART_NS
from sigtrace.stops.request import own_stop_signal
from sigtrace.stops.sender import by_its_maker
from sigtrace.units import SECOND

PATIENCE = 10 * SECOND
"""How long a program that was asked to end may take before it counts as slow: the default of `docker stop`."""
SETTLED = SECOND // 5
"""How long after an exit what is left is a survivor, and no longer somebody who is just dying."""


@dataclass(frozen=True)
class Episode:
    """One attempt to stop the namespace."""

    asked: Event | None
    """The first signal that asks the init to end; None when it ended unasked, or at once by SIGKILL."""
    kill: Event | None
    """The first SIGKILL to the init that it obeys."""
    exit: Event | None
    """The end of the init."""
    events: tuple[Event, ...]
    """All signals to the init in the meantime, and its exit."""


@dataclass(frozen=True)
class Scene:
    """What is known of how the events were recorded. Times are ns UTC."""

    since: int = 0
    """From when on; 0 = there are none."""
    until: int = 0
    ns_start: int = 0
    """Which namespace is meant of those that had the inode: start of its init, ns of CLOCK_BOOTTIME; 0 = the last."""
    live: bool = False
    has_members: bool = False

    @classmethod
    def of(cls, batch: Batch) -> Scene:
        """What the batch itself shows."""
        times = batch.time.astype("i8")
        if not len(times):
            return cls()
        members = bool((~flag(batch.records, "init")).any())
        return cls(int(times[0]), int(times[-1]), has_members=members)


@dataclass(frozen=True)
class Case:
    """One namespace. Build it with `from_batch`."""

    nsid: int
    batch: Batch
    events: tuple[Event, ...]
    sights: tuple[Sight, ...]
    since: int
    """From when on events were recorded; 0 = they were not at all."""
    until: int
    """Until when."""
    live: bool = False
    """It is looked at now, and nothing is known of the time before `since`."""
    has_members: bool = False
    """Events of others than inits were recorded too."""
    totals: Mapping[tuple[str, int, str], int] = field(default_factory=dict)
    """How many events of its init there are by stage, signal and verdict: `events` has only some of many alike."""
    container: Container | None = None
    """The container it is of, or inside of; None when that is not known."""

    @classmethod
    def from_batch(
        cls,
        batch: Batch,
        snapshots: Iterable[Mapping[str, Any]] = (),
        *,
        nsid: int,
        scene: Scene | None = None,
        container: Container | None = None,
    ) -> Case:
        """The case of `nsid`, from its records (and of those below it) in order, and rows of snapshots.

        Of several namespaces that had this inode one after the other, `scene` says which; by default the last.
        Its container, unless given, is the one that the batch knows.
        """
        scene = scene or Scene.of(batch)
        batch, start = _one_incarnation(batch, nsid, scene.ns_start)
        ticks = start // TICK_NS
        container = container or _resident(batch, nsid, ticks)
        taken = tuple(s for s in sights(snapshots, nsid) if not ticks or s.space.ns_start in (0, ticks))
        until = max([scene.until, *(sight.time for sight in taken)])
        events = tuple(telling(batch, nsid, own_stop_signal(container)))
        counted = totals(batch, nsid)
        return cls(
            nsid, batch, events, taken, scene.since, until, scene.live, scene.has_members, counted, container
        )

    @property
    def has_events(self) -> bool:
        """Whether signals were recorded at all, for however long."""
        return self.since > 0

    @property
    def host(self) -> str:
        """Where it happened."""
        host = self.batch.host
        return host if isinstance(host, str) else next(iter(host.tolist()), "")

    @cached_property
    def to_init(self) -> tuple[Event, ...]:
        """The events of the namespace's own init."""
        return tuple(event for event in self.events if event.is_init and event.nsid == self.nsid)

    @cached_property
    def to_others(self) -> tuple[Event, ...]:
        """The events of everybody else, in the namespace and below it."""
        return tuple(event for event in self.events if not (event.is_init and event.nsid == self.nsid))

    @cached_property
    def requests(self) -> tuple[Event, ...]:
        """Signals to the init that ask it to end, SIGKILL included."""
        return tuple(event for event in self.to_init if event.asks)

    @cached_property
    def episodes(self) -> tuple[Episode, ...]:
        """The attempts to stop it, in order."""
        return tuple(_episodes(self.to_init))

    @cached_property
    def failed_start(self) -> Event | None:
        """The SIGKILL by which its runtime ended the init before it ran anything, which is no request."""
        killed = (
            e for e in self.to_init if e.signal == KILL and e.stage == "generate" and e.verdict == "queued"
        )
        return next((e for e in killed if not e.asks and e.relation != "kernel" and by_its_maker(e)), None)

    @property
    def exit(self) -> Event | None:
        """The end of the init."""
        return next((event for event in reversed(self.to_init) if event.stage == "exit"), None)

    @property
    def last(self) -> Sight | None:
        """The last snapshot."""
        return self.sights[-1] if self.sights else None

    def count(self, events: Sequence[Event]) -> int:
        """How many there were of these events of the init, those included that `events` leaves out."""
        kinds = {(event.stage, event.signal, event.verdict) for event in events}
        kept = [event for event in self.to_init if (event.stage, event.signal, event.verdict) in kinds]
        everything = sum(self.totals.get(kind, 0) for kind in kinds)
        return everything if len(kept) == len(events) else len(events)

    def sight_after(self, time: int) -> Sight | None:
        """The first snapshot after a moment in which the init lives and is not exiting."""
        return next((s for s in self.sights if s.time >= time and s.init and not s.init.exiting), None)

    def last_sight_after(self, time: int) -> Sight | None:
        """The last such snapshot: by then what was under way at the first is done."""
        return next(
            (s for s in reversed(self.sights) if s.time >= time and s.init and not s.init.exiting), None
        )

    def sight_of_init(self) -> Sight | None:
        """The last snapshot in which the init lives and is not exiting."""
        return next((s for s in reversed(self.sights) if s.init and not s.init.exiting), None)

    def fate_of(self, event: Event) -> Event | None:
        """What the init did with a queued signal: the delivery that follows, None if none does."""
        later = self._deliveries.get(event.signal, ())
        where = bisect.bisect_left(later, event.time, key=lambda each: each.time)
        return later[where] if where < len(later) else None

    def episode_of(self, event: Event) -> Episode | None:
        """The attempt an event belongs to."""
        return self._episode_of.get(event.number)

    @cached_property
    def _deliveries(self) -> dict[int, list[Event]]:
        by_signal: dict[int, list[Event]] = {}
        for event in self.to_init:
            if event.stage == "deliver":
                by_signal.setdefault(event.signal, []).append(event)
        return by_signal

    @cached_property
    def _episode_of(self) -> dict[int, Episode]:
        return {event.number: episode for episode in self.episodes for event in episode.events}

    def outlasted(self, event: Event) -> bool:
        """Whether the init did not end of itself after this event: SIGKILL came, or it lives on for long."""
        episode = self.episode_of(event)
        if episode is None:
            return False
        if episode.kill and episode.kill.time > event.time:
            return True
        return episode.exit is None and self.until - event.time >= PATIENCE

    def stopped_at(self, time: int) -> bool:
        """Whether the init was stopped, by the signals recorded, at that moment."""
        stopped = False
        for event in self.to_init:
            if event.time > time:
                break
            if event.signal == STOP and event.verdict == "default_action":
                stopped = True
            elif event.signal in (CONT, KILL) and event.stage == "generate":
                stopped = False
        return stopped


def _episodes(to_init: Sequence[Event]) -> Iterable[Episode]:
    """Cut the init's events into attempts."""
    current: list[Event] = []
    last_request = 0
    for event in to_init:
        if event.stage in ("init", "exec"):
            continue
        asking = event.asks
        if asking and current and event.time - last_request > APART_NS:
            yield _episode(current)
            current = []
        if asking:
            last_request = event.time
        if asking or current or event.stage == "exit":
            current.append(event)
        if event.stage == "exit":
            yield _episode(current)
            current = []
    if current:
        yield _episode(current)


def _episode(events: Sequence[Event]) -> Episode:
    kills = (e for e in events if e.signal == KILL and e.stage == "generate" and e.verdict == "queued")
    asked = next((e for e in events if e.asks), None)
    kill, exit_ = next(kills, None), next((e for e in events if e.stage == "exit"), None)
    if asked is not None and asked is kill:
        asked = None
    return Episode(asked, kill, exit_, tuple(events))


def _resident(batch: Batch, nsid: int, ticks: int) -> Container | None:
    """The container of the namespace, as far as the batch knows."""
    if batch.known is None:
        return None
    if not isinstance(batch.known, Residents):
        return batch.known(NsKey(nsid, ticks))
    own = np.flatnonzero(batch.records["nsid"] == nsid)
    return batch.known.containers[int(batch.known.codes[own[-1]])] if len(own) else None


def _one_incarnation(batch: Batch, nsid: int, start: int) -> tuple[Batch, int]:
    """The records of one of the namespaces that had the inode, and its start (of its init, CLOCK_BOOTTIME ns)."""
    own = batch.records["nsid"] == nsid
    starts = batch.records["ns_start"]
    there = starts[own & (starts > 0)]
    if not len(there):
        return batch, start
    its = there[there // TICK_NS == start // TICK_NS] if start else there  # what /proc tells is no finer
    if not len(its):
        return batch[:0], start
    start = int(its[-1])
    if (there == start).all():
        return batch, start
    later = there[there > start]
    keep = (starts == start) | ~own
    keep &= (batch.records["time"] >= start) & (
        batch.records["time"] < (later.min() if len(later) else 1 << 63)
    )
    return batch[keep], start
