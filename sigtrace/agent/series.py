"""The counters of containers: bounded in number, exact in sum.

A host starts containers without end, and each would leave its series for ever. So there are at most so many, those of
containers that ended are forgotten after a while, and what has no series is still counted: `rest` has the difference
to what the kernel counted in all, as the overflow attribute of OpenTelemetry does.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator

import numpy as np

from sigtrace.agent.settings import label_column
from sigtrace.events import verdict
from sigtrace.events.column_types import flag
from sigtrace.events.container import COLUMNS, SHORT_ID, Container
from sigtrace.events.counts import Counts
from sigtrace.events.nskey import NsKey
from sigtrace.procfs.process import INITIAL_PID_NS
from sigtrace.text import printable

FATES = ("dropped", "ignored", "coalesced")
"""What became of a signal to an init that is counted by container."""
_LONGEST = 128
"""Characters of a label's value."""
_FATE_OF = np.full(len(verdict.VERDICTS), -1, "i1")
_FATE_OF[[*verdict.DROPPED]] = 0
_FATE_OF[verdict.CODE["ignored"]] = 1
_FATE_OF[verdict.CODE["coalesced"]] = 2

Labels = tuple[str, ...]


class Labelled:
    """What a series says of a container: the values of the labels that were chosen. Their text is untrusted."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self.names = names
        self._places = [list(COLUMNS).index(label_column(name)) for name in names]

    def values(self, container: Container | None) -> Labels:
        """Return the values for a container; all empty for a PID namespace that is none's, or not known."""
        known = list(container.columns) if container else [""] * len(COLUMNS)
        if container and not container.name:
            known[list(COLUMNS).index("container_name")] = container.id[:SHORT_ID]
        return tuple(printable(known[place])[:_LONGEST] for place in self._places)


class Series:
    """Totals by labels, at most so many.

    most: how many. expire: seconds without a living namespace after which a series is forgotten.
    """

    def __init__(self, most: int, expire: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self.expire = expire
        self._clock = clock
        self._totals: dict[Labels, int] = {}
        self._homes: dict[Labels, set[NsKey]] = {}
        self._alive: dict[Labels, float] = {}

    def __len__(self) -> int:
        return len(self._totals)

    def __iter__(self) -> Iterator[tuple[Labels, int]]:
        return iter(list(self._totals.items()))

    def add(self, labels: Labels, key: NsKey, count: int) -> None:
        """Add to a series, if there is one or room for one."""
        if labels not in self._totals:
            if len(self._totals) >= self._most:
                return
            self._totals[labels] = 0
        self._totals[labels] += count
        self._homes.setdefault(labels, set()).add(key)
        self._alive[labels] = self._clock()

    def forget(self, alive: Collection[NsKey]) -> None:
        """Forget the series of which no namespace has been alive for a while."""
        now = self._clock()
        for labels in list(self._totals):
            self._homes[labels] &= set(alive)
            if self._homes[labels]:
                self._alive[labels] = now
            elif now - self._alive[labels] > self.expire:
                del self._totals[labels], self._homes[labels], self._alive[labels]


class SignalSeries:
    """Signals to inits by container, signal and fate, from the kernel's exact counts."""

    def __init__(self, labelled: Labelled, most: int, expire: float) -> None:
        self._labelled = labelled
        self.of = {fate: Series(most, expire) for fate in FATES}
        """Fate -> totals by the container's labels and, last, the signal's number."""
        self.rest = dict.fromkeys(FATES, 0)
        """Fate -> what has no series."""
        self._last: dict[tuple[NsKey, int], int] = {}
        """Namespace, and signal and fate in one number -> the count at the last update."""

    def update(self, counts: Counts, container_of: Callable[[NsKey], Container | None]) -> None:
        """Add what has been counted since the last update."""
        fates = _FATE_OF[counts.verdicts]
        chosen = flag(counts.records, "init") & (counts.records["nsid"] != INITIAL_PID_NS) & (fates >= 0)
        r, fates = counts.records[chosen], fates[chosen]
        grand = np.bincount(fates, r["count"], len(FATES))
        named = r["nsid"] != 0  # those are sums over namespaces that ended long ago
        r, fates = r[named], fates[named]
        keys, which = NsKey.from_records(r["nsid"], r["ns_start"])
        codes, inverse = np.unique(which * 1024 + r["signal"].astype("i8") * 4 + fates, return_inverse=True)
        sums = np.bincount(inverse, r["count"], len(codes)).astype("i8").tolist()
        seen = {}
        for code, total in zip(codes.tolist(), sums, strict=True):
            key, kind = keys[code // 1024], code % 1024
            seen[key, kind] = total
            if new := total - self._last.get((key, kind), 0):
                labels = (*self._labelled.values(container_of(key)), str(kind // 4))
                self.of[FATES[kind % 4]].add(labels, key, new)
        self._last = seen
        for number, fate in enumerate(FATES):
            told = sum(total for _, total in self.of[fate])
            self.rest[fate] = max(self.rest[fate], int(grand[number]) - told)

    def forget(self, alive: Collection[NsKey]) -> None:
        """Forget the series of containers that ended a while ago."""
        for series in self.of.values():
            series.forget(alive)
