"""A case: all that is known of one PID namespace, as every check gets it.

`batch` has the records of the namespace and of those below it in the order of kernel time, and nothing of what happened
before it was born; `events` the few of them that tell the story; `sights` the snapshots; `attempts` those to stop it,
cut from the whole batch by `sigtrace.stops.attempt`. Times are ns UTC.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from sigtrace.events.batch import Batch
from sigtrace.events.columns import flag
from sigtrace.events.container import Container
from sigtrace.events.nskey import NsKey
from sigtrace.postmortem.event import Event, telling, totals
from sigtrace.postmortem.life import at_home, life, resident
from sigtrace.postmortem.snapshot import Sight, sights
from sigtrace.postmortem.stop import Stop, stop_of
from sigtrace.signals import CONT, KILL, STOP
from sigtrace.stops.attempt import Attempt, attempts
from sigtrace.stops.request import asking, failed_starts, own_stop_signals
from sigtrace.units import SECOND

PATIENCE = 10 * SECOND
"""How long a program that was asked to end may take before it counts as slow: the default of `docker stop`."""
SETTLED = SECOND // 5
"""How long after an exit what is left is a survivor, and no longer somebody who is just dying."""


@dataclass(frozen=True)
class Scene:
    """What is known of how the events were recorded. Times are ns UTC."""

    since: int = 0
    """From when on; 0 = there are none."""
    until: int = 0
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

    key: NsKey
    """Which; its start is 0 where no record and nobody else told it."""
    batch: Batch
    attempts: tuple[Attempt, ...]
    """Those to stop it, in order; their rows are those of the batch."""
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
        snapshots: Iterable[Mapping[str, object]] = (),
        *,
        ns: int | NsKey,
        scene: Scene | None = None,
        container: Container | None = None,
    ) -> Case:
        """The case of a namespace, from its records (and of those below it) in order, and rows of snapshots.

        ns: the namespace, or an inode: of several that had it one after the other the last in the batch. What the
        batch has of others than it and those born inside it is left out. Its container, unless given, is the one that
        the batch knows.
        """
        scene = scene or Scene.of(batch)
        batch, key = life(batch, NsKey(ns, 0) if isinstance(ns, int) else ns)
        container = container or resident(batch, key)
        batch = at_home(batch, key, container)
        taken = tuple(
            s for s in sights(snapshots, key.inode) if not key.start or s.space.ns_start in (0, key.start)
        )
        asks = asking(batch, own_stop_signals(batch))
        its = sorted((a for a in attempts(batch, asks) if a.key == key), key=lambda each: int(each.rows[0]))
        marks = {row for a in its for row in (int(a.rows[0]), a.first, a.kill, a.exit) if row is not None}
        always = np.array(sorted(marks.union(failed_starts(batch))), np.intp)
        return cls(
            key,
            batch,
            tuple(its),
            tuple(telling(batch, key.inode, asks, always)),
            taken,
            scene.since,
            max([scene.until, *(sight.time for sight in taken)]),
            scene.live,
            scene.has_members,
            totals(batch, key.inode),
            container,
        )

    @property
    def nsid(self) -> int:
        """Inode of the namespace."""
        return self.key.inode

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
    def stops(self) -> tuple[Stop, ...]:
        """The attempts to stop it, in order, with their events."""
        by_row = {event.number: event for event in self.events}
        return tuple(stop_of(attempt, by_row) for attempt in self.attempts)

    @cached_property
    def failed_start(self) -> Event | None:
        """The SIGKILL by which its runtime ended the init before it ran anything, which is no request."""
        rows = failed_starts(self.batch)
        its = (e for e in self.to_init if e.number in rows)
        return next((e for e in its if e.verdict == "queued" and e.relation != "kernel"), None)

    @property
    def ended_by_kernel(self) -> Event | None:
        """The kernel's own SIGKILL to an init that nobody had asked to end."""
        if self.attempts:
            return None
        kills = (e for e in self.to_init if e.signal == KILL and e.stage == "generate")
        return next((e for e in kills if e.relation == "kernel" and e.verdict == "queued"), None)

    @property
    def exit(self) -> Event | None:
        """The end of the init."""
        return next((event for event in self.to_init if event.stage == "exit"), None)

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

    def stop_of(self, event: Event) -> Stop | None:
        """The attempt an event of the init belongs to: from the first request to the exit, or to the next attempt."""
        if not event.is_init or event.nsid != self.nsid:
            return None
        where = bisect.bisect_right(self.attempts, event.number, key=lambda each: int(each.rows[0])) - 1
        if where < 0:
            return None
        end = self.attempts[where].exit
        return self.stops[where] if end is None or event.number <= end else None

    @cached_property
    def _deliveries(self) -> dict[int, list[Event]]:
        by_signal: dict[int, list[Event]] = {}
        for event in self.to_init:
            if event.stage == "deliver":
                by_signal.setdefault(event.signal, []).append(event)
        return by_signal

    def outlasted(self, event: Event) -> bool:
        """Whether the init did not end of itself after this event: SIGKILL came, or it lived on for long."""
        stop = self.stop_of(event)
        if stop is None:
            return False
        if stop.cut_off:
            return stop.cut_off.time > event.time
        # What the kernel kills might have ended a moment later.
        lived = stop.kill.time if stop.kill else None if stop.exit else self.until
        return lived is not None and lived - event.time >= PATIENCE

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


def stops(case: Case) -> list[Stop]:
    """The attempts to stop the namespace's init, in order, each with who made it.

    What asks, and what does not, says `sigtrace.stops.request`; what an attempt is `sigtrace.stops.attempt`.
    """
    return list(case.stops)


def last_stop(case: Case) -> Stop | None:
    """The last of them."""
    return next(reversed(case.stops), None)
