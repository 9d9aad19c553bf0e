"""Fuzz every target: `make fuzz`, or `python -m tests.fuzz.run --runs 20000 bbolt json`.

Each target runs in a process of its own, with atheris (libFuzzer, led by coverage) if it is installed, else with inputs
that are changed at random. An input that takes over SECONDS of CPU, memory beyond MEGABYTES, or any exception that the
target does not allow ends it; the input is kept in .cache/fuzz.
"""

from __future__ import annotations

import argparse
import importlib.util
import math
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
KEPT = ROOT / ".cache/fuzz"
SECONDS, MEGABYTES, LONGEST = 5, 1024, 1 << 14


def main() -> int:
    """Run the targets one after the other; returns 1 if one of them has failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=1_000_000, help="inputs in all")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("targets", nargs="*", help="all")
    options = parser.parse_args()
    if options.one:
        _run_here(options.one, options.runs, options.seed)
        return 0
    from tests.fuzz.targets import TARGETS

    chosen = [each for each in TARGETS if not options.targets or each.name in options.targets]
    shares, total, failed = sum(each.share for each in chosen), 0, []
    for target in chosen:
        runs = math.ceil(options.runs * target.share / shares)
        words = ["--one", target.name, "--runs", str(runs), "--seed", str(options.seed)]
        began = time.monotonic()
        with tempfile.TemporaryDirectory(
            dir="/dev/shm"
        ) as files:  # in memory; libFuzzer ends without cleaning up
            done = subprocess.run(
                [sys.executable, "-m", "tests.fuzz.run", *words],
                cwd=ROOT,
                env={**os.environ, "TMPDIR": files},
                capture_output=True,
                text=True,
                check=False,
            )
        total += runs
        print(f"{target.name:<14} {runs:>9,} inputs {time.monotonic() - began:7.1f} s", flush=True)
        if done.returncode != 0:
            failed.append(target.name)
            print("".join(f"  {line}\n" for line in (done.stdout + done.stderr).splitlines()[-40:]))
    with_what = "atheris" if importlib.util.find_spec("atheris") else "random changes"
    print(
        f"{total:,} inputs of {len(chosen)} targets with {with_what}; failed: {', '.join(failed) or 'none'}"
    )
    return 1 if failed else 0


def _run_here(name: str, runs: int, seed: int) -> None:
    KEPT.mkdir(parents=True, exist_ok=True)
    if importlib.util.find_spec("atheris"):
        _with_atheris(name, runs, seed)
    else:
        _with_changes(name, runs, seed)


def _with_atheris(name: str, runs: int, seed: int) -> None:
    """Run with libFuzzer. It ends the process."""
    import atheris

    from tests.fuzz.changes import with_tokens

    with atheris.instrument_imports(include=["sigtrace"]):
        from tests.fuzz.targets import TARGETS
    target = next(each for each in TARGETS if each.name == name)
    corpus = KEPT / f"corpus-{name.replace(' ', '-')}"
    corpus.mkdir(exist_ok=True)
    seeds = target.seeds()
    for number, content in enumerate([*seeds, *with_tokens(seeds)[:500]]):
        (corpus / f"seed-{number}").write_bytes(content)
    longest = max(LONGEST, *(path.stat().st_size for path in corpus.iterdir()))
    limits = [f"-timeout={SECONDS}", f"-rss_limit_mb={MEGABYTES}", f"-max_len={longest}"]
    where = f"-artifact_prefix={KEPT}/{name.replace(' ', '-')}-"
    atheris.Setup([sys.argv[0], f"-runs={runs}", f"-seed={seed}", *limits, where, str(corpus)], target)
    atheris.Fuzz()


def _with_changes(name: str, runs: int, seed: int) -> None:
    """Run with inputs that are changed at random."""
    from tests.fuzz.changes import changed
    from tests.fuzz.targets import TARGETS

    target = next(each for each in TARGETS if each.name == name)
    seeds, chance = target.seeds(), random.Random(f"{seed} {name}")
    signal.signal(signal.SIGXCPU, signal.SIG_DFL)
    raw = b""
    try:
        for _ in range(runs):
            raw = changed(chance.choice(seeds), chance)
            used = resource.getrusage(resource.RUSAGE_SELF)
            soft = int(used.ru_utime + used.ru_stime) + SECONDS + 1
            resource.setrlimit(resource.RLIMIT_CPU, (soft, resource.RLIM_INFINITY))
            target(raw)
            if used.ru_maxrss > MEGABYTES << 10:
                raise MemoryError(f"{used.ru_maxrss >> 10} MB")
    except BaseException:
        (KEPT / f"{name.replace(' ', '-')}-input").write_bytes(raw)
        raise


if __name__ == "__main__":
    sys.exit(main())
