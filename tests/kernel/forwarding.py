"""Programs that are passed a signal, and do this or that with it."""

from __future__ import annotations

import shlex
import sys

from sigtrace.lab.channel import wait_until
from tests.processes import children

TINI, DUMB_INIT, CATATONIT = "/usr/bin/tini", "/usr/bin/dumb-init", "/usr/bin/catatonit"
IGNORES = "signal.signal(signal.SIGTERM, signal.SIG_IGN)"
BLOCKS = "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])"
HANDLES = "signal.signal(signal.SIGTERM, lambda *_: None)"
ENDS = "signal.signal(signal.SIGTERM, lambda *_: sys.exit(3))"


def app(setup: str) -> list[str]:
    """The command of a program that is called `app` once it is set up, and then sleeps again and again."""
    # An exception of a handler that runs while a file is closed by its destructor would be lost.
    named = "with open('/proc/self/comm', 'w') as comm: comm.write('app')"
    program = f"import signal, sys, time\n{setup}\n{named}\nwhile True: time.sleep(50)"
    return [sys.executable, "-I", "-S", "-c", program]


def script(line: str, setup: str) -> str:
    """A shell's script, with the program for `APP`."""
    return line.replace("APP", shlex.join(app(setup)))


FORWARD = "trap 'kill -TERM $child' TERM; APP & child=$!; wait $child; wait $child"
"""A shell that passes SIGTERM on and waits again, as entry points of images do."""


def child(pid: int, comm: str = "app") -> int:
    """The PID of the child of that name, by /proc alone; waits for it."""

    def found() -> list[int]:
        return [each for each, name in children(pid).items() if name == comm]

    wait_until(lambda: bool(found()), f"process {pid} to have a child {comm}")
    return found()[-1]
