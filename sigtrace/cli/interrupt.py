"""SIGTERM and SIGHUP end a command as Ctrl-C does: by an exception, so that cleanup runs."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


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
