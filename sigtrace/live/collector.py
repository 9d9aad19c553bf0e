"""The collector: kernel -> batches. Used by every live command, and by notebooks as a context manager.

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
from types import TracebackType
from typing import TYPE_CHECKING, Literal, TypedDict

from sigtrace import clock
from sigtrace.arguments import several
from sigtrace.containers.resolver import Names
from sigtrace.containers.selector import Wanted
from sigtrace.errors import BadInput
from sigtrace.events import wire
from sigtrace.events.nskey import NsKey
from sigtrace.live.container_filter import Follower
from sigtrace.live.kernel.filter import KernelFilter
from sigtrace.live.kernel.load import CROWDED, Attachment, rows_of_counts
from sigtrace.live.kernel.wakeup import Wakeups
from sigtrace.procfs.namespaces import survey

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from sigtrace.events.batch import Batch
    from sigtrace.events.counts import Counts
    from sigtrace.live.kernel.counts import Losses, Tally
    from sigtrace.live.kernel.ring import Ring

Scope = Literal["drops", "inits", "all"]
Method = Literal["btf", "raw"]
"""A way to attach: BTF tracepoints, or raw ones."""

RING_BYTES = 16 << 20
POLL_SECONDS = 0.010
"""How often the reader looks while events flow. Must exceed WAKE_NS: see `submit()` in bpf/sigtrace.bpf.c."""
_LATER = "; if it has yet to start: --wait (wait=True)"
TIDY_SECONDS = 60.0
"""How often the table of counts is looked at, so that it does not fill up with namespaces that have ended."""


class Filters(TypedDict, total=False):
    """What a collector can be asked for, as keyword arguments; a `Collector` says what each means."""

    ns: int | Iterable[int] | Mapping[int, int]
    container: str | Iterable[str]
    pod: str | Iterable[str]
    wait: bool
    descendants: bool
    signals: int | str | Iterable[int | str]
    scope: Scope


class Collector:
    """Attached to the kernel between `with` and its end; iterate for batches. One value may stand for several.

    ns: PID namespaces by inode, or a mapping inode -> start of its init in clock ticks (field 22 of
        /proc/PID/stat), which keeps a reused inode out; none means all.
    container, pod: containers by name, label, pattern or beginning of the ID, and pods by NAMESPACE/NAME; those
        that start later too. `wait`: one that is not there yet is no mistake.
    descendants: also the namespaces below those.
    signals: signals by number or name; none means all. With some, births, execs and exits are left out.
    scope: which records to get: "drops" (init protection at either drop point), "inits" (all that concerns
        namespace inits) or "all". Counts are of everything that passes the other filters, whatever the scope.
    ring_bytes: room for records, a power of two; `method`: "btf" or "raw" to insist on one way to attach.

    `names` says which container a namespace is of, and batches do. Raises CannotTrace on entry if this host cannot
    trace, BadInput for arguments that make no sense, and containers that are not there.
    """

    def __init__(  # noqa: PLR0913 (all by keyword: what there is to choose)
        self,
        *,
        ns: int | Iterable[int] | Mapping[int, int] = (),
        container: str | Iterable[str] = (),
        pod: str | Iterable[str] = (),
        wait: bool = False,
        descendants: bool = False,
        signals: int | str | Iterable[int | str] = (),
        scope: Scope = "drops",
        ring_bytes: int = RING_BYTES,
        method: Method | None = None,
    ) -> None:
        self._filters: Filters = {
            "ns": ns,
            "container": container,
            "pod": pod,
            "wait": wait,
            "descendants": descendants,
            "signals": signals,
            "scope": scope,
        }
        self.names = Names()
        self._follower: Follower | None = None
        self._in_batches = True
        """Whether births and execs of inits are in the batches; they always come, for the names' sake."""
        self._ring_bytes = ring_bytes
        self._method = method
        self._attachment: Attachment | None = None
        self._wakeups: Wakeups | None = None
        self._ring: Ring | None = None
        self._tally: Tally | None = None
        self._making_tally = threading.Lock()
        self._tidied = 0.0
        self._stopping = False
        self._bell = -1
        self._callbacks: dict[int, Callable[[], None]] = {}

    def __enter__(self) -> Collector:
        self._stopping = False
        self._tally = None
        self._tidied = time.monotonic()
        self.names = Names()
        self._callbacks.clear()
        self._attachment = Attachment(self._ring_bytes, self._method)
        self._filter = KernelFilter(self._attachment.maps)
        try:
            self._bell = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
            self._wakeups = Wakeups(self._attachment.maps["events"])
            self._wakeups.watch(self._bell)
            self.set_filter(**self._filters)
            self._attachment.attach()
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
        """Detach and free everything; `names` keeps what it knows. Safe to repeat."""
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
        if self._bell >= 0:
            os.close(self._bell)
            self._bell = -1

    @property
    def notes(self) -> list[str]:
        """Sentences about this attachment a user may want to hear, such as a cache not used."""
        from sigtrace.procfs.process import INITIAL_PID_NS, namespace_of

        notes = self._attached().notes
        if namespace_of("self") in (None, INITIAL_PID_NS):
            return notes
        return [
            *notes,
            "PIDs are the host's, not those of this PID namespace (in a container: run it with --pid=host)",
        ]

    @property
    def method(self) -> str:
        """How it is attached: "btf" or "raw"."""
        return self._attached().method

    def set_filter(  # noqa: PLR0913
        self,
        *,
        ns: int | Iterable[int] | Mapping[int, int] = (),
        container: str | Iterable[str] = (),
        pod: str | Iterable[str] = (),
        wait: bool = False,
        descendants: bool = False,
        signals: int | str | Iterable[int | str] = (),
        scope: Scope = "drops",
    ) -> None:
        """Replace the filters, also while running; arguments as for the class."""
        self._attached()
        starts = dict(ns) if isinstance(ns, Mapping) else dict.fromkeys(several(ns), 0)
        numbers = several(signals)
        wanted = Wanted(several(container), several(pod))
        follower = None
        if not wanted.empty:
            self.names.seed(survey())
            sure = wanted.checked(self.names.known().values(), wait=wait, later=_LATER)
            follower = Follower(sure, self.names, _of_the_kernel(starts), descendants)
        self._filter.replace({} if follower else starts, descendants, numbers, scope, follower is not None)
        self._follower = follower
        self._in_batches = scope != "drops" and not numbers

    @property
    def followed(self) -> Follower | None:
        """Who decides which containers pass; None unless some were asked for."""
        return self._follower

    def on_ready(self, fd: int, callback: Callable[[], None], events: int = select.EPOLLIN) -> None:
        """Call back, once, from the iteration when a descriptor is ready (epoll `events`; 0: hang-up only).

        Raises PermissionError for a descriptor that is always ready, such as a plain file's.
        """
        self._attached()
        assert self._wakeups is not None
        self._wakeups.watch(fd, events)
        self._callbacks[fd] = callback

    def stop(self) -> None:
        """End the iteration after what is in the ring by then. For signal handlers and other threads."""
        self._stopping = True
        os.eventfd_write(self._bell, 1)

    def __iter__(self) -> Iterator[Batch]:
        """Batches as they come, none of them empty; ends after `stop()` with the ring drained.

        It blocks for long only after an empty look at the ring that follows POLL_SECONDS without a wake-up:
        then every CPU's last one is longer ago than WAKE_NS, and the next record wakes the reader.
        """
        ring_fd = self._attached().maps["events"]
        ready: list[int] = []
        while self._ring is None and not self._stopping and ring_fd not in ready:
            self._call_back(ready)
            ready = self._wait(TIDY_SECONDS)  # until there is something to read, numpy is not loaded
            self._tidy()
        flowing = True
        while True:
            taken = self._take()
            batch = self._sifted(taken)
            if len(batch):
                yield batch
            self._call_back(ready)  # only now: what led to it comes first
            if not len(taken) and self._stopping and not self._reader().unread():
                if self._follower and len(left := self._follower.finish(taken)):
                    yield left
                return
            if self._stopping:
                self.detach()  # what is still being written at this moment will be whole at the next look
                continue
            if len(taken):
                time.sleep(POLL_SECONDS)  # more is coming: let it, whoever would wake us
            soon = flowing or (self._follower is not None and self._follower.holding)
            ready = self._wait(0 if len(taken) else POLL_SECONDS if soon else TIDY_SECONDS)
            self._tidy()
            flowing = bool(ready) or len(taken) > 0 or self._reader().unread()

    def _wait(self, timeout: float | None) -> list[int]:
        """Wait for a wake-up or another descriptor; those that were ready."""
        assert self._wakeups is not None
        return self._wakeups.wait(timeout)

    def _tidy(self) -> None:
        """Now and then, see that the kernel's table of counts has room."""
        if time.monotonic() - self._tidied < TIDY_SECONDS:
            return
        self._tidied = time.monotonic()
        if rows_of_counts(self._attached()) > CROWDED:
            self.counts()

    def _call_back(self, ready: Iterable[int]) -> None:
        for fd in ready:
            if fd in self._callbacks:
                self._callbacks.pop(fd)()

    def detach(self) -> None:
        """Stop recording now. What is in the ring and the counts can still be read."""
        self._attached().detach()

    def drain(self, timeout: float = 0.0) -> Batch:
        """All that is in the ring now, as one batch, which may be empty; waits up to `timeout` s for a first record."""
        deadline = time.monotonic() + timeout
        while True:
            batch = self._sifted(self._take())
            left = deadline - time.monotonic()
            if len(batch) or left <= 0:
                return batch
            self._wait(min(left, POLL_SECONDS))

    def counts(self) -> Counts:
        """The kernel's exact counts so far."""
        from sigtrace.events.counts import Counts

        self._tidied = time.monotonic()
        rows = self._tallied().read()
        return Counts(rows[self._follower.of_them(rows)] if self._follower else rows)

    def losses(self) -> Losses:
        """What became of the records so far."""
        from sigtrace.live.kernel.counts import read_losses

        return read_losses(self._attached())

    def _take(self) -> Batch:
        from sigtrace.events.batch import Batch

        batch = Batch(self._reader().take(), clock.boot_to_utc(), known=self.names.of)
        if len(batch):
            self.names.observe(batch)
        return batch

    def _sifted(self, batch: Batch) -> Batch:
        """What the filters of user space leave of a batch."""
        if self._follower is not None:
            batch = self._follower.sift(batch)
            for key in self._follower.excluded():
                self._filter.exclude(key)
        if not self._in_batches and len(batch):
            batch = batch[batch.records["stage"] <= wire.STAGE["exit"]]
        return batch

    def _reader(self) -> Ring:
        """The ring's reader, made on first use: it takes numpy."""
        if self._ring is None:
            from sigtrace.live.kernel.ring import Ring

            attachment = self._attached()
            self._ring = Ring(attachment.maps["events"], attachment.ring_bytes)
        return self._ring

    def _tallied(self) -> Tally:
        """The counts' keeper, made on first use: it takes numpy. One for all threads."""
        with self._making_tally:
            if self._tally is None:
                from sigtrace.live.kernel.counts import Tally

                self._tally = Tally(self._attached(), _of_ended_namespaces)
            return self._tally

    def _attached(self) -> Attachment:
        if self._attachment is None:
            raise BadInput("this Collector is not attached: use it as `with Collector(...) as live:`.")
        return self._attachment


_GONE = NsKey(0, 0)
"""No namespace has this key."""


def _of_the_kernel(starts: Mapping[int, int]) -> dict[int, int]:
    """Starts of inits as /proc shows them, in clock ticks, as the kernel has them in CLOCK_BOOTTIME; 0 stays 0."""
    return {inode: NsKey.from_proc(inode, start).start if start else 0 for inode, start in starts.items()}


def _of_ended_namespaces(rows: npt.NDArray[np.void]) -> npt.NDArray[np.bool_]:
    """Which counts are of namespaces that are no more: their inode is gone, or their init started at another time."""
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
    # One born since would not have been seen; of one without an init in sight nothing tells that it is another.
    ended = [key.start_ns < before and alive.get(key.inode, _GONE) not in (None, key) for key in keys]
    return np.array(ended, bool)[which]
