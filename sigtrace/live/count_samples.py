"""Which counts a recorder writes: what changed, all that lives into each segment, and what ended once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from sigtrace.events.counts import COUNT, Counts

_NONE = np.zeros(0, COUNT)


class CountSamples:
    """Samples of the counts of one recorder.

    Each segment has to have all counts without the earlier ones, which retention deletes: so a new segment begins with
    the counts of every namespace that may live. Those of a namespace that ended are final: they are in the segment in
    which it ended, or in the next one, and go with it. So 100,000 namespaces a day make no segment larger.

    take: returns the counts of namespaces that may live, and those of namespaces that were found ended since the last
    call; its argument is whether to look for these.
    """

    def __init__(self, take: Callable[[bool], tuple[Counts, Counts]]) -> None:
        self._take = take
        self._last = _NONE
        """What is on the disk of those that may live."""
        self._sampled = _NONE
        self._pending = _NONE
        """What is not known to be on the disk of those that ended: nothing else has it."""

    def sample(self, anew: bool) -> Counts:
        """Return the counts to write now; anew: into a new segment."""
        living, ended = (counts.records for counts in self._take(anew))
        self._pending = np.concatenate([self._pending, _changed(ended, self._last)])
        self._sampled = living
        return Counts(np.concatenate([living if anew else _changed(living, self._last), self._pending]))

    def settle(self, written: bool) -> None:
        """Say whether what `sample` returned last is on the disk. If not, it is in the next sample."""
        self._last = self._sampled if written else _NONE
        self._pending = _NONE if written else self._pending


def _changed(now: npt.NDArray[Any], before: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return the rows of `now` that are not in `before`, both of dtype COUNT."""
    kind = f"V{now.dtype.itemsize}"
    known = set(before.view(kind).tolist())
    changed: npt.NDArray[Any] = now[
        np.fromiter((row not in known for row in now.view(kind).tolist()), bool, len(now))
    ]
    return changed
