"""What is measured: how each tool is started, and how many of the storm's signals its output shows."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import sigtrace
from bench.storm import Storm

Capture = Callable[[Path, Storm], int | None]
"""Output directory and storm -> how many of its signals are in there; None where none are meant to be."""

_PRINTF = 'printf("%d %d %d %s %d\\n", args->sig, args->pid, args->code, args->comm, args->result);'


@dataclass(frozen=True)
class Tool:
    """One line of the table."""

    name: str
    command: tuple[str, ...]
    """Empty for no tool at all: the baseline."""
    capture: Capture
    signal: int = signal.SIGTERM
    """What the storm sends. A harmless one leaves sigtrace with counts only."""

    def installed(self) -> bool:
        """Whether the command exists here."""
        return not self.command or shutil.which(self.command[0]) is not None


def _none(out: Path, storm: Storm) -> int | None:
    return None


def _lines(pattern: str) -> Capture:
    """Lines of the output that match; TARGET in the pattern is the storm's target."""

    def count(out: Path, storm: Storm) -> int:
        wanted = re.compile(pattern.replace("TARGET", str(storm.target)))
        with (out / "out").open(errors="replace") as lines:
            return sum(1 for line in lines if wanted.search(line))

    return count


def _read(out: Path, storm: Storm) -> int:
    return int(json.loads((out / "out").read_text())["read"])


def _recorded(out: Path, storm: Storm) -> int:
    """Signals in the counts of a recording."""
    table = sigtrace.open(out / "recording").counts()
    own = (table["nsid"] == storm.nsid) & (table["stage"] == "generate")
    return int(table[own]["count"].sum())


def _watched(out: Path, storm: Storm) -> int:
    """Events that the lines of `watch --format json` stand for."""
    with (out / "out").open(errors="replace") as lines:
        rows = (json.loads(line) for line in lines if f'"target_pid": {storm.target},' in line)
        return sum(1 + row["thinned"] for row in rows)


def _counted(out: Path, storm: Storm) -> int:
    return int(json.loads((out / "out").read_text())["counted"].get(str(storm.nsid), 0))


def _bpftrace_map(out: Path, storm: Storm) -> int:
    found = re.findall(rf"@\[15, {storm.target}, \d\]: (\d+)", (out / "out").read_text())
    return sum(map(int, found))


def _perf_script(out: Path, storm: Storm) -> int:
    command = ["perf", "script", "-i", str(out / "perf.data"), "-F", "trace"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as script:
        assert script.stdout is not None
        wanted = f"pid={storm.target} "
        return sum(1 for line in script.stdout if wanted in line)


def _python(*arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-m", *arguments)


TOOLS = (
    Tool("untraced", (), _none),
    Tool("untraced, harmless signal", (), _none, signal.SIGURG),
    Tool("empty program", _python("bench.reader", "floor"), _none),
    Tool("sigtrace ring + counts", _python("bench.reader", "ring"), _counted),
    Tool("sigtrace ring, every record", _python("bench.reader", "every"), _read),
    Tool("sigtrace counts only", _python("bench.reader", "ring"), _counted, signal.SIGURG),
    Tool(
        "sigtrace watch json",
        _python("sigtrace", "watch", "--format", "json"),
        _watched,
    ),
    Tool("sigtrace record", _python("sigtrace", "record", "recording"), _recorded),
    Tool(
        "sigtrace record, every record",
        _python("sigtrace", "record", "recording", "--every-record"),
        _recorded,
    ),
    Tool(
        "bpftrace count()",
        (
            "bpftrace",
            "-e",
            "tracepoint:signal:signal_generate { @[args->sig, args->pid, args->result] = count(); }",
        ),
        _bpftrace_map,
    ),
    Tool(
        "bpftrace printf",
        ("bpftrace", "-e", f"tracepoint:signal:signal_generate {{ {_PRINTF} }}"),
        _lines(r"^15 TARGET "),
    ),
    Tool("sigsnoop (libbpf-tools)", ("sigsnoop",), _lines(r"\b15 +TARGET\b")),
    Tool(
        "perf trace",
        ("perf", "trace", "--no-syscalls", "-a", "-e", "signal:signal_generate", "-o", "out"),
        _lines(r"sig: 15,.* pid: TARGET\b"),
    ),
    Tool(
        "perf record",
        ("perf", "record", "-q", "-a", "-e", "signal:signal_generate", "-o", "perf.data"),
        _perf_script,
    ),
)
"""Ratios are against the untraced line that sends the same signal."""

PACED = ("untraced", "sigtrace ring + counts", "sigtrace record", "bpftrace printf", "sigsnoop", "perf trace")
"""The lines that are measured at a steady rate too, by the beginnings of their names."""
RATES = (5_000, 20_000, 50_000)
"""Signals a second."""
