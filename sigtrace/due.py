"""What is due later: things with a moment each, handed out one by one when their moments come."""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class DueQueue(Generic[T]):
    """Things to do at moments of a clock. Any thread may use it; `take` is for the one that does them.

    clock: what tells the moments, in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._heap: list[tuple[float, int, T]] = []
        self._numbers = itertools.count()  # of things due at one moment, the first put is the first taken
        self._change = threading.Condition()
        self._closed = False

    def __len__(self) -> int:
        return len(self._heap)

    def put(self, thing: T, delay: float = 0) -> None:
        """Have it done `delay` seconds from now; a queue that is closed takes nothing more."""
        with self._change:
            if not self._closed:
                heapq.heappush(self._heap, (self._clock() + delay, next(self._numbers), thing))
                self._change.notify()

    def take(self) -> T | None:
        """The next thing, as soon as it is due. Once the queue is closed, None instead of waiting."""
        with self._change:
            while True:
                wait = self._heap[0][0] - self._clock() if self._heap else None
                if wait is not None and wait <= 0:
                    return heapq.heappop(self._heap)[2]
                if self._closed:
                    return None
                self._change.wait(wait)

    def close(self, *, discard: bool = False) -> None:
        """Wait for nothing more: what is due by now is still handed out, unless `discard`. Safe to repeat."""
        with self._change:
            self._closed = True
            if discard:
                self._heap.clear()
            self._change.notify_all()
