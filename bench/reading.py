"""What reading a recording costs: the commands as whole processes, alone or beside another checkout.

python -m bench.reading [--namespaces N] [--rounds N] [--only COMMAND]... [--recording DIR] [--against DIR]

CPU is user and system time of the process from its exec to its end, memory its peak RSS: what wait4(2) reports. Nothing
of sigtrace is imported here, so that this process stays small: a child's peak RSS begins with its parent's.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
RESULTS = HERE / "results"
COMMANDS = {
    "summary": ("summary", "{recording}"),
    "postmortem": ("postmortem", "{recording}"),
    "postmortem --ns": ("postmortem", "{recording}", "--ns", "{nsid}"),
    "report": ("report", "{recording}", "-o", "{out}/report.html"),
    "summary of one": ("summary", "{recording}", "--container", "{container}"),
    "postmortem of one": ("postmortem", "{recording}", "--container", "{container}"),
    "report of one": ("report", "{recording}", "-o", "{out}/report.html", "--container", "{container}"),
}
_FINE = (0, 3)
"""Exit codes; 3: the postmortem found something."""


@dataclass(frozen=True)
class Checkout:
    """A directory with the package `sigtrace` in it."""

    name: str
    path: Path


@dataclass(frozen=True)
class Sample:
    """One run of one command."""

    checkout: str
    command: str
    round: int
    cpu_seconds: float
    wall_seconds: float
    peak_mb: float


@dataclass(frozen=True)
class Load:
    """What is read."""

    recording: Path
    facts: dict[str, Any]
    """Of `bench.synthetic.describe`."""

    def arguments(self, command: str, out: str) -> list[str]:
        """Of `sigtrace`; what it writes goes into the directory `out`."""
        values = {**self.facts, "recording": self.recording, "out": out}
        return [word.format(**values) for word in COMMANDS[command]]


def prepare(recording: Path, namespaces: int) -> Load:
    """The recording, made if it is not there. Exits when it can be neither made nor read; the child says why."""
    command = [sys.executable, "-m", "bench.synthetic", str(recording), str(namespaces)]
    done = subprocess.run(command, cwd=HERE.parent, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        sys.exit(1)
    return Load(recording, json.loads(done.stdout))


def measure(checkout: Checkout, command: str, number: int, load: Load) -> Sample:
    """Run it and wait for it."""
    with tempfile.TemporaryDirectory() as out:
        line = [sys.executable, "-m", "sigtrace", *load.arguments(command, out)]
        began = time.monotonic()
        usage = _run(line, checkout)
        wall = time.monotonic() - began
    cpu = usage.ru_utime + usage.ru_stime
    return Sample(checkout.name, command, number, cpu, wall, usage.ru_maxrss * 1024 / 1e6)


def count_reads(checkout: Checkout, command: str, load: Load) -> dict[str, Any]:
    """The fields of `bench.reads.Reads` for one run; empty where a checkout has not what is counted."""
    with tempfile.TemporaryDirectory() as out:
        file = Path(out) / "reads.json"
        line = [sys.executable, str(HERE / "reads.py"), str(file), *load.arguments(command, out)]
        _run(line, checkout, fine=(*_FINE, 1))
        return dict(json.loads(file.read_text())) if file.exists() else {}


def _run(line: Sequence[str], checkout: Checkout, fine: Sequence[int] = _FINE) -> Any:
    """Run it with the checkout's package; the resources it used. Exits when it fails."""
    environment = {**os.environ, "PYTHONPATH": str(checkout.path), "COLUMNS": "80"}
    with tempfile.TemporaryFile("w+") as err:
        child = subprocess.Popen(
            line, cwd=checkout.path, env=environment, stdout=subprocess.DEVNULL, stderr=err
        )
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode not in fine:
            err.seek(0)
            sys.exit(
                f"\nbench: {' '.join(line)} in {checkout.path}: {child.returncode}\n{err.read()[-2000:]}"
            )
    return usage


def table(samples: Sequence[Sample], reads: dict[tuple[str, str], dict[str, Any]]) -> str:
    """Medians over the rounds, a line a command and checkout, 80 columns."""
    heading = f"{'':18}{'':10}{'CPU':>8}{'spread':>8}{'wall':>7}{'peak':>6}  {'namespaces table':^20}\n"
    heading += f"{'':18}{'':10}{'s':>8}{'%':>8}{'s':>7}{'MB':>6}{'asked':>7}{'read':>6}{'s':>7}{'%':>4}\n"
    keys = dict.fromkeys((sample.command, sample.checkout) for sample in samples)
    lines = []
    for command, checkout in keys:
        own = [each for each in samples if (each.command, each.checkout) == (command, checkout)]
        lines.append(f"{command:<18}{checkout:<10}{_figures(own)}{_share(reads[command, checkout])}")
    return heading + "\n".join(lines)


def _figures(samples: Sequence[Sample]) -> str:
    cpu = [each.cpu_seconds for each in samples]
    median = statistics.median(cpu)
    spread = 100 * (max(cpu) - min(cpu)) / median
    wall = statistics.median(each.wall_seconds for each in samples)
    peak = statistics.median(each.peak_mb for each in samples)
    return f"{median:>8.2f}{spread:>8.0f}{wall:>7.2f}{peak:>6.0f}"


def _share(reads: dict[str, Any]) -> str:
    if not reads:
        return f"{'?':>7}"
    share = 100 * reads["seconds"] / reads["total"]
    return f"{reads['asked']:>7}{reads['passes']:>6}{reads['seconds']:>7.2f}{share:>4.0f}"


def ratios(samples: Sequence[Sample]) -> str:
    """CPU of the first checkout to that of the second: median over the rounds, least and most."""
    lines = []
    for command in dict.fromkeys(sample.command for sample in samples):
        rounds: dict[int, list[float]] = {}
        for sample in samples:
            if sample.command == command:
                rounds.setdefault(sample.round, []).append(sample.cpu_seconds)
        each = [here / there for here, there in rounds.values()]
        lines.append(
            f"{command:<18}{statistics.median(each):>6.2f} x   ({min(each):.2f} to {max(each):.2f}, "
            f"{len(each)} rounds)"
        )
    return "\n".join(lines)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench.reading", description="What reading a recording costs.")
    parser.add_argument("--namespaces", type=int, default=20_000, help="how many to make (default 20,000)")
    parser.add_argument("--rounds", type=int, default=5, help="how many (default 5)")
    parser.add_argument("--only", action="append", choices=COMMANDS, help="only this command")
    parser.add_argument("--recording", type=Path, help="read this one; it is made if it is not there")
    parser.add_argument("--against", type=Path, help="another checkout, whose commands take turns with ours")
    return parser.parse_args()


def main() -> None:
    """Make or find the recording, measure, print, keep."""
    options = _options()
    checkouts = [Checkout("here", HERE.parent)]
    if options.against:
        if not (options.against / "sigtrace" / "__main__.py").exists():
            sys.exit(
                f"bench: {options.against} is no checkout of sigtrace: give a directory with the package"
            )
        checkouts.append(Checkout("against", options.against.resolve()))
    recording = options.recording or RESULTS / f"recording-{options.namespaces}"
    load = prepare(recording.resolve(), options.namespaces)
    facts = load.facts
    print(
        f"{facts['namespaces']:,} PID namespaces ({facts['reused']:,} with an inode that another had, "
        f"{facts['named']:,} named), {facts['events']:,} events;\n"
        f"namespaces table: {facts['rows']:,} rows in {facts['files']} files; {facts['bytes'] / 1e6:.1f} MB in all"
    )
    commands = options.only or list(COMMANDS)
    # Also what warms caches and compiles bytecode.
    reads = {
        (command, each.name): count_reads(each, command, load) for command in commands for each in checkouts
    }
    samples = []
    for number in range(1, options.rounds + 1):
        for command in commands:
            found = {
                each.name: measure(each, command, number, load)
                for each in random.sample(checkouts, len(checkouts))
            }
            samples += [found[each.name] for each in checkouts]
    print(table(samples, reads))
    if options.against:
        print(f"\nCPU here to CPU in {options.against}, of runs one right after the other\n{ratios(samples)}")
    print(f"kept in {_keep(samples, reads, load)}")


def _keep(samples: Sequence[Sample], reads: dict[tuple[str, str], dict[str, Any]], load: Load) -> Path:
    RESULTS.mkdir(exist_ok=True)
    file = RESULTS / time.strftime("reading-%Y-%m-%dT%H%M%SZ.json", time.gmtime())
    content = {
        "host": {"kernel": platform.release(), "machine": platform.machine(), "cpus": os.cpu_count()},
        "load": load.facts,
        "reads": [{"command": command, "checkout": name, **each} for (command, name), each in reads.items()],
        "samples": [asdict(sample) for sample in samples],
    }
    file.write_text(json.dumps(content, indent=1) + "\n")
    return file.relative_to(HERE.parent)


if __name__ == "__main__":
    main()
