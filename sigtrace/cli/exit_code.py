"""The only place that turns our errors into a message and an exit code."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import sys
from collections.abc import Callable

import click

from sigtrace.cli.interrupt import forget_interrupt
from sigtrace.errors import BadInput, SigtraceError
from sigtrace.text import printable

EXIT_FAILED, EXIT_USAGE, EXIT_FOUND = 1, 2, 3
"""EXIT_FOUND: the command did its work, and found what it looks for."""
EXIT_INTERRUPTED = 130
"""That of a process that SIGINT has killed, for a shell."""
_OF_AGENT = ("prometheus_client", "bcrypt", "tomli")
_INSTALL_AGENT = "`pip install 'sigtrace[agent]'` brings it"
_INSTALL = "`pip install sigtrace` brings it (docs/install.md says which commands need what)"

_NO_MEMORY = re.compile(r"failed to map segment|cannot allocate memory|can't start new thread")
"""What the dynamic linker and the threading module say."""


def exit_code_of(action: Callable[[], object]) -> int:
    """Run a command; print its error, if it has one. Returns its exit code; any other error is a bug, and raised."""
    try:
        code = _told_of_memory(action)
    except click.exceptions.Exit as err:
        return err.exit_code
    except click.ClickException as err:
        err.show()
        return err.exit_code
    except SigtraceError as err:
        click.echo(f"sigtrace: {err}", err=True)
        return EXIT_USAGE if isinstance(err, BadInput) else EXIT_FAILED
    except ModuleNotFoundError as err:
        missing = (err.name or "").partition(".")[0]
        if missing in ("", "sigtrace"):
            raise
        install = _INSTALL_AGENT if missing in _OF_AGENT else _INSTALL
        click.echo(f"sigtrace: {missing} is not installed, which this command needs: {install}", err=True)
        code = EXIT_FAILED
    except OSError as err:
        about = f": {printable(os.fsdecode(err.filename))}" if err.filename else ""
        with contextlib.suppress(OSError):
            what_to_do = "; raise `ulimit -n`" if err.errno == errno.EMFILE else ""
            click.echo(f"sigtrace: {err.strerror or err}{about}{what_to_do}", err=True)
        for stream in (sys.stdout, sys.stderr):  # Python would flush again at exit, and fail again
            with contextlib.suppress(OSError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        return EXIT_FAILED
    except (click.Abort, KeyboardInterrupt):
        forget_interrupt()
        return EXIT_INTERRUPTED
    return code if isinstance(code, int) else 0


def _told_of_memory(action: Callable[[], object]) -> object:
    """Run it. Raises SigtraceError where there is no memory: for a value, a library to map or a thread's stack."""
    try:
        return action()
    except (MemoryError, ImportError, RuntimeError) as err:
        if not isinstance(err, MemoryError) and not _NO_MEMORY.search(str(err)):
            raise
        raise SigtraceError("out of memory: raise the limit (`ulimit -v`, or that of this cgroup)") from err
