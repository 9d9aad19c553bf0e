"""What every container would do with its stop signal, asked now and then: `sigtrace scan` in a niced child process.

A child, because the scan of a host with thousands of processes takes seconds of processor time, in which the reader of
the ring must not wait, and because its memory goes with it.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sigtrace.agent.log import LOG
from sigtrace.events.container import COLUMNS, Container
from sigtrace.events.nskey import NsKey
from sigtrace.procfs.process import INITIAL_PID_NS

_PROGRAM = (
    "import json, sys; sys.path[:] = json.loads(sys.argv.pop(1)); from sigtrace.__main__ import main; main()"
)
"""sigtrace with the modules of this process, wherever these are, and with nothing from the environment."""
_SECONDS = 120.0
"""How long a scan may take."""
_LONGEST = 64 << 20
"""Bytes of its answer."""
_NICE = 10
VERDICTS = ("stops at once", "waits for KILL", "can't be told")


@dataclass(frozen=True)
class Outlook:
    """A container, or another PID namespace, at the time of a scan."""

    key: NsKey
    verdict: str
    """One of VERDICTS; empty if there is nothing to stop."""
    ending: bool
    """Its init has ended, or was killed, and the namespace is still there."""
    stop_signal: str
    container: Container | None


class Forecast:
    """Scans every so often, in a thread of its own. every: seconds; 0 for never."""

    def __init__(self, every: float) -> None:
        self.rows: tuple[Outlook, ...] = ()
        """What the last scan found."""
        self.time = 0.0
        """When that was, seconds since 1970; 0: not yet."""
        self.failures = 0
        self.ending_since: Mapping[NsKey, float] = {}
        """When a scan first saw that a namespace is ending, seconds since 1970."""
        self._every = every
        self._change = threading.Condition()
        self._closed = False
        self._child: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._run, name="forecast", daemon=True)

    def start(self) -> None:
        """Scan for the first time now."""
        self._thread.start()

    def set_interval(self, every: float) -> None:
        """Scan at another interval from now on."""
        with self._change:
            self._every = every
            self._change.notify()

    def close(self) -> None:
        """End the thread, and a scan that is at work."""
        with self._change:
            self._closed = True
            if self._child:
                self._child.kill()
            self._change.notify()
        if self._thread.ident:
            self._thread.join()

    def _run(self) -> None:
        last = -float("inf")
        while self._wait_until_due(last):
            last = time.monotonic()
            try:
                self._take(self._scanned())
            except (OSError, ValueError, subprocess.SubprocessError) as err:
                self.failures += 1
                if not self._closed:
                    LOG.warning("the scan of all containers failed: %s", err)

    def _wait_until_due(self, last: float) -> bool:
        """Wait for the time of the next scan; last: that of the last one. Returns False when there is no other."""
        with self._change:
            while not self._closed:
                left = last + self._every - time.monotonic() if self._every else None
                if left is not None and left <= 0:
                    return True
                self._change.wait(left)
        return False

    def _scanned(self) -> list[dict[str, Any]]:
        with self._change:
            if self._closed:
                return []
            self._child = child = subprocess.Popen(
                [sys.executable, "-I", "-c", _PROGRAM, json.dumps(sys.path), "scan", "--all", "--json"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, child.pid, _NICE)
        alarm = threading.Timer(_SECONDS, child.kill)
        alarm.daemon = True
        alarm.start()
        try:
            assert child.stdout is not None
            with child.stdout as output:
                answer = output.read(_LONGEST)
            if len(answer) == _LONGEST:
                child.kill()
            code = child.wait()
        finally:
            alarm.cancel()
            self._child = None
        if code:
            raise ValueError(f"it ended with code {code}")
        return [json.loads(line) for line in answer.splitlines()]

    def _take(self, rows: list[dict[str, Any]]) -> None:
        """Keep what a scan found, but for the initial namespace."""
        now = time.time()
        self.rows = tuple(_outlook(row) for row in rows if row["nsid"] not in (None, INITIAL_PID_NS))
        before = self.ending_since
        self.ending_since = {row.key: before.get(row.key, now) for row in self.rows if row.ending}
        self.time = now


def verdicts(rows: tuple[Outlook, ...]) -> Callable[[str], int]:
    """Return a function that counts the rows with a verdict."""
    return lambda verdict: sum(row.verdict == verdict for row in rows)


def _outlook(row: Mapping[str, Any]) -> Outlook:
    known = [str(row[name]) for name in COLUMNS]
    container = Container(**dict(zip(_FIELDS, known, strict=True))) if row["container_id"] else None
    key = NsKey.from_proc(int(row["nsid"]), int(row["ns_start"] or 0))
    return Outlook(key, str(row["verdict"]), bool(row["ending"]), str(row["stop_signal"]), container)


_FIELDS = ("id", "name", "runtime", "image", "pod", "pod_namespace")
"""Those of `Container` in the order of COLUMNS."""
