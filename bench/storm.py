"""The load: builds and runs `storm.c`."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Load:
    """How hard to send."""

    count: int
    """Signals a sender; whole thousands are sent."""
    senders: int = 1
    rate: float = 0
    """A second and sender; 0 for as fast as it goes."""


@dataclass(frozen=True)
class Storm:
    """What a storm reports of itself."""

    nsid: int
    """Inode of the namespace it made."""
    target: int
    """PID of the namespace's init."""
    sent: int
    ns: float
    """Median nanoseconds per kill()."""


def build() -> None:
    """Compile the load if its source is newer; the compiler speaks on stderr. Raises CalledProcessError."""
    source, binary = HERE / "storm.c", HERE / "storm"
    if not binary.exists() or binary.stat().st_mtime < source.stat().st_mtime:
        subprocess.run(["cc", "-O2", "-Wall", "-Wextra", "-o", binary, source], check=True)


def run(load: Load, signal: int, cpu: int | None) -> Storm:
    """Send, pinned to a CPU if one is given. Raises CalledProcessError if any kill() failed."""
    pinned = [] if cpu is None else ["taskset", "-c", str(cpu)]
    command = [*pinned, str(HERE / "storm"), str(signal), str(load.count), str(load.senders), str(load.rate)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return Storm(**json.loads(done.stdout))
