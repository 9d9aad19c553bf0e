"""A supervisor for a command that may wait for a disk: it ends when the command has, though its process cannot.

A thread that waits for a disk that hangs is in state D: no signal ends it, and its process stays until the disk is
back; a shell would wait for it as long. The command therefore runs in a child process, which tells its exit code when
it has nothing more to do; the supervisor touches no disk.
"""

from __future__ import annotations

import fcntl
import os
import select
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress

from sigtrace.cli.exit_code import exit_code_of

_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_EXIT_SECONDS = 2.0
"""How long a child that has told its exit code may take to end; longer, and it waits for the disk."""
_TWICE_SECONDS = 1.0
"""A second signal within this time is the same one: timeout(1) sends it to the process, and to its group."""
_SI_KERNEL = 0x80
"""si_code of a signal from the terminal, which its whole foreground group gets."""


def supervised(command: Callable[[], None]) -> None:
    """Run a command in a child process and exit with its code. It gets the signals that end it from us.

    A second one, after a while, kills it. Called by the main thread, with no other thread.
    """
    told, tell = os.pipe()
    ending = [number for number in _ENDING if signal.getsignal(number) != signal.SIG_IGN]
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # ignored, it would leave no status to wait for
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [*ending, signal.SIGCHLD, signal.SIGIO])
    us = os.getpid()
    child = os.fork()
    if not child:
        _end_with(us)
        os.close(told)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        code = exit_code_of(command)
        with suppress(OSError, ValueError):
            sys.stdout.flush()
        os.write(tell, bytes([code]))
        for number in range(3):  # who reads our output must not wait for a process that cannot end
            os.dup2(os.open(os.devnull, os.O_RDWR), number)
        sys.exit(code)
    os.close(tell)
    _give_up_privileges()
    sys.exit(_code_of(child, told, ending))


def _give_up_privileges() -> None:
    """Keep none: to send signals to a process of the same user takes none."""
    from sigtrace.live import privileges

    with suppress(OSError):
        privileges.give_up(())


def _end_with(parent: int) -> None:
    """Have the kernel kill this process with its parent: `kill -9` ends a recorder as if there were one process."""
    from sigtrace.lab import syscalls

    syscalls.prctl(syscalls.PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def _code_of(child: int, told: int, ending: list[signal.Signals]) -> int:
    """Wait until the child has ended, or has told its exit code. Returns the code, or dies of the signal it died of."""
    fcntl.fcntl(told, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(told, fcntl.F_SETFL, os.O_ASYNC | os.O_NONBLOCK)
    first: float | None = None
    while not (_readable(told) or _has_ended(child)):
        came = signal.sigwaitinfo([*ending, signal.SIGCHLD, signal.SIGIO])
        if came.si_signo not in ending:
            continue
        if came.si_code != _SI_KERNEL:
            os.kill(child, came.si_signo)
        now = time.monotonic()
        if first is None:
            first = now
        elif now - first >= _TWICE_SECONDS:
            os.kill(child, signal.SIGKILL)
            _wait(child, _TWICE_SECONDS)
            _die_of(came.si_signo)
    code = os.read(told, 1) if _readable(told) else b""
    status = _wait(child, _EXIT_SECONDS if code else None)
    if code:
        return code[0]
    if os.WIFSIGNALED(status):
        _die_of(os.WTERMSIG(status))
    return os.WEXITSTATUS(status)


def _readable(told: int) -> bool:
    return bool(select.select([told], [], [], 0)[0])


def _has_ended(child: int) -> bool:
    """Whether the child has ended; its status is left for `_wait`."""
    return os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _wait(child: int, seconds: float | None) -> int:
    """Wait for the child's end, without limit if None. Returns its status; 0 if it did not end in time."""
    pidfd = os.pidfd_open(child)
    if not select.select([pidfd], [], [], seconds)[0]:
        return 0
    return os.waitpid(child, 0)[1]


def _die_of(number: int) -> None:
    """End as a process does that this signal kills."""
    signal.signal(number, signal.SIG_DFL) if number != signal.SIGKILL else None
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [number])
    os.kill(os.getpid(), number)
