"""Filter records by container, including containers that start later. Each namespace is decided when first seen.

The kernel passes every namespace that is not excluded, so that no record of a new one is missed while its container
is being resolved. The records that pass are filtered here, and namespaces of other containers are then excluded in
the kernel.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from sigtrace.containers.resolver import ContainerResolver
from sigtrace.containers.selector import ContainerSelector
from sigtrace.events.container import Container
from sigtrace.events.nskey import NsKey

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from sigtrace.events.batch import Batch

_RESOLVE_SECONDS = 3.0
"""A namespace without a container after this time belongs to none: more than the resolver's retries take."""
_FINISH_SECONDS = 0.3
"""How long `finish` waits for containers: Ctrl-C must not seem to be ignored."""
_MOST = 1 << 16
"""Decisions to remember; further ones displace the oldest."""
_HELD = 1 << 18
"""Records of undecided namespaces to hold back, about 40 MB; if there are more, they pass undecided."""

_NO, _YES, _UNDECIDED = 0, 1, 2


class ContainerFilter:
    """Passes the records of the selected containers.

    ns: namespaces that always pass, inode -> start of the init in clock ticks (0: any).
    descendants: namespaces below one that passes do so too.
    on_found: called with each container and the inode when a namespace of it is first seen.

    The thread that reads records and the one that reads counts may differ; one lock guards the decisions. The lock of
    `names` is taken under it, never the other way round, and `on_found` runs under it.
    """

    def __init__(
        self, selector: ContainerSelector, names: ContainerResolver, ns: Mapping[int, int], descendants: bool
    ) -> None:
        self.selector = selector
        self.on_found: Callable[[Container, int], None] = lambda container, nsid: None
        self._names = names
        self._ns = ns
        self._descendants = descendants
        self._decided: dict[NsKey, bool] = {}
        self._since: dict[NsKey, float] = {}
        self._excluded: list[NsKey] = []
        self._held: list[Batch] = []
        self._ending = False
        self._lock = threading.RLock()  # re-entrant, because `on_found` may call methods of this object

    @property
    def holding(self) -> bool:
        """Whether records are held back for a decision."""
        return bool(self._held)

    def excluded(self) -> list[NsKey]:
        """Return the namespaces that were excluded since the last call."""
        with self._lock:
            excluded, self._excluded = self._excluded, []
        return excluded

    def decide(self) -> None:
        """Decide about all containers that are known by now."""
        with self._lock:
            for key in self._names.known():
                self._decision(key)

    def filter(self, batch: Batch) -> Batch:
        """Return the records that pass, of this batch and of those held back before."""
        import numpy as np

        from sigtrace.events.batch import join

        whole = join([*self._held, batch])
        self._held = []
        if not len(whole):
            return whole
        verdicts = self._verdicts(whole.records)
        undecided = whole[verdicts == _UNDECIDED]
        if len(undecided) > _HELD:
            return whole[verdicts != _NO]
        if len(undecided):
            self._held = [undecided]
        return whole[np.flatnonzero(verdicts == _YES)]

    def finish(self, nothing: Batch) -> Batch:
        """Return the records that pass of those still held back, at the end; `nothing`: an empty batch."""
        keys = [key for batch in self._held for key in batch.namespaces()]
        self._names.wait(dict.fromkeys(keys), _FINISH_SECONDS)
        self._ending = True  # decide about the rest now: records still held back after this would be lost
        return self.filter(nothing)

    def selects(self, records: npt.NDArray[np.void]) -> npt.NDArray[np.bool_]:
        """Return which rows, of records or counts, pass: shape (n,)."""
        mask: npt.NDArray[np.bool_] = self._verdicts(records) == _YES
        return mask

    def _verdicts(self, records: npt.NDArray[np.void]) -> npt.NDArray[np.int64]:
        import numpy as np

        keys, codes = NsKey.from_records(records["nsid"], records["ns_start"])
        with self._lock:
            decisions = [self._decision(key) for key in keys]
        return np.array(decisions or [_NO])[codes]

    def _decision(self, key: NsKey) -> int:
        decided = self._decided.get(key)
        if decided is not None:
            return _YES if decided else _NO
        container = self._names.of(key)
        since = self._since.setdefault(key, time.monotonic())
        belongs = self._belongs(key, container)
        settled = self._names.settled(key) or not key.start
        # Before the init's exec the container may be the outer one, so a match is not final either until settled.
        wait = belongs == _UNDECIDED or (not settled and (container is not None or belongs == _NO))
        if wait and not self._ending and time.monotonic() - since <= _RESOLVE_SECONDS:
            return _UNDECIDED
        del self._since[key]
        while len(self._decided) >= _MOST:
            del self._decided[next(iter(self._decided))]  # if it still lives, it is decided again
        self._decided[key] = belongs == _YES
        if belongs != _YES:
            self._excluded.append(key)
        elif container:
            self.on_found(container, key.inode)
        return _YES if belongs == _YES else _NO

    def _belongs(self, key: NsKey, container: Container | None) -> int:
        if self._ns.get(key.inode, -1) in (0, key.start) or self.selector.matches(container):
            return _YES
        above = self._names.above(key) if self._descendants else ()
        found = [self._decision(each) for each in above]
        return _YES if _YES in found else _UNDECIDED if _UNDECIDED in found else _NO
