"""What a process costs, as /proc tells: CPU, private memory, and when it has settled."""

from __future__ import annotations

import os
import time
from pathlib import Path

_ATTACHMENTS = ("perf_event", "bpf_link", "bpf-link", "raw-tracepoint")
_LOOK = 0.005
_QUIET = 0.150
"""Seconds without CPU after which a process counts as settled."""
_NOISE_NS = 2_000_000


def cpu_ns(pid: int) -> int:
    """Nanoseconds on a CPU so far, all threads that live."""
    total = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            total += int((task / "schedstat").read_text().split()[0])
        except (FileNotFoundError, ProcessLookupError):
            continue
    return total


def private_bytes(pid: int) -> int:
    """Memory nobody else shares: Private_Clean and Private_Dirty of smaps_rollup."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) << 10 for line in lines if line.startswith("Private_"))


def attached(pid: int) -> bool:
    """Whether it holds a perf event or a BPF link: it has begun to trace."""
    try:
        names = os.listdir(f"/proc/{pid}/fd")
    except (FileNotFoundError, ProcessLookupError):
        return False
    for name in names:
        try:
            target = os.readlink(f"/proc/{pid}/fd/{name}")
        except OSError:
            continue
        if any(kind in target for kind in _ATTACHMENTS):
            return True
    return False


def _state(pid: int) -> str:
    """The state letter of /proc/PID/stat."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0]


def _children(pid: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def wait_attached(pid: int, patience: float = 30) -> tuple[int, float]:
    """Wait until it, or its only child, is attached; which of them, and the moment it was (time.monotonic).

    Raises TimeoutError, or ChildProcessError if it ends before.
    """
    deadline = time.monotonic() + patience
    while not (found := [each for each in (pid, *_children(pid)) if attached(each)]):
        if _state(pid) == "Z":
            raise ChildProcessError(f"process {pid} ended before it attached")
        if time.monotonic() > deadline:
            raise TimeoutError(f"process {pid} did not attach within {patience:.0f} s")
        time.sleep(_LOOK)
    return found[0], time.monotonic()


def wait_quiet(pid: int, patience: float = 120) -> None:
    """Wait until it has used next to no CPU for a while. Raises TimeoutError."""
    deadline = time.monotonic() + patience
    since, used = time.monotonic(), cpu_ns(pid)
    while time.monotonic() < deadline:
        if time.monotonic() - since >= _QUIET:
            return
        time.sleep(_LOOK)
        if cpu_ns(pid) - used > _NOISE_NS:
            since, used = time.monotonic(), cpu_ns(pid)
    raise TimeoutError(f"process {pid} did not come to rest within {patience:.0f} s")
