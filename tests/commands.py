"""sigtrace as people start it, and processes as they name them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from sigtrace.lab.actor import Actor

COMMAND = (sys.executable, "-m", "sigtrace")
NOBODY = (
    *("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"),
    *("--inh-caps=-all,+dac_read_search", "--ambient-caps=-all,+dac_read_search"),
    "--bounding-set=-all,+dac_read_search",
)
"""As nobody, who may read the interpreter wherever it is installed."""


def sigtrace(*words: str, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command to its end; env: what its environment has besides."""
    return subprocess.run(
        [*COMMAND, *words],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **(env or {})},
    )


@contextmanager
def at_work(
    *words: str,
    under: Sequence[str] = (),
    shifted: int = 0,
    output: int | None = None,
    env: Mapping[str, str] | None = None,
) -> Iterator[subprocess.Popen[str]]:
    """A command that has said it is ready; ended when the block is left.

    under: started by these words; shifted: with its clock of uptime that many seconds ahead; output: where its
    standard output goes; env: what its environment has besides.
    """
    clocks = ["unshare", "--time", "--boottime", str(shifted), "--fork", "--kill-child"] if shifted else []
    process = subprocess.Popen(
        [*under, *clocks, *COMMAND, *words],
        stdout=output,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **(env or {})},
    )
    try:
        assert process.stderr is not None
        while not (line := process.stderr.readline()).startswith("sigtrace: ready"):
            assert line, "it ended before it was ready"
        yield process
    finally:
        process.kill()
        process.communicate()


def nsid(actor: Actor) -> int:
    """The inode of a process's PID namespace."""
    return Path(f"/proc/{actor.pid}/ns/pid").stat().st_ino
