"""Following containers: which namespaces are theirs, decided as each is first seen, also those that start later.

The kernel lets pass every namespace that was not excluded, so that nothing of a new one is missed while its name is
being found out; what passes is sifted here, and what proved to be somebody else's is excluded in the kernel.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from sigtrace.containers.resolver import Names
from sigtrace.containers.selector import Wanted
from sigtrace.events.container import Container
from sigtrace.events.nskey import NsKey

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from sigtrace.events.batch import Batch

_PATIENCE = 3.0
"""Seconds after which whoever still has no name is nobody's."""
_LAST_WAIT = 0.3
_MOST = 1 << 16
"""Decisions to remember."""
_HELD = 1 << 18
"""Records of undecided namespaces to keep; more would be more than a name is worth, and pass."""

_NO, _YES, _UNDECIDED = 0, 1, 2


class Follower:
    """Lets the records of some containers pass.

    ns: namespaces that pass whosever they are, inode -> start of the init in clock ticks (0: whichever).
    descendants: also what is below a namespace that passes.
    on_found: hears of each container when a namespace of it is first seen.
    The reader of records and whoever asks for counts may be two threads.
    """

    def __init__(self, wanted: Wanted, names: Names, ns: Mapping[int, int], descendants: bool) -> None:
        self.wanted = wanted
        self.on_found: Callable[[Container, int], None] = lambda container, nsid: None
        self._names = names
        self._ns = ns
        self._descendants = descendants
        self._decided: dict[NsKey, bool] = {}
        self._since: dict[NsKey, float] = {}
        self._excluded: list[NsKey] = []
        self._held: list[Batch] = []
        self._ending = False
        self._one_at_a_time = threading.RLock()

    @property
    def holding(self) -> bool:
        """Whether records wait for a decision."""
        return bool(self._held)

    def excluded(self) -> list[NsKey]:
        """The namespaces that proved to be others' since the last call."""
        with self._one_at_a_time:
            excluded, self._excluded = self._excluded, []
        return excluded

    def decide(self) -> None:
        """Decide now about all containers that are known."""
        with self._one_at_a_time:
            for key in self._names.known():
                self._decision(key)

    def sift(self, batch: Batch) -> Batch:
        """The records that are theirs, of this batch and of those held back from earlier ones."""
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
        """What is theirs of all that is still held back, at the end; `nothing`: an empty batch."""
        keys = [key for batch in self._held for key in batch.namespaces()]
        self._names.wait(dict.fromkeys(keys), _LAST_WAIT)
        self._ending = True  # what is not known by now is not waited for: records would be lost
        return self.sift(nothing)

    def of_them(self, records: npt.NDArray[np.void]) -> npt.NDArray[np.bool_]:
        """Which rows, of records or counts, are theirs: shape (n,)."""
        mask: npt.NDArray[np.bool_] = self._verdicts(records) == _YES
        return mask

    def _verdicts(self, records: npt.NDArray[np.void]) -> npt.NDArray[np.int64]:
        import numpy as np

        keys, codes = NsKey.from_records(records["nsid"], records["ns_start"])
        with self._one_at_a_time:
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
        wait = belongs == _UNDECIDED or (not settled and (container is not None or belongs == _NO))
        if wait and not self._ending and time.monotonic() - since <= _PATIENCE:
            return _UNDECIDED
        del self._since[key]
        while len(self._decided) >= _MOST:
            del self._decided[next(iter(self._decided))]  # if it lives on, it is decided again
        self._decided[key] = belongs == _YES
        if belongs != _YES:
            self._excluded.append(key)
        elif container:
            self.on_found(container, key.inode)
        return _YES if belongs == _YES else _NO

    def _belongs(self, key: NsKey, container: Container | None) -> int:
        if self._ns.get(key.inode, -1) in (0, key.start) or self.wanted.matches(container):
            return _YES
        above = self._names.above(key) if self._descendants else ()
        found = [self._decision(each) for each in above]
        return _YES if _YES in found else _UNDECIDED if _UNDECIDED in found else _NO
