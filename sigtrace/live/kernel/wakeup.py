"""Waiting for the ring, without reading it: nothing here needs numpy, so a watch that sees nothing stays small."""

from __future__ import annotations

import select


class Wakeups:
    """What ends a reader's sleep: the programs' wake-ups of one ring map, and other descriptors that get ready."""

    def __init__(self, ring_fd: int) -> None:
        self._epoll = select.epoll()
        # Level-triggered, epoll would return at once while anything is unread; the reader decides when to look.
        self._epoll.register(ring_fd, select.EPOLLIN | select.EPOLLET)

    def watch(self, fd: int, events: int = select.EPOLLIN) -> None:
        """Also end a `wait`, once, on these epoll events of another descriptor. Raises OSError for plain files."""
        self._epoll.register(fd, events | select.EPOLLONESHOT)

    def wait(self, timeout: float | None) -> list[int]:
        """Block until a program wakes the reader, a watched descriptor is ready or `timeout` s pass (None: for ever).

        The descriptors that ended the wait; empty on time-out.
        """
        return [fd for fd, _ in self._epoll.poll(timeout)]

    def close(self) -> None:
        """Forget them all."""
        self._epoll.close()
