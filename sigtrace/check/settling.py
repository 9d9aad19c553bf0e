"""Wait until a command is ready to be stopped."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass

from sigtrace import signals
from sigtrace.check.output import Output
from sigtrace.check.plan import Ready
from sigtrace.check.subject import Running
from sigtrace.procfs import family, process

QUIET = 1.0
"""Seconds without a change after which a command has settled by itself."""
RESTLESS = 20.0
"""Seconds after which one that does not settle is stopped as it is."""
_STEP, _FAST, _SOON = 0.05, 0.005, 1.0
"""Seconds between two looks, and between those of the first second."""
_IDLE = 0.1
"""Share of a processor that a command which has settled may use."""
_LISTENS = "0A"
"""State of a listening socket in /proc/net/tcp (TCP_LISTEN, include/net/tcp_states.h)."""


@dataclass(frozen=True)
class Start:
    """How a command started."""

    seconds: float
    """From its execution until it was ready, or until that was given up."""
    ended: bool = False
    """It ended by itself before it was ready."""
    late: bool = False
    """It was not ready in time; it was stopped as it was."""
    deaf: float | None = None
    """Seconds from its execution until it was first seen to have a handler for the signal, or to block it for
    sigtimedwait(2) or a signalfd; None: never."""


def wait_ready(running: Running, ready: Ready, within: float, signal: int, output: Output) -> Start:
    """Wait until it is ready, has ended, or `within` seconds are over. signal: the one that it will be stopped by."""
    began, deaf, quiet = time.monotonic(), None, _Quiet()
    within = min(within, RESTLESS) if ready.kind == "settled" else within
    while True:
        now = time.monotonic() - began
        if deaf is None and running.pid and _minds(running.pid, signal):
            deaf = now
        if _is_ready(running, ready, now, output, quiet):
            return Start(now, deaf=deaf)
        if now > within:
            return Start(now, late=True, deaf=deaf)
        if running.wait(_FAST if now < _SOON else _STEP):
            return Start(time.monotonic() - began, ended=True, deaf=deaf)


def _is_ready(running: Running, ready: Ready, now: float, output: Output, quiet: _Quiet) -> bool:
    if ready.kind == "time":
        return now >= ready.seconds
    if ready.kind == "output":
        return output.matched
    if ready.kind == "port":
        return listens(running.pid, ready.port)
    return quiet.lasts(running.pid, now)


class _Quiet:
    """For how long the processes of a command have been the same, with the same dispositions, and idle."""

    def __init__(self) -> None:
        self._seen: object = None
        self._since = 0.0
        self._used = 0

    def lasts(self, pid: int, now: float) -> bool:
        """Look; returns whether it has lasted for QUIET."""
        looks = list(_looks(pid))
        seen = sorted(
            each.key for each in looks
        )  # without PIDs: a script may start one `sleep` after the other
        used = sum(each.ticks for each in looks)
        busy = (used - self._used) / process.TICKS_PER_SECOND > _IDLE * max(now - self._since, _IDLE)
        if not pid:  # nothing shows it
            return now >= 2 * QUIET
        if seen != self._seen or busy or not looks:
            self._seen, self._since, self._used = seen, now, used
        return now - self._since >= QUIET


@dataclass(frozen=True)
class _Look:
    """One process at one moment."""

    key: tuple[str, ...]
    ticks: int
    """CPU time that it has used, in clock ticks."""


def _looks(pid: int) -> Iterator[_Look]:
    for each in (pid, *(relative.pid for relative in family.descendants(pid) or ())):
        try:
            status = process.read_status(each)
            fields = process.read(f"/proc/{each}/stat").rpartition(b")")[2].split()
        except OSError:
            continue
        names = ("SigCgt", "SigIgn", "Threads", "Name")
        runs = "R" if status["State"][0] == "R" else ""
        key = (*(status.get(name, "") for name in names), runs)
        yield _Look(key, int(fields[11]) + int(fields[12]))


def _minds(pid: int, signal: int) -> bool:
    try:
        status = process.read_status(pid)
    except OSError:
        return False
    return any(signals.has(process.mask(status, name), signal) for name in ("SigCgt", "SigIgn", "SigBlk"))


def listens(pid: int, port: int) -> bool:
    """Return whether a TCP port listens in the network of a process."""
    for name in ("tcp", "tcp6"):
        try:
            lines = process.read(f"/proc/{pid or os.getpid()}/net/{name}").decode().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            _, local, _, state, *_ = line.split()
            if state == _LISTENS and int(local.rpartition(":")[2], 16) == port:
                return True
    return False
