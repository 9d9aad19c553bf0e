"""The line between the stage's driver and one of its processes: requests, answers, deadlines.

One packet a request, one packet of JSON an answer (see `program.py`), over a socket pair of the process's
own.
"""

from __future__ import annotations

import json
import os
import select
import socket
import struct
import time
from collections.abc import Callable
from typing import Any

from sigtrace.errors import SigtraceError
from sigtrace.lab.program import PACKET

DEADLINE = 10.0
"""Seconds after which a process that should have answered, or died, counts as hung."""

_CREDENTIALS = struct.Struct("3i")


class StageFailed(SigtraceError):
    """The stage could not be set up, or an actor did what no experiment asked for."""


class NoNamespaces(StageFailed):
    """This host does not let this user make PID namespaces."""


class ActorGone(StageFailed):
    """The actor's socket has ended: it died, or it is another program now."""


class ActorSilent(StageFailed):
    """The actor did not answer in time: it is stopped, or blocked in what it was told to do."""


class Channel:
    """The driver's end: `pid` is the process at the other, as the driver's own namespace numbers it."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._asked = 0
        self._heard: dict[int, dict[str, Any]] = {}
        self.pid = 0
        if not readable(control, DEADLINE):
            raise ActorSilent("a new process of the stage did not report")
        self.own_pid = int(self._receive()["value"])
        """The PID in the process's own namespace: what getpid() says there."""

    def tell(self, source: str, gift: int | None = None) -> int:
        """Send a line, with a descriptor to pass along if given; the ticket to `hear` the answer with."""
        self._asked += 1
        packet = f"{self._asked} {source}".encode()
        try:
            socket.send_fds(self._control, [packet], [] if gift is None else [gift])
        except (BrokenPipeError, ConnectionResetError) as err:
            raise ActorGone(f"process {self.pid} is gone") from err
        return self._asked

    def hear(self, ticket: int, seconds: float = DEADLINE) -> Any:
        """Wait for the answer to an earlier `tell`."""
        deadline = time.monotonic() + seconds
        while ticket not in self._heard:
            if not readable(self._control, deadline - time.monotonic()):
                raise ActorSilent(f"process {self.pid} did not answer within {seconds:g} seconds")
            answer = self._receive()
            self._heard[answer["n"]] = answer
        answer = self._heard.pop(ticket)
        if "error" not in answer:
            return answer["value"]
        if answer["error"] == "OSError":
            raise OSError(answer["errno"], os.strerror(answer["errno"]))
        raise StageFailed(f"process {self.pid} failed: {answer['error']}: {answer['message']}")

    def close(self) -> None:
        """Close the socket; the process, when it next reads, exits."""
        self._control.close()

    def _receive(self) -> dict[str, Any]:
        try:
            packet, ancillary, _, _ = self._control.recvmsg(PACKET, socket.CMSG_SPACE(_CREDENTIALS.size))
        except ConnectionResetError:
            packet = b""
        if not packet:
            raise ActorGone(f"process {self.pid} is gone")
        for level, kind, data in ancillary:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_CREDENTIALS):
                self.pid = _CREDENTIALS.unpack(data)[0]
        answer: dict[str, Any] = json.loads(packet)
        return answer


def pair() -> tuple[socket.socket, socket.socket]:
    """The driver's and the actor's end; ours is told, by the kernel, the PID of whoever wrote."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
    return ours, theirs


def readable(descriptor: Any, seconds: float) -> bool:
    """Whether the socket or pidfd becomes readable (for a pidfd: the process has ended) in time."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(max(seconds, 0) * 1000))


def wait_until(condition: Callable[[], bool], what: str, seconds: float = DEADLINE) -> None:
    """Poll `condition` until it holds. Raises StageFailed, naming `what` was waited for, after `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise StageFailed(f"waited {seconds:g} seconds in vain for {what}")
        time.sleep(0.001)
