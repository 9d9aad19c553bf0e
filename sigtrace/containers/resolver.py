"""Resolve the container of each PID namespace, in its own thread, when its init is born or first seen.

Results are kept after the container is gone. The reader of events calls `of`, which only looks a key up.

One lock, `_change`, guards the news and changes of entries. It is never held while files are read. Only the queue's
own lock is taken under it; `live.container_filter` calls in with its lock held.
"""

from __future__ import annotations

import contextlib
import functools
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from sigtrace import clock
from sigtrace.due import DueQueue
from sigtrace.events import wire
from sigtrace.events.container import Container
from sigtrace.events.nskey import NsKey
from sigtrace.procfs import process
from sigtrace.procfs.namespaces import Survey, ancestors, survey
from sigtrace.units import SECOND

if TYPE_CHECKING:
    from sigtrace.containers.daemons import Daemons
    from sigtrace.events.batch import Batch

_RETRY_SECONDS = (0.005, 0.02, 0.05, 0.15, 0.4, 1.0, 0.1)
"""Delays before each retry for a young namespace without a name: its runtime is still setting the container up."""
_AFTER_EXEC = len(_RETRY_SECONDS) - 1
"""Number of the one retry that is left once the init has executed the container's program."""
_YOUNG_SECONDS = 1.0
"""An init younger than this may not be in its final cgroup when a survey finds it, so it is looked up again."""
_SURVEY_SECONDS = 1.0
"""Least time between two passes over /proc for namespaces whose init was not announced."""
_CLOSE_SECONDS = 1.0
"""How long `close` waits for a lookup in progress."""
_MOST = 1 << 14
"""Namespaces to remember; further ones displace the oldest, so that memory stays bounded for months."""
_ALL_NAMESPACES = NsKey(0, 0)
"""Stands for a survey of all namespaces in place of one key."""


@dataclass
class _Entry:
    """The state of one namespace."""

    container: Container | None = None
    above: tuple[NsKey, ...] = ()
    """The namespaces above it, nearest first."""
    settled: bool = False
    """The result is final."""
    waited: bool = False
    """`wait` has waited for it once, which is enough: the next batch must not wait again."""


class _Lookup(NamedTuple):
    """A lookup to make."""

    key: NsKey
    pid: int
    """0: not known."""
    tries: int
    surveyed: bool = False


class ContainerResolver:
    """The containers of PID namespaces. Call `start`, or `seed` without a thread; call `close` at the end.

    resolve: returns the container of a PID, without blocking; by default from the runtimes' files. If it raises, this
    one namespace has no name.
    Raises BadInput if $SIGTRACE_ROOTS is invalid.
    """

    def __init__(self, resolve: Callable[[int], Container | None] | None = None) -> None:
        self._resolve = resolve or _from_files()
        self._entries: dict[NsKey, _Entry] = {}
        self._latest: dict[int, int] = {}
        """Of each inode, the start of the namespace in `_entries` that started last."""
        self._queue: DueQueue[_Lookup] = DueQueue()
        self._news: list[tuple[NsKey, Container]] = []
        self._change = threading.Condition()
        self._thread: threading.Thread | None = None
        self._surveyed = 0.0
        self._unannounced: set[NsKey] = set()
        """Those that wait for the next survey."""
        self._ended = False

    def start(self, seeded: bool = False) -> None:
        """Start the thread; unless `seeded`, it resolves all existing namespaces first."""
        if not seeded:
            self._schedule(_ALL_NAMESPACES, 0, 0)
        self._thread = threading.Thread(target=self._run, name="names", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop the thread. Results stay available. Safe to repeat."""
        with self._change:
            self._ended = True
            self._change.notify_all()
        self._queue.close(discard=True)
        if self._thread is not None:
            self._thread.join(_CLOSE_SECONDS)

    def seed(self, seen: Survey) -> set[NsKey]:
        """Resolve all namespaces of a survey in the calling thread; returns their keys."""
        now = clock.kernel_ns()
        keys = set()
        for each in seen.namespaces:
            if each.nsid is not None and each.init_pid is not None and each.ns_start is not None:
                key = NsKey.from_proc(each.nsid, each.ns_start)
                young = now - key.start_ns < _YOUNG_SECONDS * SECOND
                tries = 0 if young else len(_RETRY_SECONDS)
                with contextlib.suppress(Exception):  # the others are to be named all the same
                    self._look_up(_Lookup(key, each.init_pid, tries, surveyed=True))
                keys.add(key)
        return keys

    def of(self, key: NsKey) -> Container | None:
        """Return the container of a namespace as far as known; schedules a lookup of an unknown namespace."""
        # Without the lock: a dict lookup is atomic, and every batch calls this for each of its namespaces.
        entry = self._entries.get(key)
        if entry is None:
            if key.start and self._thread is not None:
                self._schedule(key, 0, len(_RETRY_SECONDS))
            return None
        return entry.container

    def above(self, key: NsKey) -> tuple[NsKey, ...]:
        """Return the namespaces above one, nearest first, as far as known."""
        entry = self._entries.get(key)
        return entry.above if entry else ()

    def settled(self, key: NsKey) -> bool:
        """Return whether the result of `of` is final."""
        entry = self._entries.get(key)
        return entry is not None and entry.settled

    def known(self) -> dict[NsKey, Container]:
        """Return all containers found so far."""
        return {key: entry.container for key, entry in list(self._entries.items()) if entry.container}

    def news(self) -> list[tuple[NsKey, Container]]:
        """Return the containers found since the last call."""
        with self._change:
            news, self._news = self._news, []
        return news

    def observe(self, batch: Batch) -> None:
        """Schedule lookups for the births and execs of inits in a batch."""
        records = batch.records
        births = records[records["stage"] >= wire.STAGE["init"]]
        for nsid, start, pid, stage in births[["nsid", "ns_start", "target_pid", "stage"]].tolist():
            key = NsKey.of(nsid, start)
            executed = stage == wire.STAGE["exec"]
            if not self.settled(key):
                self._schedule(key, pid, _AFTER_EXEC if executed else 0, again=executed)

    def wait(self, keys: Iterable[NsKey], seconds: float) -> None:
        """Wait until these namespaces are settled, at most `seconds`; only once for each namespace."""
        until = time.monotonic() + seconds
        with self._change:
            waiting = []
            for key in keys:
                if key == _ALL_NAMESPACES:  # a record without a namespace
                    continue
                if key not in self._entries:
                    self._schedule(key, 0, len(_RETRY_SECONDS))
                entry = self._entries[key]
                if not entry.settled and not entry.waited:
                    entry.waited = True
                    waiting.append(entry)
            while not all(entry.settled for entry in waiting):
                left = until - time.monotonic()
                if left <= 0 or self._ended:
                    return
                self._change.wait(left)

    def _schedule(self, key: NsKey, pid: int, tries: int, again: bool = False, delay: float = 0) -> None:
        with self._change:
            if not again and key in self._entries:
                return
            if key != _ALL_NAMESPACES:
                self._entry(key)
        self._queue.put(_Lookup(key, pid, tries), delay)

    def _run(self) -> None:
        """The thread's main function."""
        while (lookup := self._queue.take()) is not None:
            with contextlib.suppress(Exception):  # tracing must go on without the name
                self._look_up(lookup)

    def _look_up(self, lookup: _Lookup) -> None:
        if lookup.key == _ALL_NAMESPACES:
            self.seed(survey())
            return
        if self.settled(lookup.key):
            return
        if not lookup.pid:
            self._look_up_by_survey(lookup.key)
            return
        alive = is_init(lookup.pid, lookup.key)
        container = self._resolve(lookup.pid) if alive else None
        if container and not is_init(lookup.pid, lookup.key):
            container = None  # the PID was reused meanwhile, so the container may be another process's
        above: tuple[NsKey, ...] = ()
        with contextlib.suppress(OSError):
            above = self._holders(ancestors(f"/proc/{lookup.pid}/ns/pid")) if alive else ()
        # Before its exec an init may still be in the cgroup of the process that created it, which may be in an outer
        # container: that name is not final. A container that differs from those above is the init's own.
        moved = lookup.tries >= _AFTER_EXEC or (
            lookup.surveyed and all(self.of(key) != container for key in above)
        )
        named = container is not None and container.name != "" and not container.claims and moved
        final = named or not alive or lookup.tries >= len(_RETRY_SECONDS)
        self._store(lookup.key, container, above, final)
        if not final:
            delay = _RETRY_SECONDS[lookup.tries]
            self._schedule(lookup.key, lookup.pid, lookup.tries + 1, again=True, delay=delay)

    def _look_up_by_survey(self, key: NsKey) -> None:
        """Find the inits of namespaces whose birth was not recorded: one survey is for all that wait for one."""
        self._unannounced.add(key)
        wait = self._surveyed + _SURVEY_SECONDS - time.monotonic()
        if wait > 0:
            self._schedule(key, 0, len(_RETRY_SECONDS), again=True, delay=wait)
            return
        self._surveyed = time.monotonic()
        for gone in self._unannounced - self.seed(survey()):
            self._store(gone, None, (), True)
        self._unannounced.clear()

    def _holders(self, inodes: Iterable[int]) -> tuple[NsKey, ...]:
        """Return the known namespaces that have these inodes now: of each inode, the one that started last."""
        with self._change:
            return tuple(NsKey(inode, self._latest[inode]) for inode in inodes if inode in self._latest)

    def _entry(self, key: NsKey) -> _Entry:
        """Return the entry of a namespace, a new one if need be. Under the lock."""
        entry = self._entries.get(key)
        if entry is None:
            if len(self._entries) >= _MOST:
                oldest = next(iter(self._entries))
                del self._entries[oldest]
                if self._latest.get(oldest.inode) == oldest.start:
                    del self._latest[oldest.inode]
            entry = self._entries[key] = _Entry()
            self._latest[key.inode] = max(key.start, self._latest.get(key.inode, 0))
        return entry

    def _store(self, key: NsKey, container: Container | None, above: tuple[NsKey, ...], final: bool) -> None:
        with self._change:
            entry = self._entry(key)
            if container and container != entry.container:
                entry.container = container
                self._news.append((key, container))
            entry.above = above or entry.above
            entry.settled = entry.settled or final
            self._change.notify_all()


def _from_files() -> Callable[[int], Container | None]:
    from sigtrace.containers.paths import Roots

    roots = Roots.from_environment()

    @functools.cache
    def daemons() -> Daemons:
        from sigtrace.containers.daemons import Daemons

        return Daemons()

    def resolve(pid: int) -> Container | None:
        from sigtrace.containers.lookup import of_process  # slow to import, so only in the resolver's thread

        return of_process(pid, roots, daemons=daemons())

    return resolve


def is_init(pid: int, key: NsKey) -> bool:
    """Return whether the process is the init of this namespace, by its start: the PID may have been reused."""
    try:
        stat = process.read_stat(pid)
    except (OSError, ValueError):
        return False
    return NsKey.from_proc(key.inode, stat.start_ticks) == key
