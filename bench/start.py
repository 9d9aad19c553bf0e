"""From exec to "ready": what a start of `sigtrace watch` costs, with warm files and with cold ones.

    .venv/bin/python -m bench.start [--runs N] [SIGTRACE ...]     # the commands to compare; by default that of .venv

Elapsed time depends on what else the machine does: it prints the least and the median, and the CPU time of all threads.
Cold: the files of the interpreter and of the environment are dropped from the page cache before each run
(POSIX_FADV_DONTNEED; those that another process has mapped stay).
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterable
from pathlib import Path

_SIGTRACE = Path(sys.executable).with_name("sigtrace")


def main() -> None:
    """Measure, and print a line for each command and temperature."""
    parser = argparse.ArgumentParser(prog="python -m bench.start")
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("commands", nargs="*", type=Path, default=[_SIGTRACE])
    given = parser.parse_args()
    print(f"{'':<44} {'ms, least':>9} {'median':>7} {'CPU ms':>7}")
    for cold in (False, True):
        found: dict[Path, list[tuple[float, float]]] = {command: [] for command in given.commands}
        for run in range(given.runs + 1):
            for command, samples in found.items():
                if cold:
                    forget(files_of(command))
                sample = start(command)
                if run:  # the first one may compile modules
                    samples.append(sample)
        for command, samples in found.items():
            wall, cpu = zip(*samples, strict=True)
            name = f"{'cold' if cold else 'warm'} {command}"[-44:]
            print(
                f"{name:<44} {min(wall):>9.0f} {statistics.median(wall):>7.0f} {statistics.median(cpu):>7.0f}"
            )


def start(command: Path) -> tuple[float, float]:
    """Start a watch and end it; returns the time from exec to "ready", and the CPU time of the process by then, ms."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    began = time.perf_counter()
    with subprocess.Popen(
        [str(command), "watch"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    ) as process:
        assert process.stderr is not None
        ready = any("ready" in line for line in process.stderr)
        wall = time.perf_counter() - began
        cpu = time.clock_gettime(~process.pid << 3 | 2) if ready else 0.0  # CPUCLOCK_SCHED: all its threads
        process.terminate()
    if not ready:
        raise SystemExit(f"{command} watch did not say that it is ready")
    return wall * 1e3, cpu * 1e3


def files_of(command: Path) -> Iterable[Path]:
    """The files that a start may read: those of the environment, and of the interpreter's library."""
    for top in (command.resolve().parents[1] / "lib", Path(sysconfig.get_path("stdlib"))):
        yield from (path for path in top.rglob("*") if path.is_file())


def forget(files: Iterable[Path]) -> None:
    """Drop files from the page cache."""
    for path in files:
        fd = os.open(path, os.O_RDONLY)
        try:
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(fd)


if __name__ == "__main__":
    main()
