"""A terminal with a shell in it, for commands that fill the screen: what they show, and how they leave it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import select
import shlex
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pyte

from sigtrace.lab.channel import DEADLINE

ROOT = Path(__file__).parents[1]
_DEADLINE = 2 * DEADLINE
_SCRIPT = """
set -m
stty -a > before
{command} 2> {errors}
echo $? > code
stty -a > after
while [ $(cat code) = 148 ]; do
  echo
  echo STOPPED
  read -r line
  fg > /dev/null
  echo $? > code
  stty -a > after
done
echo
echo BACK
read -r line
"""
"""Runs a command as an interactive shell does: in a process group of its own, to be stopped and continued."""


class Tty:
    """A terminal of `columns` by `lines` in which a command runs; `where` is its directory."""

    def __init__(
        self, where: Path, command: str, columns: int = 80, lines: int = 24, errors: str = "errors"
    ) -> None:
        self.where = where
        self.raw = b""
        self._screen = pyte.Screen(columns, lines)
        self._stream = pyte.ByteStream(self._screen)
        self._master, slave = pty.openpty()
        self.resize(columns, lines)
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm-256color"}
        environment = {name: value for name, value in environment.items() if name not in ("COLUMNS", "LINES")}
        self.shell = subprocess.Popen(
            ["setsid", "--ctty", "bash", "-c", _SCRIPT.format(command=command, errors=errors)],
            cwd=where,
            env=environment,
            stdin=slave,
            stdout=slave,
            stderr=slave,
        )
        os.close(slave)

    @property
    def lines(self) -> list[str]:
        """What the screen shows."""
        return [line.rstrip() for line in self._screen.display]

    @property
    def text(self) -> str:
        """The same as one text."""
        return "\n".join(self.lines)

    def columns(self, text: str) -> list[int]:
        """In which column of the screen this text begins, of each line that has it."""
        found = []
        for number in range(self._screen.lines):
            cells = [self._screen.buffer[number][place].data for place in range(self._screen.columns)]
            starts = [place for place in range(len(cells)) if "".join(cells[place:]).startswith(text)]
            found += [place for place in starts[:1] if cells[place]]
        return found

    def resize(self, columns: int, lines: int) -> None:
        """Give it another size."""
        self._screen.resize(lines, columns)
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def press(self, keys: str) -> None:
        """Type."""
        os.write(self._master, keys.encode())

    def until(self, condition: Callable[[], object], seconds: float = _DEADLINE) -> None:
        """Read what is written until the condition holds."""
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                raise AssertionError(f"not within {seconds:g} s:\n{self.text}\n{self.file('errors')}")
            if select.select([self._master], [], [], 0.05)[0]:
                data = os.read(self._master, 1 << 16)
                self.raw += data
                self._stream.feed(data)

    def shows(self, text: str) -> None:
        """Read until the screen shows this."""
        self.until(lambda: text in self.text)

    def file(self, name: str) -> str:
        """A file that the shell wrote; empty if there is none yet."""
        path = self.where / name
        return path.read_text() if path.exists() else ""

    @property
    def child(self) -> int:
        """PID of the command."""
        children = Path(f"/proc/{self.shell.pid}/task/{self.shell.pid}/children").read_text().split()
        return int(children[0])

    def hang_up(self) -> None:
        """The window is closed."""
        os.close(self._master)
        self._master = -1

    def close(self) -> None:
        """End everything in it."""
        if self.shell.poll() is None:
            with contextlib.suppress(IndexError, ProcessLookupError):
                os.kill(self.child, signal.SIGKILL)
            self.shell.kill()
        self.shell.wait()
        if self._master >= 0:
            os.close(self._master)


@contextmanager
def running(where: Path, *words: str, columns: int = 80, lines: int = 24) -> Iterator[Tty]:
    """`sigtrace WORDS` in a terminal."""
    tty = Tty(where, shlex.join([sys.executable, "-m", "sigtrace", *words]), columns, lines)
    try:
        yield tty
    finally:
        tty.close()
