"""A queue of tasks that are due at given times."""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class DueQueue(Generic[T]):
    """A queue from which items are taken when they are due.

    Any thread may call its methods; only one may call `take`. clock: returns the time in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._heap: list[tuple[float, int, T]] = []
        self._numbers = itertools.count()  # items due at the same time are taken in the order of `put`
        self._change = threading.Condition()
        self._closed = False

    def __len__(self) -> int:
        return len(self._heap)

    def overdue(self) -> int:
        """Return the number of items that are due by now."""
        with self._change:
            now = self._clock()
            return sum(when <= now for when, _, _ in self._heap)

    def put(self, thing: T, delay: float = 0) -> None:
        """Add an item that is due in `delay` seconds; a closed queue ignores it."""
        with self._change:
            if not self._closed:
                heapq.heappush(self._heap, (self._clock() + delay, next(self._numbers), thing))
                self._change.notify()

    def take(self) -> T | None:
        """Wait for the next item to be due and return it; once the queue is closed, return None instead of waiting."""
        with self._change:
            while True:
                wait = self._heap[0][0] - self._clock() if self._heap else None
                if wait is not None and wait <= 0:
                    return heapq.heappop(self._heap)[2]
                if self._closed:
                    return None
                self._change.wait(wait)

    def close(self, *, discard: bool = False) -> None:
        """Close the queue: items that are due by now can still be taken, unless `discard`. It may be repeated."""
        with self._change:
            self._closed = True
            if discard:
                self._heap.clear()
            self._change.notify_all()
