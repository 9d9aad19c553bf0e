"""What ends a command: SIGINT, SIGTERM and SIGHUP, by their default action unless it has something to clean up.

A Python process raises KeyboardInterrupt wherever it is when SIGINT comes: in an import, or in a callback that swallows
it. Therefore SIGINT has its default action but where a command has something to clean up.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def end_by_default() -> None:
    """Give SIGINT and SIGTERM their default action, also where this process was started with them ignored.

    A shell without job control ignores SIGINT in its background jobs, for Ctrl-C in the foreground. `kill -INT` of such
    a job is meant all the same. SIGHUP stays as it is: to ignore it is what nohup is for.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)


def forget_interrupt() -> None:
    """Make Python end with our exit code after a KeyboardInterrupt that was handled.

    One that passes through exec() of a text, as in the making of a dataclass, leaves a mark that makes Python kill
    itself with SIGINT at its end; the next exec() removes it (run_eval_code_obj() in CPython's pythonrun.c).
    """
    exec("")


@contextmanager
def terminated_like_ctrl_c() -> Iterator[None]:
    """While the block runs, the three raise an exception, so that cleanup runs.

    SIGINT raises KeyboardInterrupt; SIGTERM and SIGHUP raise SystemExit with the shell's code for them (143, 129).
    Where Python swallows such an exception, as in a destructor, it is raised again afterwards; another exception that
    comes of it is replaced by it.
    """
    raised: list[BaseException] = []

    def leave(number: int, frame: FrameType | None) -> None:
        for other in before:
            signal.signal(other, signal.SIG_IGN)  # a second one must not interrupt the cleanup
        raised.append(KeyboardInterrupt() if number == signal.SIGINT else SystemExit(128 + number))
        raise raised[-1]

    def swallowed(what: sys.UnraisableHookArgs) -> None:
        if not any(what.exc_value is each for each in raised):
            hook(what)
            return
        number = (
            signal.SIGINT if isinstance(what.exc_value, KeyboardInterrupt) else int(str(what.exc_value)) - 128
        )
        signal.signal(number, leave)
        signal.raise_signal(number)

    hook = sys.unraisablehook
    before = {number: signal.getsignal(number) for number in _ENDING}
    caught = [number for number, held in before.items() if held != signal.SIG_IGN]  # keep what nohup set
    sys.unraisablehook = swallowed
    for number in caught:
        signal.signal(number, leave)
    try:
        yield
    except BaseException as err:
        if raised and err is not raised[-1]:  # an extension that is being imported makes an ImportError of it
            raise raised[-1] from None
        raise
    finally:
        sys.unraisablehook = hook
        for number in caught:
            signal.signal(number, before[number])
