"""The connection between the stage's driver and one of its processes: requests, answers, deadlines.

A request is one packet, an answer one packet of JSON (see `program.py`), over a socket pair per process.
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
from sigtrace.units import SECOND, duration

PATIENCE = float(os.environ.get("SIGTRACE_PATIENCE") or 1)
"""A factor for all deadlines, on a machine that is many times slower, as an emulated one is."""
DEADLINE = 10.0 * PATIENCE
"""Seconds after which a process that should have answered or ended counts as hung."""

_CREDENTIALS = struct.Struct("3i")


class StageFailed(SigtraceError):
    """The stage could not be set up, or an actor failed in an unexpected way."""


class NoNamespaces(StageFailed):
    """This user is not permitted to create PID namespaces on this host."""


class ActorGone(StageFailed):
    """The actor's socket is closed: it has ended, or has executed another program."""


class ActorSilent(StageFailed):
    """The actor did not answer in time: it is stopped, or the request blocks."""


class Channel:
    """The driver's end: `pid` is the PID of the process at the other end, in the driver's namespace."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._requests = 0
        self._answers: dict[int, dict[str, Any]] = {}
        self.pid = 0
        if not readable(control, DEADLINE):
            raise ActorSilent("a new process of the stage did not report")
        self.own_pid = int(self._receive()["value"])
        """The PID in the process's own namespace, the result of getpid() there."""

    def request(self, source: str, descriptor: int | None = None) -> int:
        """Send a line of Python, and optionally a descriptor; returns the number to get the `answer` with."""
        self._requests += 1
        packet = f"{self._requests} {source}".encode()
        try:
            socket.send_fds(self._control, [packet], [] if descriptor is None else [descriptor])
        except ConnectionError as err:  # kernels before 6.2 say ECONNREFUSED while the process dies
            raise ActorGone(f"process {self.pid} is gone") from err
        return self._requests

    def answer(self, number: int, seconds: float = DEADLINE) -> Any:
        """Wait for the answer to a `request`. Raises what `Actor.__call__` raises."""
        deadline = time.monotonic() + seconds
        while number not in self._answers:
            if not readable(self._control, deadline - time.monotonic()):
                raise ActorSilent(f"process {self.pid} did not answer within {duration(seconds * SECOND)}")
            answer = self._receive()
            self._answers[answer["n"]] = answer
        answer = self._answers.pop(number)
        if "error" not in answer:
            return answer["value"]
        if answer["error"] == "OSError":
            raise OSError(answer["errno"], os.strerror(answer["errno"]))
        raise StageFailed(f"process {self.pid} failed: {answer['error']}: {answer['message']}")

    def close(self) -> None:
        """Close the socket; the process exits when it next reads."""
        self._control.close()

    def _receive(self) -> dict[str, Any]:
        try:
            packet, ancillary, _, _ = self._control.recvmsg(PACKET, socket.CMSG_SPACE(_CREDENTIALS.size))
        except ConnectionError:
            packet = b""
        if not packet:
            raise ActorGone(f"process {self.pid} is gone")
        for level, kind, data in ancillary:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_CREDENTIALS):
                self.pid = _CREDENTIALS.unpack(data)[0]
        answer: dict[str, Any] = json.loads(packet)
        return answer


def pair() -> tuple[socket.socket, socket.socket]:
    """Create the driver's and the actor's end. SO_PASSCRED gives the driver the actor's PID in its own namespace."""
    driver_end, actor_end = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    driver_end.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
    return driver_end, actor_end


def readable(descriptor: Any, seconds: float) -> bool:
    """Return whether the socket or pidfd becomes readable in time; a pidfd does when its process ends."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(max(seconds, 0) * 1000))


def wait_until(condition: Callable[[], bool], what: str, seconds: float = DEADLINE) -> None:
    """Poll `condition` until it holds. Raises StageFailed, with `what` in its message, after `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise StageFailed(f"timed out after {duration(seconds * SECOND)} waiting for {what}")
        time.sleep(0.001)
