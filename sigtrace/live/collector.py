"""The collector reads the kernel's records as batches. All live commands use it, and notebooks as a context manager.

with sigtrace.Collector(ns=[4026532249]) as live:
    for batch in live:
        print(batch.to_pandas())
"""

from __future__ import annotations

import os
import select
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Literal, TypedDict

from sigtrace import clock
from sigtrace.arguments import several, spelled_out
from sigtrace.containers.resolver import ContainerResolver
from sigtrace.containers.selector import ContainerSelector
from sigtrace.errors import BadInput, NoSuchContainer
from sigtrace.events import wire
from sigtrace.events.nskey import NsKey
from sigtrace.live.container_filter import ContainerFilter
from sigtrace.live.kernel.filter import KernelFilter
from sigtrace.live.kernel.load import CROWDED, Attachment, rows_of_counts
from sigtrace.live.kernel.wakeup import Wakeups
from sigtrace.procfs.namespaces import survey
from sigtrace.procfs.process import INITIAL_PID_NS, namespace_of

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from typing_extensions import Unpack

    from sigtrace.events.batch import Batch
    from sigtrace.events.counts import Counts
    from sigtrace.events.losses import Losses
    from sigtrace.live.kernel.counts import Tally
    from sigtrace.live.kernel.ring import Ring
    from sigtrace.live.repeats import Repeats

Scope = Literal["drops", "inits", "all"]
Method = Literal["btf", "raw"]
"""A way to attach: BTF tracepoints, or raw ones."""

RING_BYTES = 16 << 20
"""16 MiB hold over 100,000 records: what a storm produces while the reader is not scheduled for a while."""
POLL_SECONDS = 0.010
"""Interval between reads while events flow. Must exceed WAKE_NS: see `submit()` in bpf/sigtrace.bpf.c."""
TIDY_SECONDS = 60.0
"""Interval between checks of the table of counts, which would otherwise fill up with ended namespaces."""
_ROWS_OF_ONE = 32
"""Rows of that table that a namespace is assumed to take at most while it lives for a moment: about 5 in practice."""


class CollectorFilters(TypedDict, total=False):
    """What a collector can be asked for, as keyword arguments; a `Collector` says what each means."""

    ns: int | Iterable[int] | Mapping[int, int]
    container: str | Iterable[str]
    pod: str | Iterable[str]
    wait: bool
    descendants: bool
    signals: int | str | Iterable[int | str]
    scope: Scope
    every_record: bool


@dataclass(frozen=True)
class _Filters:
    """The default of each: everything is followed, and drops are recorded."""

    ns: int | Iterable[int] | Mapping[int, int] = ()
    container: str | Iterable[str] = ()
    pod: str | Iterable[str] = ()
    wait: bool = False
    descendants: bool = False
    signals: int | str | Iterable[int | str] = ()
    scope: Scope = "drops"
    every_record: bool = False


_filtering = spelled_out(CollectorFilters, _Filters)


class Collector:
    """Attached to the kernel between `with` and its end; iterate for batches. One value may stand for several.

    ns: PID namespaces by inode, or a mapping inode -> start of its init in clock ticks (field 22 of
        /proc/PID/stat), which excludes a reused inode; none means all.
    container, pod: containers by name, label, pattern or beginning of the ID, and pods by NAMESPACE/NAME, including
        those that start later. `wait`: it is no error if one has not started yet.
    descendants: include the namespaces below those.
    signals: signals by number or name; none means all. With some, births, execs and exits are left out.
    scope: the records to get: "drops" (init protection at either drop point), "inits" (everything about
        namespace inits, and what they pass on to members of their namespace) or "all". Counts include everything that
        passes the other filters, whatever the scope.
    every_record: by default a kind of event that comes by the thousand is thinned: on each CPU the first of each 10 ms
        have records, the others are only counted, exactly (the column `thinned`). With this, all have records, and a
        flood may fill the ring, which loses records of other namespaces too.
    ring_bytes: size of the ring for records, a power of two. `method`: "btf" or "raw" to force one way to attach.

    `names` returns the container of a namespace; batches contain it too. Raises on entry: CannotTrace if this host
    cannot trace, BadInput for invalid arguments, NoSuchContainer for containers that do not exist (without `wait`).
    """

    @_filtering
    def __init__(
        self,
        *,
        ring_bytes: int = RING_BYTES,
        method: Method | None = None,
        **filters: Unpack[CollectorFilters],
    ) -> None:
        self._filters = _Filters(**filters)
        self.names = ContainerResolver()
        self.on_attached: Callable[[], None] = lambda: None
        """Called when the programs are attached, before any thread is started: what only attaching needs may go."""
        self._container_filter: ContainerFilter | None = None
        self._most_alike = 0
        self._repeats: Repeats | None = None
        self._in_batches = True
        """Whether batches contain births and execs of inits. The kernel always sends these: `names` needs them."""
        self._ring_bytes = ring_bytes
        self._method = method
        self._attachment: Attachment | None = None
        self._wakeups: Wakeups | None = None
        self._ring: Ring | None = None
        self._tally: Tally | None = None
        # A recorder calls `counts` from its writer's thread while the iteration tidies up: two tallies would each
        # move rows of ended namespaces out of the kernel's table, and each lack the other's.
        self._tally_lock = threading.Lock()
        self._tidied = 0.0
        self._births = 0
        """Namespaces that were born since the table of counts was last looked at."""
        self._stopping = False
        self._stop_event = -1
        """An eventfd, so that `stop` ends the reader's sleep and may be called in a signal handler."""
        self._callbacks: dict[int, Callable[[], None]] = {}

    def __enter__(self) -> Collector:
        self._stopping = False
        self._tally = None
        self._tidied, self._births = time.monotonic(), 0
        self.names = ContainerResolver()
        self._callbacks.clear()
        self._attachment = Attachment(self._ring_bytes, self._method)
        self._filter = KernelFilter(self._attachment.maps)
        try:
            self._stop_event = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
            self._wakeups = Wakeups(self._attachment.maps["events"])
            self._wakeups.watch(self._stop_event)
            self._apply(self._filters)
            self._attachment.attach()
            self.on_attached()
            self.names.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, err: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Detach and free everything. The results of `names` stay available. Safe to repeat."""
        self.names.close()
        if self._ring:
            self._ring.close()
            self._ring = None
        if self._wakeups:
            self._wakeups.close()
            self._wakeups = None
        if self._attachment:
            self._attachment.close()
            self._attachment = None
        if self._stop_event >= 0:
            os.close(self._stop_event)
            self._stop_event = -1

    @property
    def notes(self) -> list[str]:
        """Sentences for the user about this attachment, such as that BTF tracepoints were refused."""
        notes = self._attached().notes
        if namespace_of("self") in (None, INITIAL_PID_NS):
            return notes
        return [
            *notes,
            "PIDs are the host's, not those of this PID namespace (in a container: run it with --pid=host)",
        ]

    @property
    def method(self) -> str:
        """The way it is attached: "btf" or "raw"."""
        return self._attached().method

    @_filtering
    def set_filter(self, **filters: Unpack[CollectorFilters]) -> None:
        """Replace the filters, also while running. Arguments and errors are those of the class."""
        self._apply(_Filters(**filters))

    def _apply(self, filters: _Filters) -> None:
        self._attached()
        starts = (
            dict(filters.ns) if isinstance(filters.ns, Mapping) else dict.fromkeys(several(filters.ns), 0)
        )
        numbers = several(filters.signals)
        selector = ContainerSelector(several(filters.container), several(filters.pod))
        container_filter = None
        if not selector.empty:
            self.names.seed(survey())
            try:
                selector = selector.checked(self.names.known().values(), wait=filters.wait)
            except NoSuchContainer as err:
                raise NoSuchContainer(err.sentence, "wait=True") from err
            container_filter = ContainerFilter(
                selector, self.names, _kernel_starts(starts), filters.descendants
            )
        self._filter.replace(
            {} if container_filter else starts,
            filters.descendants,
            numbers,
            filters.scope,
            container_filter is not None,
            filters.every_record,
        )
        self._container_filter = container_filter
        self._in_batches = filters.scope != "drops" and not numbers

    @property
    def container_filter(self) -> ContainerFilter | None:
        """The filter by container; None if no container or pod is selected."""
        return self._container_filter

    def fold(self, most: int) -> None:
        """From now on, show at most about `most` records of a kind in a second: see `Repeats`. Before the iteration."""
        self._most_alike = most

    def on_ready(self, fd: int, callback: Callable[[], None], events: int = select.EPOLLIN) -> None:
        """Call `callback` once, from the iteration, when a descriptor is ready (epoll `events`; 0: hang-up only).

        Raises PermissionError for a descriptor that epoll(7) does not support, such as a regular file's.
        """
        self._attached()
        assert self._wakeups is not None
        self._wakeups.watch(fd, events)
        self._callbacks[fd] = callback

    def stop(self) -> None:
        """End the iteration after the records that are in the ring by then. For signal handlers and other threads."""
        self._stopping = True
        os.eventfd_write(self._stop_event, 1)

    def __iter__(self) -> Iterator[Batch]:
        """Yield batches as they arrive, none of them empty; ends after `stop()`, when the ring is empty.

        It sleeps for long only if the ring is still empty after POLL_SECONDS without a wake-up. By then the last
        wake-up of each CPU is longer ago than WAKE_NS, so the next record wakes the reader.
        """
        ring_fd = self._attached().maps["events"]
        ready: list[int] = []
        while self._ring is None and not self._stopping and ring_fd not in ready:
            self._call_back(ready)
            ready = self._wait(TIDY_SECONDS)  # numpy is not imported before there is something to read
            self._tidy()
        flowing = True
        while True:
            taken = self._take()
            batch = self._filtered(taken)
            if len(batch):
                yield batch
            self._call_back(ready)  # after the batch: the records before the event come first
            if not len(taken) and self._stopping and not self._reader().unread():
                left = self._container_filter.finish(taken) if self._container_filter else taken
                if self._repeats:
                    left = self._repeats.finish(left)
                if len(left):
                    yield left
                return
            if self._stopping:
                self.detach()  # a record that is still being written now is complete at the next read
                continue
            if len(taken):
                time.sleep(
                    POLL_SECONDS
                )  # more will follow: one read of many records is cheaper than many wake-ups
            held = (self._container_filter, self._repeats)
            soon = flowing or any(each is not None and each.holding for each in held)
            ready = self._wait(0 if len(taken) else POLL_SECONDS if soon else TIDY_SECONDS)
            self._tidy()
            flowing = bool(ready) or len(taken) > 0 or self._reader().unread()

    def _wait(self, timeout: float | None) -> list[int]:
        """Wait for a wake-up or another descriptor; returns the descriptors that were ready."""
        assert self._wakeups is not None
        return self._wakeups.wait(timeout)

    def _tidy(self) -> None:
        """Make room in the table of counts: every TIDY_SECONDS, or when births may have filled what is left."""
        if time.monotonic() - self._tidied >= TIDY_SECONDS:
            self._tidied = time.monotonic()
            if rows_of_counts(self._attached()) > CROWDED:
                self.counts()
        elif self._births and self._births * _ROWS_OF_ONE > self._tallied().room:
            self.counts()

    def _call_back(self, ready: list[int]) -> None:
        """Call back for each of these descriptors, and empty the list: a callback may wait for its descriptor again."""
        while ready:
            if callback := self._callbacks.pop(ready.pop(), None):
                callback()

    def detach(self) -> None:
        """Stop recording now. The ring and the counts can still be read."""
        self._attached().detach()

    def drain(self, timeout: float = 0.0) -> Batch:
        """Return all records in the ring as one batch, which may be empty; waits up to `timeout` s for a first one."""
        deadline = time.monotonic() + timeout
        while True:
            batch = self._filtered(self._take())
            left = deadline - time.monotonic()
            if len(batch) or left <= 0:
                return batch
            self._wait(min(left, POLL_SECONDS))

    def counts(self) -> Counts:
        """Return the kernel's exact counts so far. From any thread.

        Of namespaces that ended long ago, after thousands of others did, there are only sums, with the inode 0.
        """
        from sigtrace.events.counts import Counts

        self._tidied, self._births = time.monotonic(), 0
        rows = self._tallied().read()
        chosen = rows["nsid"] == 0
        chosen[~chosen] = self._selected(rows[~chosen])
        return Counts(rows[chosen])

    def take_counts(self, tidy: bool) -> tuple[Counts, Counts]:
        """Return the counts of namespaces that may live, and the final ones of those found ended since the last call.

        For one caller, who has to keep the latter. tidy: look for ended ones however much room the kernel's table has.
        """
        from sigtrace.events.counts import Counts

        self._tidied, self._births = time.monotonic(), 0
        living, ended = (rows[self._selected(rows)] for rows in self._tallied().take(tidy))
        return Counts(living), Counts(ended)

    def _selected(self, rows: npt.NDArray[np.void]) -> npt.NDArray[np.bool_]:
        """Return which rows of counts pass the filter by container."""
        import numpy as np

        return self._container_filter.selects(rows) if self._container_filter else np.ones(len(rows), bool)

    def losses(self) -> Losses:
        """Return how many records were written and lost so far."""
        from sigtrace.live.kernel.counts import read_losses

        return read_losses(self._attached())

    def _take(self) -> Batch:
        from sigtrace.events.batch import Batch

        batch = Batch(self._reader().take(), clock.boot_to_utc(), known=self.names.of)
        if len(batch):
            self.names.observe(batch)
            self._births += int((batch.records["stage"] == wire.STAGE["init"]).sum())
            self._tidy()
        return batch

    def _filtered(self, batch: Batch) -> Batch:
        """Apply the filters of user space to a batch."""
        if self._container_filter is not None:
            batch = self._container_filter.filter(batch)
            for key in self._container_filter.excluded():
                self._filter.exclude(key)
        if not self._in_batches and len(batch):
            batch = batch[batch.records["stage"] <= wire.STAGE["exit"]]
        if self._most_alike and self._repeats is None:
            from sigtrace.live.repeats import Repeats

            self._repeats = Repeats(self._most_alike)
        return self._repeats.fold(batch) if self._repeats else batch

    def _reader(self) -> Ring:
        """The ring's reader, made on first use: it imports numpy."""
        if self._ring is None:
            from sigtrace.live.kernel.ring import Ring

            attachment = self._attached()
            self._ring = Ring(attachment.maps["events"], attachment.ring_bytes)
        return self._ring

    def _tallied(self) -> Tally:
        """The tally of the counts, made on first use: it imports numpy. One for all threads."""
        with self._tally_lock:
            if self._tally is None:
                from sigtrace.live.kernel.counts import Tally

                self._tally = Tally(self._attached(), _of_ended_namespaces, self._selected)
            return self._tally

    def _attached(self) -> Attachment:
        if self._attachment is None:
            raise BadInput("this Collector is not attached: use it as `with Collector(...) as live:`.")
        return self._attachment


_GONE = NsKey(0, 0)
"""No namespace has this key."""


def _kernel_starts(starts: Mapping[int, int]) -> dict[int, int]:
    """Convert starts of inits from /proc's to the kernel's CLOCK_BOOTTIME; both in clock ticks, 0 stays 0."""
    return {inode: NsKey.from_proc(inode, start).start if start else 0 for inode, start in starts.items()}


def _of_ended_namespaces(rows: npt.NDArray[np.void]) -> npt.NDArray[np.bool_]:
    """Return which counts are of ended namespaces: their inode is gone, or their init started at another time.

    rows: dtype COUNT. None are if the survey may have missed namespaces.
    """
    import numpy as np

    before = clock.kernel_ns()
    seen = survey()
    if seen.unreadable or seen.hidden:
        return np.zeros(len(rows), bool)
    alive = {
        each.nsid: None if each.ns_start is None else NsKey.from_proc(each.nsid, each.ns_start)
        for each in seen.namespaces
        if each.nsid is not None
    }
    keys, which = NsKey.from_records(rows["nsid"], rows["ns_start"])
    # A namespace born after `before` may be missing from the survey. One whose init is not visible may be the same.
    ended = [key.start_ns < before and alive.get(key.inode, _GONE) not in (None, key) for key in keys]
    return np.array(ended, bool)[which]
