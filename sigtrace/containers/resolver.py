"""Whose each PID namespace is: found out by a thread of its own, when a namespace's init is born or first seen.

What was found out stays known when the container is gone. The hot path asks `of`, which only looks a key up.
"""

from __future__ import annotations

import contextlib
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
    from sigtrace.events.batch import Batch

_AGAIN = (0.005, 0.02, 0.05, 0.15, 0.4, 1.0, 0.1)
"""Seconds after which one looks again at a young namespace that has no name yet: its runtime is still at work."""
_RAN = len(_AGAIN) - 1
"""All but the last are left out once its init runs the container's own program."""
_YOUNG_SECONDS = 1.0
"""Whose init is no older when a survey sees it may not be where it belongs yet: one looks again."""
_SURVEY_SECONDS = 1.0
"""One pass over /proc at most in this time, for namespaces whose init nobody announced."""
_PATIENCE = 1.0
"""Seconds to wait at the end for a look that is under way."""
_MOST = 1 << 14
_EVERYBODY = NsKey(0, 0)
"""In place of a key: all namespaces there are."""


@dataclass
class _Entry:
    """What is known of one namespace."""

    container: Container | None = None
    above: tuple[NsKey, ...] = ()
    """The namespaces above it."""
    settled: bool = False
    """No more will be found out."""
    waited: bool = False


class _Order(NamedTuple):
    """A look to take."""

    key: NsKey
    pid: int
    """0: not known."""
    tries: int
    surveyed: bool = False


class Names:
    """The containers of PID namespaces. `start` it, or `seed` it by hand; `close` it at the end.

    resolve: what finds a process's container out, without raising or blocking; by default from its runtime's files.
    Raises BadInput when the environment names roots that make no sense.
    """

    def __init__(self, resolve: Callable[[int], Container | None] | None = None) -> None:
        self._resolve = resolve or _from_files()
        self._entries: dict[NsKey, _Entry] = {}
        self._orders: DueQueue[_Order] = DueQueue()
        self._news: list[tuple[NsKey, Container]] = []
        self._change = threading.Condition()
        self._thread: threading.Thread | None = None
        self._surveyed = 0.0
        self._ended = False

    def start(self, seeded: bool = False) -> None:
        """Begin to find out; first, unless `seeded`, about all namespaces there are."""
        if not seeded:
            self._order(_EVERYBODY, 0, 0)
        self._thread = threading.Thread(target=self._run, name="names", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Find out no more. Safe to repeat."""
        with self._change:
            self._ended = True
            self._change.notify_all()
        self._orders.close(discard=True)
        if self._thread is not None:
            self._thread.join(_PATIENCE)

    def seed(self, seen: Survey) -> set[NsKey]:
        """Find out now about all namespaces that a survey saw: which these are."""
        now = clock.kernel_ns()
        looked = set()
        for each in seen.namespaces:
            if each.nsid is not None and each.init_pid is not None and each.ns_start is not None:
                key = NsKey.from_proc(each.nsid, each.ns_start)
                young = now - key.start_ns < _YOUNG_SECONDS * SECOND
                self._look(_Order(key, each.init_pid, 0 if young else len(_AGAIN), surveyed=True))
                looked.add(key)
        return looked

    def of(self, key: NsKey) -> Container | None:
        """The container of a namespace, as far as that is known by now; what was never heard of will be looked up."""
        entry = self._entries.get(key)
        if entry is None:
            if key.start and self._thread is not None:
                self._order(key, 0, len(_AGAIN))
            return None
        return entry.container

    def above(self, key: NsKey) -> tuple[NsKey, ...]:
        """The namespaces above one, nearest first, as far as they are known."""
        entry = self._entries.get(key)
        return entry.above if entry else ()

    def settled(self, key: NsKey) -> bool:
        """Whether `of` has said its last word."""
        entry = self._entries.get(key)
        return entry is not None and entry.settled

    def known(self) -> dict[NsKey, Container]:
        """All containers so far."""
        return {key: entry.container for key, entry in list(self._entries.items()) if entry.container}

    def news(self) -> list[tuple[NsKey, Container]]:
        """What was found out since the last call."""
        with self._change:
            news, self._news = self._news, []
        return news

    def observe(self, batch: Batch) -> None:
        """Look at the inits that are born, or run a program, in a batch."""
        records = batch.records
        births = records[records["stage"] >= wire.STAGE["init"]]
        for nsid, start, pid, stage in births[["nsid", "ns_start", "target_pid", "stage"]].tolist():
            key = NsKey.of(nsid, start)
            ran = stage == wire.STAGE["exec"]
            if not self.settled(key):
                self._order(key, pid, _RAN if ran else 0, again=ran)

    def wait(self, keys: Iterable[NsKey], seconds: float) -> None:
        """Wait, for each namespace once, until it is known whose it is; at most so long."""
        until = time.monotonic() + seconds
        with self._change:
            waiting = []
            for key in keys:
                if key == _EVERYBODY:  # a record without a namespace
                    continue
                if key not in self._entries:
                    self._order(key, 0, len(_AGAIN))
                entry = self._entries[key]
                if not entry.settled and not entry.waited:
                    entry.waited = True
                    waiting.append(entry)
            while not all(entry.settled for entry in waiting):
                left = until - time.monotonic()
                if left <= 0 or self._ended:
                    return
                self._change.wait(left)

    def _order(self, key: NsKey, pid: int, tries: int, again: bool = False, delay: float = 0) -> None:
        with self._change:
            if not again and key in self._entries:
                return
            if key != _EVERYBODY:
                self._entries.setdefault(key, _Entry())
            while len(self._entries) > _MOST:
                del self._entries[next(iter(self._entries))]
        self._orders.put(_Order(key, pid, tries), delay)

    def _run(self) -> None:
        """The thread."""
        while (order := self._orders.take()) is not None:
            with contextlib.suppress(Exception):  # a name less is no reason to stop tracing
                self._look(order)

    def _look(self, order: _Order) -> None:
        if order.key == _EVERYBODY:
            self.seed(survey())
            return
        if self.settled(order.key):
            return
        if not order.pid:
            self._find(order.key)
            return
        there = _is_init(order.pid, order.key)
        container = self._resolve(order.pid) if there else None
        if container and not _is_init(order.pid, order.key):
            container = None  # the number became another's meanwhile
        above: tuple[NsKey, ...] = ()
        with contextlib.suppress(OSError):
            above = self._holders(ancestors(f"/proc/{order.pid}/ns/pid")) if there else ()
        # Before its exec it may still be where it was made: in the cgroup of the container around its own.
        moved = order.tries >= _RAN or (order.surveyed and all(self.of(key) != container for key in above))
        named = container is not None and container.name != "" and moved
        final = named or not there or order.tries >= len(_AGAIN)
        self._learn(order.key, container, above, final)
        if not final:
            self._order(order.key, order.pid, order.tries + 1, again=True, delay=_AGAIN[order.tries])

    def _find(self, key: NsKey) -> None:
        """Nobody announced its init: look for it."""
        wait = self._surveyed + _SURVEY_SECONDS - time.monotonic()
        if wait > 0:
            self._order(key, 0, len(_AGAIN), again=True, delay=wait)
            return
        self._surveyed = time.monotonic()
        if key not in self.seed(survey()):
            self._learn(key, None, (), True)

    def _holders(self, inodes: Iterable[int]) -> tuple[NsKey, ...]:
        """The namespaces that have these inodes now: the last that got them."""
        above = list(inodes)
        with self._change:
            last = dict(sorted(key for key in self._entries if key.inode in above))
        return tuple(NsKey(inode, last[inode]) for inode in above if inode in last)

    def _learn(self, key: NsKey, container: Container | None, above: tuple[NsKey, ...], final: bool) -> None:
        with self._change:
            entry = self._entries.setdefault(key, _Entry())
            if container and container != entry.container:
                entry.container = container
                self._news.append((key, container))
            entry.above = above or entry.above
            entry.settled = entry.settled or final
            self._change.notify_all()


def _from_files() -> Callable[[int], Container | None]:
    from sigtrace.containers.paths import Roots

    roots = Roots.from_environment()

    def resolve(pid: int) -> Container | None:
        from sigtrace.containers.lookup import of_process  # takes a while, which nobody has to wait for

        return of_process(pid, roots)

    return resolve


def _is_init(pid: int, key: NsKey) -> bool:
    """Whether the process is the init of this very namespace."""
    try:
        stat = process.read_stat(pid)
    except (OSError, ValueError):
        return False
    return NsKey.from_proc(key.inode, stat.start_ticks) == key
