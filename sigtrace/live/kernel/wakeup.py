"""Wait for the ring without reading it. Needs no numpy, so that `watch` stays small until there is a record."""

from __future__ import annotations

import select


class Wakeups:
    """Waits for the programs' wake-ups of one ring map, and for other descriptors."""

    def __init__(self, ring_fd: int) -> None:
        self._epoll = select.epoll()
        # Level-triggered, epoll would return at once while records are unread; the reader decides when to read.
        self._epoll.register(ring_fd, select.EPOLLIN | select.EPOLLET)

    def watch(self, fd: int, events: int = select.EPOLLIN) -> None:
        """End a `wait`, once, also on these epoll events of a descriptor; again, if that was watched before.

        Raises OSError for regular files.
        """
        try:
            self._epoll.register(fd, events | select.EPOLLONESHOT)
        except FileExistsError:
            self._epoll.modify(fd, events | select.EPOLLONESHOT)

    def wait(self, timeout: float | None) -> list[int]:
        """Wait until a program wakes the reader, a watched descriptor is ready or `timeout` s pass (None: for ever).

        Returns the descriptors that ended the wait; empty after a timeout.
        """
        return [fd for fd, _ in self._epoll.poll(timeout)]

    def close(self) -> None:
        """Close the epoll descriptor."""
        self._epoll.close()
