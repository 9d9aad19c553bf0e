"""What ends a command: SIGINT always, SIGTERM and SIGHUP as Ctrl-C does, by an exception, so that cleanup runs."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


def heed_interrupts() -> None:
    """Give SIGINT and SIGTERM back their effect where this process was started with them ignored.

    A shell without job control ignores SIGINT in its background jobs, for Ctrl-C in the foreground. `kill -INT` of such
    a job is meant all the same. SIGHUP stays as it is: to ignore it is what nohup is for.
    """
    for number, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGTERM, signal.SIG_DFL)):
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, handler)


def forget_interrupt() -> None:
    """Make Python end with our exit code after a KeyboardInterrupt that was handled.

    One that passes through exec() of a text, as in the making of a dataclass, leaves a mark that makes Python kill
    itself with SIGINT at its end; the next exec() removes it (run_eval_code_obj() in CPython's pythonrun.c).
    """
    exec("")


@contextmanager
def terminated_like_ctrl_c() -> Iterator[None]:
    """While the block runs, SIGTERM and SIGHUP raise SystemExit with the shell's code for them (143, 129)."""

    def leave(number: int, frame: FrameType | None) -> None:
        for other in before:
            signal.signal(other, signal.SIG_IGN)  # a second one must not interrupt the cleanup
        sys.exit(128 + number)

    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    for number, held in before.items():
        if held != signal.SIG_IGN:  # keep what nohup set
            signal.signal(number, leave)
    try:
        yield
    finally:
        for number, held in before.items():
            signal.signal(number, held)
