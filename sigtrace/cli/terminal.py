"""The terminal as a screen of lines and a source of keys, for full-screen commands. It is always restored.

Leaving the `with` block, for any reason, restores the terminal, and so does every signal that ends the process and can
be caught; SIGTSTP restores it while the process is stopped.
Only lines that changed are sent. No library is used: curses would cost start-up time.
"""

from __future__ import annotations

import contextlib
import os
import re
import select
import signal
import sys
import termios
import time
from collections.abc import Iterator, Sequence
from types import FrameType, TracebackType

from sigtrace.errors import BadInput
from sigtrace.lab import syscalls

_ENTER = "\x1b[?1049h\x1b[?25l\x1b[?7l"
"""The alternate screen, no cursor, no wrapping at the right margin; `_LEAVE` undoes it."""
_LEAVE = "\x1b[0m\x1b[?7h\x1b[?25h\x1b[?1049l"
_ESCAPE_SECONDS = 0.03
"""How long to wait after ESC for the rest of a key's sequence."""
_SEQUENCE = re.compile(r"\x1b(?:\[[0-9;]*[A-Za-z~]|O[A-Za-z])")
_BEGINNING = re.compile(r"\x1b(?:\[[0-9;]*|O)?")
_KEYS = {
    **{"A": "up", "B": "down", "C": "right", "D": "left", "H": "home", "F": "end"},
    **{"1~": "home", "4~": "end", "5~": "page up", "6~": "page down", "7~": "home", "8~": "end"},
    **{"\x1b": "escape", "\r": "enter", "\n": "enter", "\x7f": "backspace", "\x08": "backspace"},
}
_WATCHED = (signal.SIGWINCH, signal.SIGCONT, signal.SIGTSTP)
_HARMLESS = (signal.SIGCHLD, signal.SIGURG, signal.SIGTTIN, signal.SIGTTOU, signal.SIGKILL, signal.SIGSTOP)
_FATAL = sorted(signal.valid_signals() - {*_WATCHED, *_HARMLESS})
"""The signals that end a process which does nothing about them, and that it can catch."""
_FAULTS = (signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL)


class Terminal:
    """stdin and stdout as a screen, inside its `with` block. Raises BadInput if they are not a terminal.

    Writing raises OSError when the terminal is gone.
    """

    def __init__(self) -> None:
        if not (sys.stdin.isatty() and sys.stdout.isatty()):
            raise BadInput("stdin and stdout are not a terminal: use --once to print one sample.")
        self._in, self._out = sys.stdin.fileno(), sys.stdout.fileno()
        self._encoding = sys.stdout.encoding
        self._shown: list[str] = []
        self._left = ""
        self._caught: set[int] = set()
        self._bell = (-1, -1)

    def __enter__(self) -> Terminal:
        self._modes = termios.tcgetattr(self._in)
        self._bell = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._handlers = {number: signal.getsignal(number) for number in _WATCHED}
        self._wakeup = signal.set_wakeup_fd(self._bell[1], warn_on_full_buffer=False)
        try:
            for number, held in self._handlers.items():
                # A shell without job control ignores SIGTSTP; leave it ignored then.
                if number != signal.SIGTSTP or held == signal.SIG_DFL:
                    signal.signal(number, self._catch)
            for number in _FATAL:
                if signal.getsignal(number) == signal.SIG_DFL:
                    self._handlers[number] = signal.SIG_DFL
                    signal.signal(number, self._die)
            for number in _FAULTS:
                syscalls.handle_once(number)
            self._take()
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, err: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    @property
    def size(self) -> tuple[int, int]:
        """Columns and lines."""
        columns, lines = os.get_terminal_size(self._out)
        return columns or 80, lines or 24

    def keys(self, timeout: float) -> list[str] | None:
        """The keys pressed so far, waiting up to `timeout` s for the first; None at the end of the input.

        A key is its character, or a name: `up`, `page down`, `enter`, `escape`, `backspace`, ... Returns early,
        without keys, when the terminal changed its size or its content was lost.
        """
        deadline = time.monotonic() + timeout
        keys: list[str] = []
        while not keys and not self._caught:
            left = max(deadline - time.monotonic(), 0)
            ready, _, _ = select.select([self._in, self._bell[0]], [], [], left)
            if self._bell[0] in ready:
                with contextlib.suppress(BlockingIOError):
                    os.read(self._bell[0], 4096)
            if self._in in ready:
                raw = os.read(self._in, 4096)
                if not raw:
                    return None
                keys = self._decoded(raw)
            if not ready:
                break
        self._settle()
        return keys

    def show(self, lines: Sequence[str]) -> None:
        """Show these lines, which must fit and may contain colours (SGR). Raises OSError."""
        out = []
        for number, line in enumerate(lines):
            if number >= len(self._shown) or self._shown[number] != line:
                out.append(f"\x1b[{number + 1};1H\x1b[2K{line}\x1b[0m")
        if len(lines) < len(self._shown):
            out.append(f"\x1b[{len(lines) + 1};1H\x1b[J")
        self._shown = list(lines)
        self._write("".join(out))

    def _decoded(self, raw: bytes) -> list[str]:
        text = self._left + raw.decode(errors="replace")
        while _BEGINNING.fullmatch(text) and select.select([self._in], [], [], _ESCAPE_SECONDS)[0]:
            more = os.read(self._in, 4096)
            if not more:
                break
            text += more.decode(errors="replace")
        return list(_keys(text))

    def _catch(self, number: int, frame: FrameType | None) -> None:
        self._caught.add(number)

    def _die(self, number: int, frame: FrameType | None) -> None:
        self._close()
        signal.raise_signal(number)

    def _settle(self) -> None:
        """Handle the signals caught since the last call."""
        caught, self._caught = self._caught, set()
        if signal.SIGTSTP in caught:
            self._give_back()
            signal.signal(signal.SIGTSTP, signal.SIG_DFL)
            os.kill(os.getpid(), signal.SIGTSTP)  # stopped here until SIGCONT
            signal.signal(signal.SIGTSTP, self._catch)
        if caught & {signal.SIGTSTP, signal.SIGCONT}:
            self._caught.discard(signal.SIGCONT)
            self._take()
        if caught:
            self._shown = []
            self._write("\x1b[2J")

    def _take(self) -> None:
        """Read keys one by one, without echo; Ctrl-C and Ctrl-Z still send signals, Ctrl-\\ does not."""
        modes = termios.tcgetattr(self._in)
        modes[3] &= ~(termios.ICANON | termios.ECHO)
        modes[6] = [*modes[6]]
        modes[6][termios.VMIN], modes[6][termios.VTIME], modes[6][termios.VQUIT] = 1, 0, b"\0"
        termios.tcsetattr(self._in, termios.TCSADRAIN, modes)
        self._write(_ENTER)
        self._shown = []

    def _give_back(self) -> None:
        with contextlib.suppress(OSError, termios.error):  # the terminal may be gone
            termios.tcsetattr(self._in, termios.TCSANOW, self._modes)
            self._write(_LEAVE)

    def _close(self) -> None:
        """Restore everything, without interruption by signals."""
        ending = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        held = signal.pthread_sigmask(signal.SIG_BLOCK, ending)
        try:
            with contextlib.suppress(OSError, termios.error):
                termios.tcflow(self._in, termios.TCOON)  # the user may have pressed Ctrl-S
            self._give_back()
            for number, handler in self._handlers.items():
                signal.signal(number, handler)
            # The pipe stays open: another thread may be about to write to it, in the handler of a signal that it took.
            signal.set_wakeup_fd(self._wakeup)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, held)

    def _write(self, text: str) -> None:
        left = memoryview(text.encode(self._encoding, "replace"))
        while left:
            left = left[os.write(self._out, left) :]


def _keys(text: str) -> Iterator[str]:
    """The keys in the characters that a terminal sent; unknown sequences are skipped."""
    while text:
        found = _SEQUENCE.match(text)
        if found:
            text = text[found.end() :]
            name = _KEYS.get(found[0][2:])
            if name:
                yield name
            continue
        yield _KEYS.get(text[0], text[0])
        text = text[1:]
