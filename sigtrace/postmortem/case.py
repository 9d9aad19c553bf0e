"""A case: everything that is known about one PID namespace, in the form that every check takes.

`batch` holds the records of the namespace and of those below it, in the order of kernel time, from its birth on;
`events` is the selection of them that people and checks read; `snapshots` are its snapshots, and `attempts` the
attempts to stop it, which `sigtrace.stops.attempt` derives from the whole batch. Times are ns UTC.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from sigtrace.events.batch import Batch
from sigtrace.events.column_types import flag
from sigtrace.events.container import Container
from sigtrace.events.losses import Losses
from sigtrace.events.nskey import NsKey
from sigtrace.postmortem.event import Event, selected, totals
from sigtrace.postmortem.found import Found, find
from sigtrace.postmortem.life import at_home, life, resident
from sigtrace.postmortem.passing import Passed, passed_on
from sigtrace.postmortem.scope import has_members
from sigtrace.postmortem.snapshot import Snapshot, snapshots_of
from sigtrace.postmortem.stop import Stop, stop_of
from sigtrace.signals import CONT, KILL, STOP
from sigtrace.stops.attempt import Attempt
from sigtrace.units import SECOND

PATIENCE = 10 * SECOND
"""A program that takes longer than this to end counts as slow: the default grace period of `docker stop`."""
SETTLED = SECOND // 5
"""A process that is left this long after its init's exit counts as a survivor.

zap_pid_ns_processes() kills the members when the init exits; most are gone within milliseconds of that.
"""


@dataclass(frozen=True)
class Window:
    """The time in which events were recorded, and which events. Times are ns UTC."""

    since: int = 0
    """Its beginning; 0: no events were recorded."""
    until: int = 0
    """Its end."""
    live: bool = False
    """See `Case.live`."""
    has_members: bool = False
    """See `Case.has_members`."""

    @classmethod
    def of(cls, batch: Batch) -> Window:
        """Return the window from the first to the last record of a batch."""
        times = batch.time.astype("i8")
        if not len(times):
            return cls()
        return cls(int(times[0]), int(times[-1]), has_members=has_members(batch))


@dataclass(frozen=True)
class Case:
    """One namespace. `from_batch` makes it."""

    key: NsKey
    """Its identity; the start is 0 if no record has it and the caller did not give it."""
    batch: Batch
    attempts: tuple[Attempt, ...]
    """The attempts to stop it, in the order of time; their rows index `batch`."""
    events: tuple[Event, ...]
    snapshots: tuple[Snapshot, ...]
    since: int
    """The time from which events were recorded; 0: none were recorded."""
    until: int
    """The time until which events were recorded, or of the last snapshot if that is later."""
    live: bool = False
    """The namespace is examined as it is now; what happened before `since` is unknown."""
    has_members: bool = False
    """Events of processes other than inits were recorded too, not only what inits pass on to them."""
    totals: Mapping[tuple[str, int, str], int] = field(default_factory=dict)
    """The number of events of its init by stage, signal and verdict; `events` leaves out most of many similar ones."""
    container: Container | None = None
    """The container that the namespace belongs to; None if it is not known."""
    failed_starts: tuple[int, ...] = ()
    """Rows of the batch: `request.failed_starts`."""
    passed: tuple[Passed, ...] = ()
    """The processes that the requests were passed on to, in the order of time."""
    subject: Passed | None = None
    """The process that is judged; None: the init. See `sigtrace.postmortem.subject`."""
    settled: frozenset[int] = frozenset()
    """The attempts, by index, whose requests the init passed on to a process that hung: they say nothing about it."""
    losses: Losses = field(default_factory=Losses)
    """What may have been lost in its time, from its birth to its exit."""

    @classmethod
    def from_batch(
        cls,
        batch: Batch,
        snapshots: Iterable[Mapping[str, object]] = (),
        *,
        ns: int | NsKey,
        window: Window | None = None,
        container: Container | None = None,
    ) -> Case:
        """Make the case of a namespace from records in the order of kernel time, and from rows of snapshots.

        ns: the namespace, or its inode; of several namespaces that reused the inode, the last in the batch is meant.
        Records of other namespaces than it and those born inside it are ignored. window: by default that of the
        batch. container: by default the one that the batch has for the namespace.
        """
        window = window or Window.of(batch)
        batch, key = life(batch, NsKey(ns, 0) if isinstance(ns, int) else ns)
        container = container or resident(batch, key)
        return cls.of_found(find(at_home(batch, key, container)), key, container, snapshots, window)

    @classmethod
    def of_found(
        cls,
        found: Found,
        key: NsKey,
        container: Container | None,
        snapshots: Iterable[Mapping[str, object]],
        window: Window,
    ) -> Case:
        """Make the case of the namespace with this key from its records, and from rows of snapshots."""
        batch = found.batch
        taken = tuple(
            s
            for s in snapshots_of(snapshots, key.inode)
            if not key.start or s.space.ns_start in (0, key.start)
        )
        own = sorted((a for a in found.attempts if a.key == key), key=lambda each: int(each.rows[0]))
        # `stops` and `failed_start` look these events up by row, so the selection must not leave them out.
        marks = {row for a in own for row in (int(a.rows[0]), a.first, a.kill, a.exit) if row is not None}
        passed = passed_on(batch, own, found.asks)
        always = np.array(sorted(marks.union(found.failed_starts, *(each.shown for each in passed))), np.intp)
        return cls(
            key,
            batch,
            tuple(own),
            tuple(selected(batch, key.inode, found.asks, always)),
            taken,
            window.since,
            max([window.until, *(snapshot.time for snapshot in taken)]),
            window.live,
            window.has_members,
            totals(batch, key.inode),
            container,
            found.failed_starts,
            passed,
            losses=Losses(thinned=int(batch.records["thinned"][~flag(batch.records, "init")].sum())),
        )

    @property
    def nsid(self) -> int:
        """Inode of the namespace."""
        return self.key.inode

    @property
    def has_events(self) -> bool:
        """Whether signals were recorded, for however short a time."""
        return self.since > 0

    @property
    def host(self) -> str:
        """The name of the machine."""
        host = self.batch.host
        return host if isinstance(host, str) else next(iter(host.tolist()), "")

    @property
    def init_name(self) -> str:
        """The init, `app[4242]`, by the last name of its group leader; empty if nothing is known of it."""
        leader = next((e for e in reversed(self.to_init) if e.target_tid == e.target_pid), None)
        seen = next((s.init for s in reversed(self.snapshots) if s.init), None)
        thread = next(reversed(self.to_init), None)
        return leader.target if leader else seen.name if seen else thread.target if thread else ""

    @cached_property
    def to_init(self) -> tuple[Event, ...]:
        """The events of the namespace's own init."""
        return tuple(event for event in self.events if event.is_init and event.nsid == self.nsid)

    @cached_property
    def to_others(self) -> tuple[Event, ...]:
        """The events of all other processes in the namespace and below it."""
        return tuple(event for event in self.events if not (event.is_init and event.nsid == self.nsid))

    @cached_property
    def to_subject(self) -> tuple[Event, ...]:
        """The events of the process that is judged."""
        if self.subject is None:
            return self.to_init
        pid, start = self.subject.pid, self.subject.start
        starts = self.batch.records["target_start"]
        return tuple(e for e in self.events if e.target_pid == pid and start in (0, starts[e.number]))

    @cached_property
    def requests(self) -> tuple[Event, ...]:
        """The signals that ask the process that is judged to end; of the init, SIGKILL included."""
        if self.subject is not None:
            return tuple(event for event in self.to_subject if event.number in self.subject.rows)
        asked = (event for event in self.to_init if event.asks)
        return tuple(e for e in asked if not self.settled or self.attempt_of(e.number) not in self.settled)

    @cached_property
    def stops(self) -> tuple[Stop, ...]:
        """The attempts to stop it, in the order of time, with their events."""
        return tuple(stop_of(attempt, self._by_row) for attempt in self.attempts)

    def event(self, row: int) -> Event:
        """Return the event of a row of the batch. Raises KeyError for one that `events` leaves out."""
        return self._by_row[row]

    @cached_property
    def _by_row(self) -> dict[int, Event]:
        return {event.number: event for event in self.events}

    @cached_property
    def told(self) -> Stop | None:
        """The attempt that a postmortem is about: the last, whose findings come first; None without an attempt.

        If the last was a SIGKILL at once, it is the one before: an attempt that did not end the init, until somebody
        lost patience more than `attempt.APART_NS` later.
        """
        *before, last = self.stops or (None,)
        return before[-1] if before and last and last.kill is last.first else last

    @cached_property
    def failed_start(self) -> Event | None:
        """The SIGKILL by which the runtime ended an init that had not run a program yet; it is not a stop request."""
        kills = (e for e in self.to_init if e.number in self.failed_starts)
        return next((e for e in kills if e.verdict == "queued" and e.relation != "kernel"), None)

    @property
    def exit(self) -> Event | None:
        """The exit of the init."""
        return next((event for event in self.to_init if event.stage == "exit"), None)

    @property
    def last(self) -> Snapshot | None:
        """The last snapshot."""
        return self.snapshots[-1] if self.snapshots else None

    def count(self, events: Sequence[Event]) -> int:
        """Return how many such events of the init there were, including those that `Case.events` leaves out.

        The totals are by kind: they apply only where `events` has all that were kept of its kinds.
        """
        if self.subject is not None:
            return len(events)
        kinds = {(event.stage, event.signal, event.verdict) for event in events}
        kept = [event for event in self.to_init if (event.stage, event.signal, event.verdict) in kinds]
        everything = sum(self.totals.get(kind, 0) for kind in kinds)
        return everything if len(kept) == len(events) else len(events)

    def snapshot_after(self, time: int) -> Snapshot | None:
        """Return the first snapshot after a time in which the subject is alive and not exiting."""
        return next((s for s in self.snapshots if s.time >= time and _lives(s)), None)

    def last_snapshot_after(self, time: int) -> Snapshot | None:
        """Return the last such snapshot, by which time what the subject was still doing at the first is done."""
        return next((s for s in reversed(self.snapshots) if s.time >= time and _lives(s)), None)

    def snapshot_of_subject(self) -> Snapshot | None:
        """Return the last snapshot in which the subject is alive and not exiting."""
        return next((s for s in reversed(self.snapshots) if _lives(s)), None)

    def fate_of(self, event: Event) -> Event | None:
        """Return the delivery to the subject that follows a queued signal; None if there is none."""
        later = self._deliveries.get(event.signal, ())
        where = bisect.bisect_left(later, event.time, key=lambda each: each.time)
        return later[where] if where < len(later) else None

    def stop_of(self, event: Event) -> Stop | None:
        """Return the attempt that an event belongs to, of the init or of a process that a request was passed on to.

        None outside of any. An attempt lasts from its first request to the exit, or to the next attempt.
        """
        own = event.is_init and event.nsid == self.nsid
        number = self.attempt_of(event.number) if own else self._passed_in.get(event.number)
        return None if number is None else self.stops[number]

    def attempt_of(self, row: int) -> int | None:
        """Return the index of the attempt that a row of the init belongs to; None outside of any."""
        where = bisect.bisect_right(self.attempts, row, key=lambda each: int(each.rows[0])) - 1
        if where < 0:
            return None
        end = self.attempts[where].exit
        return where if end is None or row <= end else None

    @cached_property
    def _passed_in(self) -> dict[int, int]:
        return {row: each.attempt for each in self.passed for row in each.shown}

    @cached_property
    def _deliveries(self) -> dict[int, list[Event]]:
        by_signal: dict[int, list[Event]] = {}
        for event in self.to_subject:
            if event.stage == "deliver":
                by_signal.setdefault(event.signal, []).append(event)
        return by_signal

    def passes_on(self, event: Event) -> bool:
        """Whether the subject passed a request on to another process, in the attempt of an event."""
        stop, own = self.stop_of(event), self.subject
        return any(e.by is own and self.stops[e.attempt] is stop for e in self.passed)

    def kill_after(self, event: Event) -> Event | None:
        """Return the SIGKILL that ended the attempt of an event, or before that the subject alone; None without one."""
        stop = self.stop_of(event)
        ends = [stop.kill] if stop and stop.kill else []
        if self.subject is not None and self.subject.kill is not None:
            ends.append(self.event(self.subject.kill))
        return min(ends, key=lambda each: each.number, default=None)

    def cut_off(self, event: Event) -> Event | None:
        """Return the same SIGKILL; None for the kernel's own."""
        stop, kill = self.stop_of(event), self.kill_after(event)
        return stop.cut_off if stop and kill is stop.kill else kill

    def outlasted(self, event: Event) -> bool:
        """Whether the subject did not end by itself after this event.

        SIGKILL came, or it ran on for PATIENCE or more.
        """
        stop, kill, cut_off = self.stop_of(event), self.kill_after(event), self.cut_off(event)
        if stop is None:
            return False
        if cut_off:
            return cut_off.time > event.time
        # A process that the kernel killed might have ended by itself a moment later: only the time it had counts.
        lived = kill.time if kill else None if stop.exit else self.until
        return lived is not None and lived - event.time >= PATIENCE

    def stopped_at(self, time: int) -> bool:
        """Whether the subject was in state T at that time, judging by the recorded signals."""
        stopped = False
        for event in self.to_subject:
            if event.time > time:
                break
            if event.signal == STOP and event.verdict == "default_action":
                stopped = True
            # prepare_signal() resumes the target as SIGCONT is sent, whatever becomes of the signal itself.
            # complete_signal() does so for a SIGKILL that is queued.
            elif event.stage == "generate" and (
                event.signal == CONT or (event.signal == KILL and event.verdict == "queued")
            ):
                stopped = False
        return stopped


def _lives(snapshot: Snapshot) -> bool:
    return snapshot.subject is not None and not snapshot.subject.exiting


def stops(case: Case) -> list[Stop]:
    """Return the attempts to stop the namespace's init, in the order of time, each with its sender.

    `sigtrace.stops.request` defines which signals are stop requests, `sigtrace.stops.attempt` what an attempt is.
    """
    return list(case.stops)


def last_stop(case: Case) -> Stop | None:
    """Return the last attempt; None if there is none."""
    return next(reversed(case.stops), None)
