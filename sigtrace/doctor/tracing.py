"""The check that decides: attach as every command does, send a harmless signal, and read its record."""

from __future__ import annotations

import os
import signal
import subprocess
import time

from sigtrace import cpu
from sigtrace.doctor.check import SELF_TEST, Check, Checker, missing, ok
from sigtrace.doctor.host import Host
from sigtrace.errors import CannotTrace
from sigtrace.live.collector import Collector
from sigtrace.units import SECOND, duration

_METHODS = {"btf": "BTF tracepoints", "raw": "raw tracepoints (a higher cost to senders)"}
_TIMEOUT = 3.0
"""Seconds to wait for a record, which takes milliseconds."""


def tracing(host: Host) -> Check:
    """A SIGURG to a child process, which ignores it by default, is recorded."""
    try:
        cpu.require()
        started = time.monotonic()
        with Collector(signals=[signal.SIGURG], scope="all") as live:
            attached = time.monotonic() - started
            if _sees_a_signal(live, host.pid_namespace):
                how = f"{_METHODS[live.method]}, in {duration(attached * SECOND)}"
                return ok(SELF_TEST, f"attached to {how}, sent a signal, saw its record: tracing works")
    except CannotTrace as err:
        sentence = str(err).splitlines()[0].rstrip(".")
        return missing(SELF_TEST, sentence, "fix what is missing above, then run this again")
    return missing(
        SELF_TEST,
        f"attached, but a signal that was sent left no record within {duration(_TIMEOUT * SECOND)}",
        "please report this",
    )


def _sees_a_signal(live: Collector, nsid: int) -> bool:
    """Return whether a signal to a child is recorded. The child is identified by its PID in our own namespace."""
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as child:
        os.kill(child.pid, signal.SIGURG)
        deadline = time.monotonic() + _TIMEOUT
        while time.monotonic() < deadline:
            records = live.drain(timeout=0.2).records
            if (
                (records["nsid"] == nsid)
                & (records["target_ns_pid"] == child.pid)
                & (records["signal"] == signal.SIGURG)
            ).any():
                return True
    return False


TRACING: tuple[Checker, ...] = (tracing,)
