"""A shell in a terminal without a screen: what is typed into it, and what it shows from moment to moment."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import termios
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType

import pyte

PROMPT = "# "


@dataclass(frozen=True)
class Cell:
    """One character; colours are names of pyte or six hexadecimal digits, `default` for the terminal's own."""

    text: str
    front: str = "default"
    back: str = "default"
    bold: bool = False


Row = tuple[Cell, ...]


@dataclass(frozen=True)
class Frame:
    """What the screen showed from a moment on, in seconds since the shell was ready."""

    time: float
    rows: tuple[Row, ...]


@dataclass
class Shell:
    """A root shell that runs until the end of the `with`; each change of its screen is a frame."""

    columns: int
    lines: int
    env: Mapping[str, str] = field(default_factory=dict)
    frames: list[Frame] = field(default_factory=list)

    def __enter__(self) -> Shell:
        self._screen = pyte.Screen(self.columns, self.lines)
        self._stream = pyte.ByteStream(self._screen)
        self._pid, self._terminal = pty.fork()
        if self._pid == 0:  # pragma: no cover: the shell
            kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
            kept |= {"TERM": "xterm-256color", "PS1": PROMPT, "HISTFILE": "/dev/null", **self.env}
            os.execvpe("bash", ["bash", "--norc", "--noprofile", "--noediting", "-i"], kept)
        size = struct.pack("HHHH", self.lines, self.columns, 0, 0)
        fcntl.ioctl(self._terminal, termios.TIOCSWINSZ, size)
        self._began = time.monotonic()
        self.until(self.is_ready)
        self._began, self.frames = time.monotonic(), self.frames[-1:]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._terminal)  # which hangs up the shell and all in it
        os.waitpid(self._pid, 0)

    @property
    def text(self) -> str:
        """What the screen shows."""
        return "\n".join(line.rstrip() for line in self._screen.display).rstrip()

    def is_ready(self) -> bool:
        """Whether the shell waits for a command."""
        return self.text.split("\n")[-1] == PROMPT.rstrip()

    def type(self, keys: str, pause: float = 0.0) -> None:
        """Type keys, with a pause in seconds after each."""
        for key in keys:
            os.write(self._terminal, key.encode())
            self._read(pause)

    def until(self, condition: Callable[[], object], seconds: float = 120) -> None:
        """Read until the condition holds. Raises TimeoutError."""
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                raise TimeoutError(f"not within {seconds} s:\n{self.text}")
            self._read(0.05)

    def _read(self, seconds: float) -> None:
        """Take in what is written for so long."""
        end = time.monotonic() + seconds
        while select.select([self._terminal], [], [], max(end - time.monotonic(), 0))[0]:
            self._stream.feed(os.read(self._terminal, 1 << 16))
            rows = self._rows()
            if not self.frames or rows != self.frames[-1].rows:
                self.frames.append(Frame(time.monotonic() - self._began, rows))

    def _rows(self) -> tuple[Row, ...]:
        return tuple(
            tuple(self._cell(self._screen.buffer[line][column]) for column in range(self.columns))
            for line in range(self.lines)
        )

    @staticmethod
    def _cell(char: pyte.screens.Char) -> Cell:
        front, back = char.fg, char.bg
        if char.reverse:  # the terminal's own colours have other names when they change places
            front, back = "ground" if back == "default" else back, "ink" if front == "default" else front
        return Cell(char.data, front, back, char.bold)
