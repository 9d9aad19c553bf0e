"""Shuffled rounds of every tool under the same storm; a table, and all samples as JSON in bench/results/.

python -m bench.run [--quick] [--rate PER_SECOND] [--only NAME]...
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from bench import process, storm
from bench.tools import PACED, RATES, TOOLS, Tool

TRACEFS = Path("/sys/kernel/tracing")
RESULTS = storm.HERE / "results"
_IDLE_SECONDS = 1.0
_PACED_SECONDS, _PACED_ROUNDS = 2.0, 3


@dataclass(frozen=True)
class Sample:
    """One tool in one round."""

    tool: str
    round: int
    sender_ns: float
    """Median nanoseconds a kill() cost its sender."""
    ratio: float
    """`sender_ns` to that of an untraced storm with the same signal right before."""
    sent: int
    captured: int | None = None
    reader_ns: float | None = None
    """CPU of the tool for each signal it showed."""
    start_ms: float | None = None
    """From exec until it holds a perf event or a BPF link."""
    private_mb: float | None = None
    idle_percent: float | None = None


@dataclass(frozen=True)
class Cost:
    """What one tool did in one storm, before it is compared with the baseline."""

    storm: storm.Storm
    untraced: storm.Storm
    captured: int | None = None
    cpu_ns: int = 0
    start_ms: float | None = None
    private_mb: float | None = None
    idle_percent: float | None = None


def measure(tool: Tool, load: storm.Load) -> Cost:
    """Start the tool, let it settle, send, let it catch up, end it, look at what it has."""
    sender_cpu, reader_cpu = _cpus()
    untraced = storm.run(
        load, tool.signal, sender_cpu
    )  # right before, so that a machine that drifts matters less
    if not tool.command:
        return Cost(untraced, untraced)
    with tempfile.TemporaryDirectory() as directory:
        out = Path(directory)
        pinned = [] if reader_cpu is None else ["taskset", "-c", str(reader_cpu)]
        with (out / "out").open("w") as stdout, (out / "err").open("w") as stderr:
            started = time.monotonic()
            child = subprocess.Popen(
                [*pinned, *tool.command], stdout=stdout, stderr=stderr, cwd=out, env=_environment()
            )
        try:
            pid, attached = process.wait_attached(child.pid)
            start_ms = (attached - started) * 1000
            process.wait_quiet(pid)
            before = process.cpu_ns(pid)
            time.sleep(_IDLE_SECONDS)
            idle = (process.cpu_ns(pid) - before) / _IDLE_SECONDS / 1e7
            before = process.cpu_ns(pid)
            sent = storm.run(load, tool.signal, sender_cpu)
            process.wait_quiet(pid)
            used, private = process.cpu_ns(pid) - before, process.private_bytes(pid) / 1e6
        except OSError as err:
            sys.exit(f"\nbench: {tool.name}: {err}\n{(out / 'err').read_text()[-2000:]}")
        finally:
            ended = _end(child)
        return Cost(sent, untraced, tool.capture(out, sent) if ended else None, used, start_ms, private, idle)


def _end(child: subprocess.Popen[bytes]) -> bool:
    """Ctrl-C, as its user would; False if it had to be killed, and so did not say what it saw."""
    child.send_signal(signal.SIGINT)
    try:
        child.wait(20)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
        return False
    return True


def one_round(number: int, tools: Sequence[Tool], load: storm.Load) -> list[Sample]:
    """Every tool once, in random order."""
    costs: dict[str, Cost] = {}
    for tool in random.sample(tools, len(tools)):
        _progress(f"round {number}: {tool.name}")
        costs[tool.name] = measure(tool, load)
    return [_sample(number, tool, costs[tool.name]) for tool in tools]


def _sample(number: int, tool: Tool, cost: Cost) -> Sample:
    return Sample(
        tool=tool.name,
        round=number,
        sender_ns=cost.storm.ns,
        ratio=cost.storm.ns / cost.untraced.ns,
        sent=cost.storm.sent,
        captured=cost.captured,
        reader_ns=cost.cpu_ns / cost.captured if cost.captured else None,
        start_ms=cost.start_ms,
        private_mb=cost.private_mb,
        idle_percent=cost.idle_percent,
    )


def table(samples: Sequence[Sample]) -> str:
    """Medians over the rounds, one line a tool, 80 columns."""
    heading = f"{'':30}{'sender':>9}{'':>6}{'captured':>9}{'reader':>9}{'start':>7}{'memory':>7}\n"
    heading += f"{'':30}{'ns':>9}{'x':>6}{'%':>9}{'ns each':>9}{'ms':>7}{'MB':>7}\n"
    names = dict.fromkeys(sample.tool for sample in samples)
    return heading + "\n".join(_line(name, [s for s in samples if s.tool == name]) for name in names)


def _line(name: str, samples: Sequence[Sample]) -> str:
    share = [100 * s.captured / s.sent for s in samples if s.captured is not None]
    columns = (
        ([s.sender_ns for s in samples], 9, 0),
        ([s.ratio for s in samples], 6, 2),
        (share, 9, 2),
        ([s.reader_ns for s in samples], 9, 0),
        ([s.start_ms for s in samples], 7, 0),
        ([s.private_mb for s in samples], 7, 1),
    )
    return f"{name:<30}" + "".join(_cell(*column) for column in columns)


def _cell(values: Sequence[float | None], width: int, digits: int) -> str:
    known = [value for value in values if value is not None]
    return f"{statistics.median(known):>{width},.{digits}f}" if known else " " * width


def _progress(words: str) -> None:
    """Show what is going on, in one line of a terminal that is written over."""
    if sys.stderr.isatty():
        print(f"\r{words:<40}\r", end="", file=sys.stderr, flush=True)


def _cpus() -> tuple[int | None, int | None]:
    """A CPU for the sender and another for the reader; neither is pinned where there is only one."""
    cpus = sorted(os.sched_getaffinity(0))
    return (cpus[0], cpus[1]) if len(cpus) > 1 else (None, None)


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(storm.HERE.parent), "PYTHONDONTWRITEBYTECODE": "1"}


def _with_tracefs() -> None:
    """sigsnoop and perf want tracefs: where it is not mounted, start over in a mount namespace with it."""
    if not (TRACEFS / "events").exists():
        script = f'mount -t tracefs tracefs {TRACEFS} && exec "$@"'
        again = (sys.executable, "-m", "bench.run", *sys.argv[1:])
        os.execvp("unshare", ["unshare", "--mount", "sh", "-c", script, "sh", *again])


def main() -> None:
    """Parse, measure, print, keep."""
    parser = argparse.ArgumentParser(prog="bench", description="What tracing costs, beside other tools.")
    parser.add_argument(
        "--quick", action="store_true", help="2 short rounds: under two minutes, a rough picture"
    )
    parser.add_argument("--rounds", type=int, help="how many (default 7)")
    parser.add_argument(
        "--rate", type=float, default=0, help="signals a second (default: as fast as it goes)"
    )
    parser.add_argument("--senders", type=int, default=1, help="how many send at once")
    parser.add_argument(
        "--only", action="append", help="lines whose name starts like this, besides the baselines"
    )
    options = parser.parse_args()
    if os.geteuid() != 0:
        sys.exit("bench: needs root, as every tool it compares does: sudo make bench")
    _with_tracefs()
    storm.build()
    load = storm.Load(count=30_000 if options.quick else 200_000, senders=options.senders, rate=options.rate)
    chosen = [
        tool
        for tool in TOOLS
        if not tool.command or not options.only or tool.name.startswith(tuple(options.only))
    ]
    tools = [tool for tool in chosen if tool.installed()]
    rounds = options.rounds or (2 if options.quick else 7)
    samples = _measured(tools, load, rounds)
    print(table(samples))
    if not (options.quick or options.rate or options.only):
        paced = [tool for tool in tools if tool.name.startswith(PACED) and tool.signal == signal.SIGTERM]
        for rate in RATES:
            steady = storm.Load(count=int(rate * _PACED_SECONDS), rate=rate)
            print(f"\n{rate:,} signals a second:\n{table(_measured(paced, steady, _PACED_ROUNDS))}")
    for tool in chosen:
        if tool not in tools:
            print(f"not installed: {tool.command[0]}")
    print(f"kept in {_keep(samples, load)}")


def _measured(tools: Sequence[Tool], load: storm.Load, rounds: int) -> list[Sample]:
    samples = [sample for number in range(1, rounds + 1) for sample in one_round(number, tools, load)]
    _progress("")
    return samples


def _keep(samples: Sequence[Sample], load: storm.Load) -> Path:
    RESULTS.mkdir(exist_ok=True)
    file = RESULTS / time.strftime("%Y-%m-%dT%H%M%SZ.json", time.gmtime())
    host = {"kernel": platform.release(), "machine": platform.machine(), "cpus": os.cpu_count()}
    rows = [asdict(sample) for sample in samples]
    file.write_text(json.dumps({"host": host, "load": asdict(load), "samples": rows}, indent=1) + "\n")
    return file.relative_to(storm.HERE.parent)


if __name__ == "__main__":
    main()
